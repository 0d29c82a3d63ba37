"""The command ``rewrite`` without a model: what it says, takes over, and refuses."""

import json

import pytest
from typer.testing import CliRunner

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.rewritten import rewrite_provenance, rewrites_folder
from mteb_hybrid.cards.tasks import data_revision
from mteb_hybrid.commands.app import app
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_queries
from rewriting.conftest import GERMAN


def invoked(*arguments):
    result = CliRunner().invoke(app, [str(x) for x in arguments])
    if result.exception and not isinstance(result.exception, ValueError | SystemExit):
        raise result.exception
    return result.output + str(result.exception or "")


def test_files_that_are_there_are_taken_over(written, sample_card):
    folder = written()
    hint = f"rewritten queries are in {folder}, not taken over yet: mteb-hybrid rewrite sample"
    assert hint in invoked("tasks", "list")
    said = invoked("rewrite", "sample", "--adopt", "a writer", "--exclude", "de=3")
    assert said == (
        f"{folder}:\n"
        "  paraphrase, by a writer: de 2\n"
        "  twist, by a writer: de 1\n"
        "  left out of all kinds: de 1\n"
        "evaluate them with: mteb-hybrid run -m MODEL sample-original sample-paraphrase "
        "sample-twist\n"
        "or one task after the other: mteb run -m MODEL -t "
        "HybridSampleOriginalMonolingualRetrieval\n"
    )
    assert "de 2" in invoked("rewrite", "sample", "--exclude", "de=")
    assert len(load_queries(collection_card("sample-original"))) == 3
    said = invoked("tasks", "list")
    assert "sample-twist: sample (not a benchmark) (twist)" in said and hint not in said
    assert said.index("sample: ") < said.index("sample-original: ") < said.index("sample-twist: ")
    said = invoked("tasks", "show", "HybridSampleTwistMonolingualRetrieval")
    assert "queries rewritten by: a writer, " in said and ": de 2\n" in said


def test_lines_of_a_language_that_are_left_out_add_up(written):
    written()
    said = invoked("rewrite", "sample", "--adopt", "x", "--exclude", "de=3", "--exclude", "DE=1")
    assert "left out of all kinds: de 2\n" in said
    assert len(load_queries(collection_card("sample-original"))) == 1


def test_a_run_of_another_kind_is_not_exported(written, tmp_path):
    written()
    invoked("rewrite", "sample", "--adopt", "a writer")
    cards = {kind: collection_card(f"sample-{kind}") for kind in ("original", "twist")}
    file, setting = tmp_path / "predictions.json", Setting.MONOLINGUAL
    made_on = data_revision(cards["twist"], setting)
    about = {"model_name": "a/b", "dataset_revision": made_on}
    content = {"mteb_model_meta": about, "de-de": {"test": {}}}
    file.write_text(json.dumps(content), encoding="utf-8")
    options = ("-f", "trec", "-o", tmp_path / "out", "--setting", setting, "--run", file)
    said = invoked("export", "sample-original", *options)
    assert f"ranks revision '{made_on}' of its data; expected " in said
    assert data_revision(cards["original"], setting) in said and not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["hub", "mteb"])
def test_rewritten_queries_are_proposed_with_their_collection(written, tmp_path, format):
    written()
    invoked("rewrite", "sample", "--adopt", "a writer")
    said = invoked("export", "sample-twist", "-f", format, "-o", tmp_path / "out")
    assert f"--format {format} is for sample, and beir and trec are for this one" in said
    assert not (tmp_path / "out").exists()


def test_perturbations_of_the_queries_that_have_a_kind(written):
    written()
    invoked("rewrite", "sample", "--adopt", "a writer")
    options = ("--like", "paraphrase", "--seed", 5)
    said = invoked("rewrite", "sample", "--kind", "typos", "--kind", "word-order", *options)
    assert "  typos, by mteb-hybrid: de 2\n" in said and "paraphrase, by" not in said
    about = json.loads((rewrites_folder("sample") / "provenance.json").read_text())
    assert about["kinds"]["typos"]["options"]["seed"] == 5
    rows = (rewrites_folder("sample") / "de.jsonl").read_text().splitlines()
    assert [set(json.loads(row)) for row in rows] == [
        {"id", "paraphrase", "twist", "typos", "word-order"},
        {"id", "paraphrase", "typos", "word-order"},
        {"id", "twist"},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sampel", "--kind", "typos"], "no collection 'sampel'; did you mean 'sample'"),
        (["sample"], "nothing to do: give a --kind, or --adopt WHO"),
        (["sample", "--language", "de", "--adopt", "me"], "give the --kind of rewrites to make"),
        (["sample", "--kind", "typos", "--adopt", "me"], "are for files that lie there; leave"),
        (["sample", "--kind", "typos", "--exclude", "de=1"], "are for files that lie there"),
        (["sample", "--exclude", "de"], "--exclude de: expected a language and lines of its"),
        (["sample", "--exclude", "de=x"], "--exclude de=x: expected a language and lines"),
        (["sample", "--exclude", "fi=1"], "--exclude fi: not in sample"),
        (["sample", "--adopt", "me"], "no rewritten queries; expected a file for each language"),
        (["sample", "--kind", "typos", "--local", "x"], "--kind typos asks no model; leave"),
        (["sample", "--kind", "typos", "--prompt", "x"], "--kind typos asks no model; leave"),
        (
            ["sample", "--kind", "id", "--local", "x", "--prompt", "y"],
            "'id' is the key of the query's id; rename it",
        ),
        (
            ["sample", "--kind", "paraphrase", "--local", "x", "--model", "y"],
            "--model and --key-variable are for --endpoint URL",
        ),
        (["sample", "--adopt", "me", "--model", "y"], "--model and --key-variable are for --endp"),
        (
            ["sample", "--exclude", "de=1", "--key-variable", "K"],
            "--model and --key-variable are f",
        ),
        (
            ["sample", "--kind", "typos", "--key-variable", "KEY"],
            "--model and --key-variable are for --endpoint URL",
        ),
        (
            ["sample", "--kind", "typos", "--like", "x"],
            "no such rewrites of sample (not a benchmark)",
        ),
        (["sample", "--kind", "typos", "--language", "zh"], "no keyboard layout of zho-Hans"),
    ],
)
def test_refusals(sample_card, arguments, said):
    assert said in invoked("rewrite", *arguments)
    assert rewrite_provenance(sample_card) is None


def test_rewrites_are_not_rewritten(written):
    written(GERMAN)
    invoked("rewrite", "sample", "--adopt", "a writer")
    said = invoked("rewrite", "sample-twist", "--kind", "typos")
    assert "sample-twist: is rewritten already; name sample" in said
