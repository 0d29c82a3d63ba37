"""Recipes: those that ship, and what is said about bad ones."""

import re
import subprocess
import sys
import tomllib

import pytest

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.models.offline import REVISIONS
from mteb_hybrid.recipes.toml import differences, read_recipe, shipped_recipes, to_toml

METHODS = {"x-x": 1.0, "x-y": 0.0, "hybrid": 0.5}

GOOD = """
name = "good"
title = "Good"
description = "For tests."

[languages]
en = "eng-Latn"
zh = "zho-Hans"

[model]
name = "org/model"
revision = "0123456789abcdef0123456789abcdef01234567"

[[data]]
name = "pairs"
format = "json"
path = "pairs.jsonl"

[batches]
size = 8

[training]
learning_rate = 2e-5
max_steps = 10
"""


@pytest.fixture
def good(tmp_path):
    file = tmp_path / "good.toml"
    file.write_text(GOOD)
    return file


def refused(file, *overrides):
    with pytest.raises(CardError) as error:
        read_recipe(file, overrides)
    return str(error.value)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_reads(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.model.revision
    stem = re.sub("-(lora|bottleneck|interpolated)$", "", name)
    method = next(how for how in METHODS if stem.endswith(f"-{how}"))
    assert recipe.batches.alpha == METHODS[method]


def test_there_is_a_recipe_for_every_model_and_method():
    models = ("xlm-r", "labse", "mbert", "e5-small", "e5-small-offline")
    expected = {f"{model}-{how}" for model in models for how in METHODS}
    ways = ("lora", "bottleneck", "interpolated")
    variants = {f"e5-small-offline-hybrid-{how}" for how in ways}
    data = ("e5-small-offline-xquad-r", "e5-small-offline-captions", "labse-captions")
    others = {f"{stem}-hybrid" for stem in data}
    assert set(shipped_recipes()) == expected | variants | others


def test_the_interpolated_recipe_is_the_hybrid_one_but_for_that():
    plain, other = (
        read_recipe(f"e5-small-offline-hybrid{end}").settings() for end in ("", "-interpolated")
    )
    changed = {line.partition(":")[0] for line in differences(plain, other)}
    assert changed == {"name", "title", "description", "training.interpolate"}


OFFLINE = [name for name in shipped_recipes() if name.startswith("e5-small-offline-")]


@pytest.mark.parametrize("name", OFFLINE)
def test_a_study_of_adapters_varies_them_alone(name):
    """Whatever else a recipe says, any kind of adapter can be set in it, or none."""
    lora = "model.lora={r=8, alpha=16, target_modules=['query']}"
    kinds = {
        None: (),
        "lora": (lora,),
        "bottleneck": ("model.bottleneck={reduction_factor=16}",),
    }
    for kind, given in kinds.items():
        recipe = read_recipe(
            name, ["model.lora=", "model.bottleneck=", "training.interpolate=", *given]
        )
        found = {one for one in ("lora", "bottleneck") if getattr(recipe.model, one) is not None}
        assert found == ({kind} if kind else set())
        assert recipe.model.has_adapter == (kind is not None)


def test_trained_models_read_what_the_untrained_do():
    recipes = [read_recipe(name) for name in shipped_recipes()]
    assert all(recipe.model.max_seq_length is None for recipe in recipes)
    assert {recipe.training.max_tokens for recipe in recipes} == {None, 256}


def test_the_recipes_of_two_collections_are_the_same_but_for_them():
    stems = ("e5-small-offline-hybrid", "e5-small-offline-xquad-r-hybrid")
    first, other = (read_recipe(stem).settings() for stem in stems)
    changed = {line.partition(":")[0].partition(".")[0] for line in differences(first, other)}
    assert changed == {"name", "title", "description", "languages", "data"}


def test_the_published_settings():
    recipe = read_recipe("xlm-r-hybrid")
    assert recipe.batches.size == 100
    assert recipe.training.learning_rate == 3e-5
    assert recipe.training.weight_decay == 0.01
    assert recipe.model.query_prompt == "Query: " and recipe.model.passage_prompt == "Passage: "


def test_reading_needs_neither_torch_nor_mteb():
    code = """
import sys
from mteb_hybrid.commands.app import app
app(["train", "--list"], standalone_mode=False)
assert not {"torch", "mteb", "datasets", "transformers"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "labse-x-x: LaBSE, X-X" in done.stdout


def test_overrides(good):
    overrides = ["batches.alpha=0.7", "data.0.path=/x y.jsonl", "languages.de=deu-Latn"]
    overrides += ["training.max_steps=", "training.epochs=2", "model.freeze=['embeddings']"]
    recipe = read_recipe(good, [*overrides, "model.query_prompt='query: '"])
    assert recipe.batches.alpha == 0.7
    assert recipe.data[0].path == "/x y.jsonl"
    assert list(recipe.languages) == ["en", "zh", "de"]
    assert (recipe.training.max_steps, recipe.training.epochs) == (None, 2.0)
    assert recipe.model.freeze == ["embeddings"]
    assert recipe.model.query_prompt == "query: "


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "batches.alhpa=1",
            "--set batches.alhpa=1: key 'batches.alhpa': unknown key; did you mean",
        ),
        ("batches.alhpa=1", "Expected one of size, gradient_accumulation, method, alpha,"),
        (
            "batches.xxx=1",
            "unknown key. Expected one of size, gradient_accumulation, method, alpha,",
        ),
        ("data.0.fromat=json", "did you mean 'format'? Expected one of name, format, path"),
        (
            "trainig.seed=1",
            "--set trainig.seed=1: key 'trainig': unknown key; did you mean 'training'?",
        ),
        ("data.1.path=x", "'1' in 'data.1.path' must be a number from 0 to 0"),
        ("name.x=1", "'name' is a value, not a table"),
        ("batches.alpha", "expected KEY=VALUE"),
        ("batches.alpha=1.5", "key 'batches': alpha is a probability from 0 to 1, not 1.5"),
        ("batches.alpha=often", "'batches.alpha': Input should be a valid number"),
        ("batches.size=", "key 'batches.size': missing key"),
        ("training.seed=1.5", "--set training.seed=1.5: key 'training.seed': Input should be"),
        ("languages.xx=eng-Latn", "key 'languages.xx': unknown language 'xx'"),
        ("languages.de=deu-Latin", "key 'languages.de': unknown script 'Latin' in 'deu-Latin'"),
        ("languages.de=spa-Latn", "'languages.de': de is German, not spa-Latn"),
        ("data.0.languages=['fr']", "language fr is not among the recipe's languages en, zh"),
        ("model.revision=main", "expected the commit of org/model on the hub, 40 hex digits"),
        ("model.lora={r=8, alpha=8, target_modules=[]}", "'model.lora.target_modules'"),
        ("model.bottleneck={reduction_factor=0}", "'model.bottleneck.reduction_factor'"),
        ("training.max_tokens=0", "'training.max_tokens': Input should be greater than 0"),
        ("training.epochs=1", "give either max_steps or epochs"),
        ("training.loss='cached-multiple-negatives'", "mini_batch goes with"),
        ("training.loss=triplet", "'training.loss': Input should be 'multiple-negatives',"),
        ("training.temperature=0.1", "loss = 'multiple-negatives' takes no temperature: remove"),
        ("training.loss=margin-mse", "data 'pairs': loss = 'margin-mse' learns a teacher's scores"),
        ("training.interpolate=0", "'training.interpolate': Input should be greater than 0"),
        ("training.interpolate=1.1", "'training.interpolate': Input should be less than or equal"),
        ("evaluation={collection='squad', every=2}", "no collection 'squad'"),
        ("evaluation={collection='sample', every=2, patience=1}", "save_steps (None) to be"),
    ],
)
def test_errors_name_the_key(good, override, said):
    assert said in refused(good, override)


def test_errors_name_the_file(good):
    good.write_text(GOOD.replace("size", "sise"))
    lines = refused(good).splitlines()
    assert lines[0] == f"{good}: key 'batches.size': missing key; add it (see models/README.md)"
    assert lines[1].startswith(f"{good}: key 'batches.sise': unknown key; did you mean 'size'? E")
    good.write_text("name = ")
    assert f"{good}: not a TOML file in UTF-8" in refused(good)
    assert "no recipe 'none': neither a TOML file nor one of those that ship" in refused("none")
    assert "There are e5-small-hybrid, " in refused("none")


def test_a_file_with_nearly_that_name_is_suggested(good):
    for name in ("good.tml", "god.toml", "good"):
        assert f"; did you mean {str(good)!r}? There are" in refused(good.with_name(name))
    good.rename(good.with_name("recipe.toml"))
    assert f"is a folder; its recipe is {good.parent}" in refused(good.parent)


@pytest.mark.parametrize(
    ("data", "held_out"),
    [
        ({"format": "collection", "path": "mlqa-r"}, "mlqa-r"),
        ({"format": "collection", "path": "mlqa-r-context"}, "mlqa-r"),
        ({"format": "collection", "path": "miracl", "mteb_tasks": []}, "miracl-hard-negatives"),
        ({"format": "collection", "path": "tico-19", "mteb_tasks": []}, "tico-19-300"),
        (
            {"format": "json", "path": "x", "mteb_tasks": ["TICO19MultilingualRetrieval"]},
            "tico-19-300",
        ),
        ({"format": "json", "path": "x", "mteb_tasks": ["XQuADRetrieval"]}, "xquad-r"),
        ({"format": "mmarco", "path": "x"}, "mmarco"),
    ],
)
def test_what_is_evaluated_is_not_trained_on(good, data, held_out):
    overrides = [f"data.0.{key}={value!r}" for key, value in data.items()]
    said = refused(good, *overrides, f"evaluation={{collection='{held_out}', every=2}}")
    assert f"data 'pairs' has the texts of {held_out}" in said


@pytest.mark.parametrize("name", REVISIONS)
def test_an_offline_model_has_one_revision(name, good):
    said = refused(good, f"model.name={name}")
    assert f"revision of {name} is '{REVISIONS[name]}', not " in said
    assert "remove that key (`--set model.revision=` unsets it)" in said
    model = read_recipe(good, [f"model.name={name}", "model.revision="]).model
    assert (model.revision, model.is_offline, model.on_hub) == (REVISIONS[name], True, True)


def test_a_folder_that_looks_like_a_name_on_the_hub_is_told_how_it_is_written(
    good, tmp_path, monkeypatch
):
    assert "no revision; expected the commit of org/model" in refused(good, "model.revision=")
    (tmp_path / "org" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert "for the folder write './org/model'" in refused(good, "model.revision=")


@pytest.mark.parametrize("name", ["e5-small-offline-hybrid-lora", "xlm-r-x-x"])
def test_a_resolved_recipe_reads_as_the_same(name, tmp_path):
    recipe = read_recipe(name, ["batches.alpha=[[0, 1.0], [10, 0.5]]", r'title="a \"b\"\\n\u007f"'])
    (tmp_path / "recipe.toml").write_text(to_toml(recipe.settings()))
    assert read_recipe(tmp_path / "recipe.toml") == recipe
    assert tomllib.loads(to_toml(recipe.settings())) == recipe.settings()


def test_differences_are_named():
    old = read_recipe("xlm-r-hybrid").settings()
    overrides = ["batches.alpha=1.0", "training.epochs=1", "training.max_steps="]
    new = read_recipe("xlm-r-hybrid", overrides)
    assert differences(old, new.settings()) == [
        "batches.alpha: 0.5, now 1.0",
        "training.max_steps: 5000, now 'unset'",
        "training.epochs: 'unset', now 1.0",
    ]
    assert differences(old, old) == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["loss=mse", "scale=50.0"], "loss = 'mse' takes no scale: remove that key (`--set"),
        (["loss=cosent", "mini_batch=4"], "mini_batch goes with"),
        (["loss=cosent", "data.0.negatives=1"], "takes a question and its passage alone: remove"),
        (["loss=mse", "data.0.negatives=2"], "takes a question and its passage alone: remove"),
        (["loss=distill-kl"], "give the output of `mteb-hybrid teach --scores N`, and negatives"),
        (
            ["interpolate=0.5", "model.lora={r=8, alpha=8, target_modules=['query']}"],
            "model.lora trains none of them: remove one of the two",
        ),
        (
            [
                "model.lora={r=8, alpha=8, target_modules=['query']}",
                "model.bottleneck={reduction_factor=16}",
            ],
            "lora and bottleneck are two kinds of adapter: remove one (`--set model.lora=` unsets",
        ),
    ],
)
def test_what_does_not_go_together(good, overrides, said):
    keys = [one if one.startswith(("data.", "model.")) else f"training.{one}" for one in overrides]
    assert said in refused(good, *keys)


@pytest.mark.parametrize(
    ("loss", "scale", "temperature"),
    [
        ("multiple-negatives", 20.0, None),
        ("cosent", 20.0, None),
        ("margin-mse", 1.0, None),
        ("distill-kl", 1.0, 1.0),
        ("mse", None, None),
    ],
)
def test_losses_have_the_numbers_that_they_take(good, tmp_path, loss, scale, temperature):
    negatives = 2 if loss in ("margin-mse", "distill-kl") else 0
    recipe = read_recipe(good, [f"training.loss={loss}", f"data.0.negatives={negatives}"])
    assert (recipe.training.scale, recipe.training.temperature) == (scale, temperature)
    (tmp_path / "recipe.toml").write_text(to_toml(recipe.settings()))
    assert read_recipe(tmp_path / "recipe.toml") == recipe
    assert recipe.training.loss_in_words.startswith(loss)
