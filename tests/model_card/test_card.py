"""Model cards, read back with huggingface_hub's own classes and an independent Markdown parser."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from markdown_it import MarkdownIt
from mteb.models import ModelMeta
from typer.testing import CliRunner

from model_card.conftest import META
from mteb_hybrid.cards.card import CardError
from mteb_hybrid.commands.app import app
from mteb_hybrid.model_card.card import BEGIN, END, write_card
from mteb_hybrid.model_card.text import _versions
from mteb_hybrid.models.contents import ModelError, folder_hash
from mteb_hybrid.results.mteb_files import ResultError

MONO, CROSS, MULTI = (
    f"HybridSample{setting}Retrieval" for setting in ("Monolingual", "Crosslingual", "Multilingual")
)
SCORES = {
    MONO: {"map": 0.5},
    CROSS: {"map": 0.25},
    MULTI: {"map": 0.125, "rank_distance": 40.5},
}


def meta(**fields):
    empty = ModelMeta.create_empty().model_dump(exclude={"loader"})
    return ModelMeta.model_validate({**empty, **META, "loader": None, **fields})


def text_of(file):
    return ModelCard.load(file).text


def table(text, first):
    """The body of the table that has this head."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    places = [place for place, row in enumerate(rows) if row[0] == first]
    return rows[places[0] + 2 :]


def test_the_card_of_a_trained_model(run, write_results):
    results = write_results("local/tiny", "r1", SCORES)
    file = write_card(run.model, meta(), [results])
    card = ModelCard.load(file)
    data = card.data
    assert isinstance(data, ModelCardData)
    assert (data.language, data.license) == (["en", "zh"], "cc-by-sa-4.0")
    assert data.base_model == "intfloat/multilingual-e5-small", "the one on the hub"
    assert (data.library_name, data.pipeline_tag) == (
        "sentence-transformers",
        "sentence-similarity",
    )
    assert {"mteb", "sentence-transformers"} <= set(data.tags)
    assert len(data.tags) == len(set(data.tags))
    found = [(r.dataset_config, r.metric_type, r.metric_value) for r in data.eval_results]
    assert found == [
        ("HybridSample-monolingual", "map", 0.5),
        ("HybridSample-crosslingual", "map", 0.25),
        ("HybridSample-multilingual", "map", 0.125),
        ("HybridSample-multilingual", "rank_distance", 40.5),
    ]
    assert {(r.dataset_type, r.dataset_revision) for r in data.eval_results} == {
        ("mteb-hybrid/sample", "1.0.0")
    }
    index = data.to_dict()["model-index"]
    assert model_index_to_eval_results(index) == ("ORG/tiny", data.eval_results)
    assert eval_results_to_model_index("ORG/tiny", data.eval_results) == index

    text = card.text
    sample = "sample (not a benchmark)"
    assert table(text, "Collection")[0] == [sample, "0.5000", "0.2500", "0.1250", "40.5", "yes"]
    corpora = table(text, "Trained on")
    assert [row[-1] for row in corpora[:2]] == ["apache-2.0", "unknown"]
    for part in (
        'SentenceTransformer("ORG/tiny")',
        "seed 7, 12 steps, hybrid batches of 8, alpha 0.5",
        "Python 3.11.7, torch 2.4; 1 process on cpu",
        "English (eng-Latn), Chinese (zho-Hans)",
        "beyond 512 tokens",
        "another seed gives other numbers",
        "revision r1 of the model",
    ):
        assert part in text, part
    (left,) = (line for line in text.splitlines() if line.startswith("- Not evaluated on"))
    assert "XQuAD-R" in left and sample not in left


def test_pictures_lie_beside_the_card_and_nothing_names_the_machine(
    run, write_results, tmp_path, tiny_model
):
    file = write_card(run.model, meta(), [write_results("local/tiny", "r1", SCORES)])
    text = text_of(file)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures == [
        "model_card/results-sample-pairs.png",
        "model_card/results-sample-pool.png",
        "model_card/curves.png",
    ]
    assert "(model_card/recipe.toml)" in text
    for name in pictures[:2]:
        assert (run.model / name).read_bytes().startswith(b"\x89PNG")
    written = [file, *(run.model / "model_card").iterdir()]
    for place in (tmp_path, tiny_model.parent):
        assert not [file for file in written if str(place).encode() in file.read_bytes()]


def test_writing_again_changes_nothing_and_the_revision_stays(run, write_results):
    revision = folder_hash(run.model)
    results = write_results("local/tiny", "r1", SCORES)
    files = [write_card(run.model, meta(), [results]), *(run.model / "model_card").iterdir()]
    before = {file: file.read_bytes() for file in files}
    write_card(run.model, meta(), [results])
    after = {file: file.read_bytes() for file in run.model.rglob("*") if file in before}
    assert after == before
    assert set(run.model.glob("model_card/*")) < set(before)
    assert folder_hash(run.model) == revision

    (results / "local__tiny" / "r1" / f"{MULTI}.json").unlink()
    card = ModelCard.load(write_card(run.model, meta(), [results]))
    assert [result.metric_value for result in card.data.eval_results] == [0.5, 0.25]
    assert "| – | – |" in card.text
    assert not (run.model / "model_card" / "results-sample-pool.png").exists()
    card = ModelCard.load(write_card(run.model, meta()))
    assert card.data.eval_results is None and "Not evaluated yet." in card.text
    assert not list(run.model.glob("model_card/results-*"))


def test_sentence_transformers_sections_follow_without_what_is_said_twice(run):
    (run.model / "README.md").write_text(
        "---\ntags: [dense]\n---\n\n# SentenceTransformer\n\nThis is a model.\n\n"
        "## Model Details\n\nLayers.\n<!-- - **License:** Unknown -->\n\n## Usage\n\n"
        '```python\n# Download\nSentenceTransformer("id")\n```\n<!--\n### Blank\n-->\n\n'
        "<!--\n## Blank\n-->\n\n## Training Details\n\nHybrid batches.\n\n## Citation\n\nPaper.\n"
    )
    for _ in range(2):
        text = text_of(write_card(run.model, meta()))
        assert text.partition(END)[2] == (
            "\n\n## Model Details\n\nLayers.\n\n## Training Details\n\nHybrid batches.\n\n"
            "## Citation\n\nPaper.\n"
        )
        assert text.startswith(f"\n{BEGIN}\n\n# Tiny ")


def test_data_is_never_markup(run, write_results):
    text = text_of(write_card(run.model, meta(name='o/a"]: <i>*x*'), []))
    tokens = MarkdownIt("commonmark").parse(text.partition("## Use")[0])
    inline = [token for token in tokens if token.type == "inline"]
    assert inline[0].children[0].content == "Tiny <b>| `model`" and len(inline[0].children) == 1
    assert inline[1].children[0].content == "For [tests](x)."
    assert 'o/a"]: <i>*x*' in [child.content for child in inline[2].children][-1]


def test_a_card_by_somebody_else_gets_our_part_at_its_end(tmp_path, write_results):
    written = (
        "---\nlicense: mit\nmodel-index:\n- name: theirs\n  results:\n"
        "  - task: {type: retrieval}\n    dataset: {type: a/b, name: B}\n"
        "    metrics: [{type: map, value: 1}]\nother: [1, 2]\n---\n# Theirs\n\nText.\n"
    )
    (tmp_path / "README.md").write_text(written)
    results = write_results("me/other", "c" * 40, {MONO: SCORES[MONO]})
    unknown = meta(
        name="me/other", revision="c" * 40, license=None, languages=None, training_datasets=None
    )
    file = write_card(tmp_path, unknown, [results])
    card = ModelCard.load(file)
    assert card.text.startswith(f"# Theirs\n\nText.\n\n{BEGIN}\n\n## Retrieval in several")
    assert card.text.endswith(f"{END}\n") and "## Use" not in card.text
    assert (card.data.license, card.data["other"]) == ("mit", [1, 2])
    assert [r.metric_value for r in card.data.eval_results] == [1, 0.5]
    assert table(card.text, "Collection")[0][-1] == "unknown"
    assert "training data are not known" in card.text and "not known" in card.text

    moved = file.read_text().replace("Text.\n", "").replace(f"{END}\n", f"{END}\n\nText.\n")
    file.write_text(moved)
    write_card(tmp_path, unknown, [results])
    assert file.read_text() == moved, "our part stays where it was put"
    file.write_text(moved.replace("\n\nText.\n", ""))  # an editor that ends no last line
    write_card(tmp_path, unknown, [results])
    assert file.read_text() == moved.replace("\nText.\n", "")


def test_what_is_partial_or_cut_is_said_and_not_in_the_metadata(run, write_results):
    write_results("local/tiny", "r1", {MONO: SCORES[MONO]}, left_out=("en-en", "zh-zh"))
    results = write_results("local/tiny", "r1", {MULTI: SCORES[MULTI]}, truncated_at=1000)
    card = ModelCard.load(write_card(run.model, meta(training_datasets=set()), [results]))
    assert table(card.text, "Collection")[0][1:] == [
        *("0.5000 (9/11)", "–", r"0.1250 \[top 1000\]", r"40.5 \[top 1000\]", "no"),
    ]
    assert card.data.eval_results is None


def test_results_on_other_data_say_so(run, write_results):
    write_results("local/tiny", "r1", {MONO: SCORES[MONO]})
    results = write_results("local/tiny", "r1", {MULTI: SCORES[MULTI]}, data="0.9.0+left-out-1")
    card = ModelCard.load(write_card(run.model, meta(training_datasets=set()), [results]))
    assert table(card.text, "Collection")[0][1:] == [
        *("0.5000", "–", r"0.1250 \[other data\]", r"40.5 \[other data\]", "no"),
    ]
    assert "sample (not a benchmark), local/tiny: 0.9.0+left-out-1, now 1.0.0." in card.text
    assert {(r.metric_type, r.dataset_revision) for r in card.data.eval_results} == {
        ("map", "1.0.0"),
        ("map", "0.9.0+left-out-1"),
        ("rank_distance", "0.9.0+left-out-1"),
    }


def test_results_are_those_of_this_revision(run, write_results):
    write_results("me/other", "r1", SCORES)
    results = write_results("me/tiny", "r2", SCORES)
    with pytest.raises(ResultError, match=r"no results of me/tiny at revision r1.*me/tiny at r2"):
        write_card(run.model, meta(name="me/tiny"), [results])
    write_results("local/model", "r1", {MONO: {"map": 0.75}})
    card = ModelCard.load(write_card(run.model, meta(name="me/tiny"), [results]))
    assert [r.metric_value for r in card.data.eval_results] == [0.75], "evaluated as a folder"


def test_an_experiment_is_not_the_model(run, write_results):
    results = write_results("local/tiny", "r1", {MONO: {"map": 0.5}})
    apart = results / "local__tiny" / "r1" / "experiments" / "embed_dim_8"
    write_results("local/tiny", "r1", {MONO: {"map": 0.1}}, folder=apart)
    described = {"name": "local/tiny", "revision": "r1", "experiment_kwargs": {"embed_dim": 8}}
    (apart / "model_meta.json").write_text(json.dumps(described))
    card = ModelCard.load(write_card(run.model, meta(), [results]))
    assert [r.metric_value for r in card.data.eval_results] == [0.5]
    with pytest.raises(ResultError, match=r"there are: local/tiny \(embed_dim=8\) at r1"):
        write_card(run.model, meta(), [apart])


def test_cards_that_cannot_be_read_are_refused_and_kept(run):
    file = run.model / "README.md"
    for content, said in (
        (f"---\na: 1\n---\n{BEGIN}\n", "is missing; put it back"),
        ("---\na: [\n---\n", "front matter cannot be read"),
        ("---\n- a\n---\n", "front matter cannot be read"),
        ("---\nmodel-index: [{}]\n---\n", "front matter cannot be read"),
    ):
        file.write_text(content)
        with pytest.raises(ModelError, match=said):
            write_card(run.model, meta())
        assert file.read_text() == content
    (run.model / "model_card" / "recipe.toml").write_text("name = 1")
    with pytest.raises(CardError, match=r"recipe\.toml"):
        write_card(run.model, meta())


def test_without_matplotlib_a_line_says_so(run, write_results, monkeypatch, capsys):
    results = write_results("local/tiny", "r1", SCORES)
    monkeypatch.delitem(sys.modules, "mteb_hybrid.model_card.pictures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = text_of(write_card(run.model, meta(), [results]))
    assert 'no pictures: matplotlib is missing, of the extra "mteb-hybrid[report]"' in (
        capsys.readouterr().err
    )
    assert "0.1250" in text and "results-sample" not in text


def card_command(*arguments):
    done = CliRunner().invoke(app, ["models", "card", *map(str, arguments)])
    return done.output + str(done.exception or "")


def test_the_command_for_a_model_that_mteb_loads(tmp_path):
    name = "mteb-hybrid/multilingual-e5-small-q4"
    assert "name one for its card with --output-folder" in card_command(name)
    card_command(name, "-o", tmp_path / "e5")
    card = ModelCard.load(tmp_path / "e5" / "README.md")
    assert (card.data.license, card.data.base_model) == ("mit", "intfloat/multilingual-e5-small")
    assert len(card.data.language) > 90 and {"en", "zh"} <= set(card.data.language)
    assert f'mteb.get_model("{name}")' in card.text
    assert "neither a registered name" in card_command("me/nothing")


def test_the_command_for_a_folder(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MTEB_HYBRID_MODELS", str(tmp_path / "models"))
    assert "its card belongs there" in card_command(run.model, "-o", tmp_path)
    assert f"Card: {run.model / 'README.md'}" in card_command(run.model)
    text = text_of(run.model / "README.md")
    assert 'SentenceTransformer("ORG/model")' in text and "unknown" in text


def test_versions_of_all_parts_of_a_run_are_told():
    part = {"python": "3.11.7", "device": "cpu", "processes": 1, "packages": {"torch": "2.4"}}
    later = part | {"from": "checkpoint-9", "device": "GPU", "packages": {"torch": "2.5"}}
    said = "Python 3.11.7, torch 2.4; 1 process on cpu"
    assert _versions(SimpleNamespace(versions=[part])) == said
    assert _versions(SimpleNamespace(versions=[part, part])) == f"{said}; resumed once"
    assert _versions(SimpleNamespace(versions=[part, later])) == (
        f"from start: {said}; from checkpoint-9: Python 3.11.7, torch 2.5; 1 process on GPU; "
        "resumed once"
    )
