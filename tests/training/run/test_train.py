"""Training by a recipe: the run folder, resuming, refusals, adapters, the dry run."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense
from transformers import TrainerCallback
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.commands.train import _evaluation
from mteb_hybrid.files.leftovers import unfinished
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.model import repaired
from mteb_hybrid.training.batches.callback import HybridBatchError
from mteb_hybrid.training.run.build import load_model
from mteb_hybrid.training.run.folder import RunFolder, RunFolderError
from mteb_hybrid.training.run.log import RunLog
from mteb_hybrid.training.run.meta import model_meta
from mteb_hybrid.training.run.train import train

RECIPE = """
name = "tiny"
title = "Tiny"
description = "For tests."

[languages]
en = "eng-Latn"
de = "deu-Latn"

[model]
name = "{model}"
query_prompt = "q: "
passage_prompt = "p: "

[[data]]
name = "pairs"
format = "json"
path = "pairs.jsonl"

[batches]
size = 8

[training]
learning_rate = 1e-2
max_steps = 12
save_steps = 4
logging_steps = 2

[evaluation]
collection = "sample"
every = 4
max_groups = 1
patience = 2
"""

SHORT = ("evaluation=", "training.save_steps=", "training.max_steps=2")


@pytest.fixture
def recipe_file(tmp_path, tiny_model, monkeypatch):
    """A recipe for the tiny model, with parallel data of which 3 letters tell each row."""
    monkeypatch.setattr("mteb_hybrid.files.places.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    chance = np.random.default_rng(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = []
    for row in range(64):
        word = "".join(chance.choice(list(letters), 3)) * 2
        query = {"en": f"what {word}", "de": f"was {word}"}
        passage = {"en": f"{word} is this", "de": f"{word} ist das"}
        lines.append(json.dumps({"id": row, "query": query, "passage": passage}))
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    file = tmp_path / "tiny.toml"
    file.write_text(RECIPE.format(model=tiny_model.as_posix()))
    return file


class Interrupt(TrainerCallback):
    """A crash in the middle of a run."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 7:
            raise KeyboardInterrupt


def interrupted(recipe, folder):
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder, callbacks=[Interrupt()])


class KilledAtTheEnd(TrainerCallback):
    """A crash between the last checkpoint and the model."""

    def on_train_end(self, args, state, control, **kwargs):
        raise KeyboardInterrupt


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def command(*arguments):
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    return result.output + str(result.exception or "")


def _forget(monkeypatch, start):
    """Have modules imported anew in a test, and be again what they were after it."""
    names = [name for name in sys.modules if name.startswith(start)]
    for parent, _, child in (name.rpartition(".") for name in names):
        package = sys.modules[parent]
        monkeypatch.setattr(package, child, getattr(package, child))
    for name in names:
        monkeypatch.delitem(sys.modules, name)


def test_killed_after_its_last_step_a_run_makes_no_other(recipe_file, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    recipe = read_recipe(recipe_file, ["evaluation=", "training.max_steps=4"])
    assert train(recipe, whole)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, halves, callbacks=[KilledAtTheEnd()])
    assert train(recipe, halves, resume=True)
    assert [folder.name for folder in (halves / "checkpoints").glob("c*")] == ["checkpoint-4"]
    steps = [json.loads(line)["step"] for line in (halves / "log.jsonl").read_text().splitlines()]
    assert max(steps) == 4
    first, second = weights(whole), weights(halves)
    assert all((first[name] == second[name]).all() for name in first)


def test_a_run_and_a_resumed_one(recipe_file, tmp_path, curves):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    recipe = read_recipe(recipe_file)
    assert train(recipe, whole)

    assert {file.name for file in whole.iterdir()} == {
        *("recipe.toml", "versions.json", "log.jsonl", "curves.svg", "curves.png"),
        *("checkpoints", "model", "model_meta.json"),
    }
    assert read_recipe(whole / "recipe.toml") == recipe
    log = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in log if "loss" in entry]
    assert len(losses) == 6 and losses[-1] < losses[0]
    assert all(entry["hybrid/alpha"] == 0.5 for entry in log if "loss" in entry)
    pairs = [entry for entry in log if "loss" in entry][-1]
    assert sum(n for key, n in pairs.items() if key.startswith("hybrid/pairs/")) == 12 * 8
    evaluated = [entry["step"] for entry in log if "eval_sample_multilingual_map" in entry]
    assert evaluated == [0, 4, 8, 12]
    (versions,) = json.loads((whole / "versions.json").read_text())
    assert versions["from"] == "start" and "torch" in versions["packages"]
    for file in ("versions.json", "log.jsonl", "model_meta.json", "curves.svg"):
        assert str(tmp_path) not in (whole / file).read_text()

    interrupted(recipe, halves)
    assert not (halves / "model").exists()
    (halves / "checkpoints" / "checkpoint-6").mkdir()  # cut off while it was written
    with pytest.raises(RunFolderError, match="go on from checkpoint-4 with --resume"):
        train(recipe, halves)
    with pytest.raises(RunFolderError, match=r"batches.alpha: 0.5, now 1.0"):
        train(read_recipe(recipe_file, ["batches.alpha=1.0"]), halves, resume=True)
    assert train(recipe, halves, resume=True)
    first, second = weights(whole), weights(halves)
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)
    assert [part["from"] for part in json.loads((halves / "versions.json").read_text())] == [
        "start",
        "checkpoint-4",
    ]
    resumed = [json.loads(line) for line in (halves / "log.jsonl").read_text().splitlines()]
    assert [entry.get("loss") for entry in resumed][:-1] == [e.get("loss") for e in log][:-1]
    assert not train(recipe, whole)


def test_the_trained_model_and_what_mteb_needs(recipe_file, tmp_path, tiny_model):
    from huggingface_hub import ModelCard
    from mteb.models import ModelMeta

    from mteb_hybrid.models.contents import folder_hash

    overrides = [*SHORT, "data.0.mteb_tasks=['MLQARetrieval']"]
    given = [argument for override in overrides for argument in ("--set", override)]
    assert "finished\n" in command(recipe_file, "--output-folder", tmp_path / "run", *given)
    model = SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
    assert model.prompts["query"] == "q: " and model.prompts["document"] == "p: "
    fields = json.loads((tmp_path / "run" / "model_meta.json").read_text())
    meta = ModelMeta.model_validate({**fields, "loader": None})
    assert meta.name == "local/tiny"
    assert meta.revision == folder_hash(tmp_path / "run" / "model")
    assert meta.languages == ["eng-Latn", "deu-Latn"]
    assert meta.training_datasets is None  # what was trained on before is not known
    assert (meta.embed_dim, meta.license) == (16, None)
    assert meta.n_parameters == sum(parameter.numel() for parameter in model.parameters())

    card = ModelCard.load(tmp_path / "run" / "model" / "README.md")
    assert card.data.language == ["en", "de"] and "mteb" in card.data.tags
    order = ["# Tiny", "## Use", "Not evaluated yet.", "## How it was trained", "## Limits"]
    order += ["## Model Details", "## Training Details", "### Hybrid Batches", "## Citation"]
    places = [card.text.index(part) for part in order]
    assert places == sorted(places) and "<!-- -" not in card.text
    kept = tmp_path / "run" / "model" / "model_card"
    assert {file.name for file in kept.iterdir()} == {"recipe.toml", "versions.json", "curves.png"}
    assert read_recipe(kept / "recipe.toml").data[0].path == "pairs.jsonl"
    for file in (kept / "recipe.toml", kept.with_name("README.md")):
        assert not any(str(path) in file.read_text() for path in (tmp_path, tiny_model.parent))


def test_a_run_that_starts_from_another_was_trained_on_its_data_too(
    recipe_file, tmp_path, tiny_model
):
    base = tmp_path / "first" / "model"
    shutil.copytree(tiny_model, base)
    config = base / "config_sentence_transformers.json"
    odd = {"prompts": {"odd": "o: "}, "default_prompt_name": "odd"}
    config.write_text(json.dumps(json.loads(config.read_text()) | odd))
    before = {"training_datasets": ["XQuADRetrieval"], "adapted_from": "org/base"}
    (base.parent / "model_meta.json").write_text(json.dumps(before))
    given = [*SHORT, "data.0.mteb_tasks=['MLQARetrieval']", f"model.name='{base.as_posix()}'"]
    recipe = read_recipe(recipe_file, given)
    model = load_model(recipe)
    fields = model_meta(recipe, model, "r1")
    assert fields["training_datasets"] == ["MLQARetrieval", "XQuADRetrieval"]
    assert fields["adapted_from"] == "org/base"
    assert _evaluation(recipe, tmp_path)[4] not in ("sample", "xquad-r", "mlqa-r")
    given = [f"model.name='{base.as_posix()}'", "evaluation.collection=xquad-r"]
    with pytest.raises(RunFolderError, match="was trained on XQuADRetrieval, of the texts of xqu"):
        RunFolder(tmp_path / "run").check(read_recipe(recipe_file, given), resume=False)
    assert model.default_prompt_name is None  # it is none of the recipe's, and would not load
    config.write_text(config.read_text().replace("odd", "query"))
    assert load_model(recipe).default_prompt_name == "query"


def test_a_run_goes_on_only_from_the_files_that_it_began_from(recipe_file, tmp_path, tiny_model):
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    recipe = read_recipe(recipe_file, [f"model.name='{base.as_posix()}'"])
    run = RunFolder(tmp_path / "run")
    run.begin(recipe, "fp32")
    checkpoint = run.checkpoints / "checkpoint-4"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    run.check_base(recipe)
    with (base / "modules.json").open("a") as file:
        file.write("\n")
    with pytest.raises(RunFolderError, match=r"began from other files than .*base has now"):
        run.check_base(recipe)
    dry = ("--dry-run", "--resume", "-o", run.path)
    given = ("--set", f"model.name={base.as_posix()}")
    shutil.rmtree(base)
    said = command(recipe_file, *dry, *given)
    assert said.count("this would not run: ") == 1 and said.count("no folder") == 2


def test_training_needs_neither_jinja2_nor_matplotlib(recipe_file, tmp_path, monkeypatch):
    for module in ("mteb_hybrid.training.run.curves", "mteb_hybrid.model_card.markdown"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    _forget(monkeypatch, "mteb_hybrid.model_card.")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    given = [argument for override in SHORT for argument in ("--set", override)]
    said = command(recipe_file, "--output-folder", tmp_path / "run", *given)
    assert "no curves: matplotlib is missing" in said and "no model card: jinja2" in said
    assert (tmp_path / "run" / "model_meta.json").is_file()
    kept = {file.name for file in (tmp_path / "run" / "model" / "model_card").iterdir()}
    assert kept == {"recipe.toml", "versions.json"}

    monkeypatch.undo()  # once they are installed, the finished run gets its card
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    name = unfinished("model-card-template").replace(f"-{os.getpid()}-", "-999999999-")
    killed = Path(tempfile.gettempdir(), f"{name}12345678.part")
    killed.touch()
    said = command(recipe_file, "--output-folder", tmp_path / "run", *given)
    assert "finished before" in said and not killed.exists()
    card = tmp_path / "run" / "model" / "README.md"
    assert "## How it was trained" in card.read_text(encoding="utf-8")
    card.write_text(card.read_text(encoding="utf-8") + "mine\n", encoding="utf-8")
    command(recipe_file, "--output-folder", tmp_path / "run", *given)
    assert card.read_text(encoding="utf-8").endswith("mine\n")


@pytest.mark.parametrize("dry", [("--dry-run",), ()])
def test_without_the_extra_it_is_named(recipe_file, tmp_path, monkeypatch, dry):
    _forget(monkeypatch, "mteb_hybrid.training.")
    for module in [name for name in sys.modules if name.partition(".")[0] == "accelerate"]:
        monkeypatch.setitem(sys.modules, module, None)
    said = command(recipe_file, "-o", tmp_path / "run", *dry)
    assert 'training needs accelerate, of an extra: pip install "mteb-hybrid[train]"' in said


def test_an_adapter(recipe_file, tmp_path, tiny_model):
    adapter = "model.lora={r=2, alpha=4, target_modules=['query', 'value']}"
    recipe = read_recipe(recipe_file, [adapter, "evaluation="])
    train(recipe, tmp_path / "whole")
    interrupted(recipe, tmp_path / "halves")
    train(recipe, tmp_path / "halves", resume=True)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    before = load_file(tiny_model / "model.safetensors")
    assert first.keys() == before.keys() == second.keys()
    changed = {name for name in before if not (before[name] == first[name]).all()}
    attention = "encoder.layer.0.attention.self"
    assert changed == {f"{attention}.query.weight", f"{attention}.value.weight"}
    assert all((first[name] == second[name]).all() for name in first)
    assert (tmp_path / "whole" / "adapter" / "adapter_config.json").is_file()


def test_with_an_adapter_later_modules_stay(recipe_file, tmp_path, tiny_model):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.append(Dense(16, 8))
    model.save_pretrained(str(tmp_path / "dense"))
    overrides = [*SHORT, f"model.name={(tmp_path / 'dense').as_posix()}"]
    overrides += ["model.lora={r=2, alpha=4, target_modules=['query']}"]
    train(read_recipe(recipe_file, overrides), tmp_path / "run")
    trained = SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
    before, after = model.state_dict(), trained.state_dict()
    changed = [name for name in before if not (before[name] == after[name]).all()]
    assert len(changed) == 1 and changed[0].endswith("attention.self.query.weight")


def test_texts_are_cut_in_training_alone(recipe_file, tmp_path, tiny_model):
    file = tmp_path / "pairs.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]

    def write(more):
        for row in rows:
            text = f"{row['passage']['en'][::-1]}{more}"
            row["negatives"] = {"en": [text], "de": [text]}
            row["passage"] = {code: text + more for code, text in row["passage"].items()}
        file.write_text("\n".join(map(json.dumps, rows)))

    def trained(name, *overrides):
        recipe = read_recipe(recipe_file, [*everywhere, *overrides])
        if name == "resumed":
            interrupted(recipe, tmp_path / name)
        train(recipe, tmp_path / name, resume=name == "resumed")
        return weights(tmp_path / name)

    everywhere = ("evaluation=", "training.max_steps=8", "data.0.negatives=1")
    cut = "training.max_tokens=5"
    write("")
    short, resumed, whole = trained("short", cut), trained("resumed", cut), trained("whole")
    write(" and more")
    longer = trained("longer", cut)
    assert all((x[name] == short[name]).all() for x in (resumed, longer) for name in short)
    assert any((whole[name] != short[name]).any() for name in short)
    saved = SentenceTransformer(str(tmp_path / "short" / "model"), device="cpu")
    assert saved.max_seq_length == SentenceTransformer(str(tiny_model)).max_seq_length > 5


def test_data_that_changed_are_refused(recipe_file, tmp_path):
    recipe = read_recipe(recipe_file, ["evaluation="])
    interrupted(recipe, tmp_path / "run")
    data = tmp_path / "pairs.jsonl"
    data.write_text(data.read_text().replace("what", "which"))
    with pytest.raises(HybridBatchError, match="the checkpoint belongs to another run"):
        train(recipe, tmp_path / "run", resume=True)


def test_a_folder_with_other_files_is_refused(recipe_file, tmp_path):
    with pytest.raises(RunFolderError, match="holds files, but no run"):
        train(read_recipe(recipe_file), tmp_path)


def test_frozen_parameters_stay(recipe_file, tmp_path, tiny_model):
    overrides = [*SHORT, "model.freeze=['embeddings.word']"]
    train(read_recipe(recipe_file, overrides), tmp_path / "run")
    before, after = load_file(tiny_model / "model.safetensors"), weights(tmp_path / "run")
    frozen, other = (f"embeddings.{which}_embeddings.weight" for which in ("word", "position"))
    assert (before[frozen] == after[frozen]).all()
    assert not (before[other] == after[other]).all()


@pytest.mark.parametrize(
    "how",
    [
        "",
        "model.freeze=['2.linear']",
        "model.lora={r=2, alpha=4, target_modules=['query', 'value']}",
    ],
)
def test_a_repaired_model_is_trained_and_its_map_too_unless_frozen(
    how, recipe_file, tiny_model, tmp_path
):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    words = {"de": ["haus", "hund", "baum"], "en": ["house", "dog", "tree"]}
    fitted = VECTOR_REPAIRS["projection"].fit({x: model.encode(y) for x, y in words.items()})
    new = repaired(model, fitted)
    new.save_pretrained(str(tmp_path / "repaired"))
    overrides = [*SHORT, f"model.name={(tmp_path / 'repaired').as_posix()}"]
    overrides += [how] if how else []
    train(read_recipe(recipe_file, overrides), tmp_path / "run")
    trained = SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
    map_ = trained[2].linear.weight.detach().numpy()
    assert np.allclose(map_, fitted.maps[None].matrix, atol=1e-6) == bool(how)
    name = "0.model.encoder.layer.0.attention.self.query.weight"
    assert not np.array_equal(*(x.state_dict()[name].numpy() for x in (new, trained)))


def test_dry_run(recipe_file, tmp_path):
    said = command(recipe_file, "--dry-run", "-o", tmp_path / "run", "--set", "batches.alpha=1.0")
    assert not (tmp_path / "run").exists()
    for part in (
        "64 rows (json pairs.jsonl)",
        "en 64, de 64",
        "128 monolingual in 2 languages, 128 cross-lingual in 2 ordered pairs",
        "8 per epoch and process",
        "12, which is 1.50 epochs",
        "first 12 batches 100.0% monolingual, 2 pairs",
        "GiB: parameters",
        "keeps the best",
        "1,067 to encode each time",
    ):
        assert part in " ".join(said.split())


def test_a_dry_run_says_what_alpha_and_languages_cannot_have(recipe_file, tmp_path):
    file = tmp_path / "pairs.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows[9:]:
        del row["query"]["de"], row["passage"]["de"]
    file.write_text("\n".join(map(json.dumps, rows)))
    said = command(recipe_file, "--dry-run", "--set", "batches.alpha=0.5")
    assert "too few rows for " in said and "instead of" in said


def test_data_that_fill_no_batch_make_smaller_ones_in_recipes_too(recipe_file, tmp_path):
    wide = ("--set", "batches.size=65")
    said = " ".join(command(recipe_file, "--dry-run", *wide).split())
    assert "1 per epoch and process" in said and "batches are of 64 instead of 65" in said
    train(read_recipe(recipe_file, [*SHORT, "batches.size=65"]), tmp_path / "run")
    file = tmp_path / "pairs.jsonl"
    rows = [{**json.loads(line), "group": "all"} for line in file.read_text().splitlines()]
    file.write_text("\n".join(map(json.dumps, rows)))
    said = " ".join(command(recipe_file, "--dry-run").split())
    assert "this would not run: " in said
    assert "rows make batches of one example" in said and "(batches.size in a recipe) to 1" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.0.path=none.jsonl", "none.jsonl: no such file"),
        ("languages.fr=fra-Latn", "fr"),
        ("model.name=./none", "model.name: no folder "),
        ("model.pooling=cls", "has modules.json: remove model.pooling"),
        ("model.freeze=['none']", "no parameter begins with 'none'; expected a beginning such as"),
        ("model.revision='0'", "the recipe expects 0"),
        ("evaluation.collection=xquad-r", "xquad-r"),
    ],
)
def test_a_dry_run_says_what_is_wrong(recipe_file, override, said):
    printed = command(recipe_file, "--dry-run", "--set", override)
    assert "this would not run: " in printed and said in printed.partition("not run")[2]


def test_what_cannot_begin_leaves_nothing_behind(recipe_file, tmp_path):
    for override in ("data.0.path=none.jsonl", "model.name=./none"):
        assert "no" in command(recipe_file, "-o", tmp_path / "run", "--set", override)
        assert not (tmp_path / "run").exists()


def test_a_plain_transformer_needs_a_pooling(recipe_file, tiny_model):
    plain = f"model.name={tiny_model.with_name('bert').as_posix()}"
    with pytest.raises(ModelError, match=r"says nothing of pooling: set model\.pooling"):
        load_model(read_recipe(recipe_file, [plain]))
    model = load_model(read_recipe(recipe_file, [plain, "model.pooling=cls"]))
    assert model[1].pooling_mode == "cls"


def test_several_seeds(recipe_file, tmp_path):
    options = [part for override in SHORT for part in ("--set", override)]
    said = command(recipe_file, "--seed", 1, "--seed", 2, "-o", tmp_path / "runs", *options)
    assert f"{tmp_path / 'runs' / 'seed-2'}: finished" in said
    first, second = (read_recipe(tmp_path / "runs" / f"seed-{n}" / "recipe.toml") for n in (1, 2))
    assert (first.training.seed, second.training.seed) == (1, 2)
    again = command(recipe_file, "--seed", 2, "-o", tmp_path / "runs" / "seed-2", *options)
    assert "finished before; nothing to do" in again
    other = command(recipe_file, "--dry-run", "-o", tmp_path / "runs" / "seed-2", *options)
    assert "training.seed: 2, now 1" in other


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "training.save_steps=4",
            "stopped; go on from checkpoint-4: mteb-hybrid train r -o 'a b' ",
        ),
        ("training.save_steps=9", "yet (the first is at step 9); start over: mteb-hybrid train r"),
        ("training.save_steps=", "yet (training.save_steps is not set); start over: mteb-hybrid"),
    ],
)
def test_a_stop_says_how_to_go_on(recipe_file, tmp_path, monkeypatch, override, said):
    monkeypatch.setattr("sys.argv", ["x", "train", "r", "-o", "a b"])
    monkeypatch.setattr("shutil.which", lambda name: name)
    given = ("-o", tmp_path / "run", "--set", "evaluation=", "--set", override)
    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "on_step_end", Interrupt.on_step_end)
        result = CliRunner().invoke(app, ["train", str(recipe_file), *map(str, given)])
    assert result.exit_code == 130
    line = result.output.splitlines()[-1]
    assert line.startswith("mteb-hybrid: ") and said in line
    assert line.endswith(" --resume") is ("go on" in said)
    if "go on" in said:
        assert "run: going on from checkpoint-4" in command(recipe_file, *given, "--resume")


def test_a_stop_after_the_training_says_how_to_go_on(recipe_file, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mteb_hybrid.commands.train._write_card", stop)
    given = [part for override in SHORT for part in ("--set", override)]
    given += ["--seed", "1", "--seed", "2", "-o", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, ["train", str(recipe_file), *given])
    assert result.exit_code == 130
    assert "stopped; the same command goes on from here: " in result.output.splitlines()[-1]


def test_it_is_evaluated_on_what_the_recipe_holds_out_or_it_was_not_trained_on(
    recipe_file, tmp_path, monkeypatch
):
    def hint(*overrides):
        return _evaluation(read_recipe(recipe_file, overrides), tmp_path / "a b")[4:]

    assert hint() == ["sample"]
    assert hint("evaluation=") == ["xquad-r"]
    tasks = "data.0.mteb_tasks=['XQuADRetrieval']"
    assert hint("evaluation=", tasks) not in (["xquad-r"], ["sample"])
    assert hint("evaluation=", "languages={tlh='tlh-Latn'}") == ["COLLECTION"]
    (tmp_path / "lareqa").mkdir()
    (tmp_path / "lareqa" / "xquad-r").mkdir()
    assert hint("evaluation=") == ["xquad-r", "--data", str(tmp_path)]


def test_a_collection_of_ones_own_comes_first(recipe_file, tmp_path, beir_card):
    beir_card({"corpus.jsonl": ""})
    recipe = read_recipe(recipe_file, ["evaluation="])
    assert _evaluation(recipe, tmp_path)[4:] == ["toy"]


def test_no_recipe():
    assert "no recipe; name one of `mteb-hybrid train --list`" in command()
