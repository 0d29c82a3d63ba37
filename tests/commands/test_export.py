import json

import mteb
import pytest
import typer
from typer.testing import CliRunner

from conftest import HashEncoder
from export.conftest import files
from mteb_hybrid.commands.app import app as whole_app
from mteb_hybrid.commands.export import export

app = typer.Typer()
app.command()(export)
app.callback()(lambda: None)


def invoke(*arguments):
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if result.exit_code and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_beir(tmp_path):
    arguments = ("sample", "-f", "beir", "-o", tmp_path, "--query-language", "th")
    result = invoke(*arguments, "--passage-language", "th", "--passage-language", "de")
    assert result.output == f"{tmp_path / 'sample'}: 2 subsets\n"
    assert {name.rpartition("/")[0] for name in files(tmp_path)} == {
        f"sample/{view}{qrels}"
        for view in ("monolingual/th-th", "crosslingual/th-de")
        for qrels in ("", "/qrels")
    }
    before = files(tmp_path)
    invoke(*arguments, "--passage-language", "th", "--passage-language", "de")
    assert files(tmp_path) == before


def test_trec_with_a_run_that_bias_reads(tmp_path, monkeypatch):
    name, subsets = "HybridSampleMultilingualRetrieval", ["en-multi", "de-multi"]
    task, kept = mteb.get_task(name, hf_subsets=subsets), tmp_path / "predictions"
    mteb.evaluate(HashEncoder(), task, cache=None, prediction_folder=kept)
    predictions = kept / f"{name}_predictions.json"
    arguments = (name, "-f", "trec", "-o", tmp_path, "--run", predictions)
    with pytest.raises(
        ValueError, match="ranks the subsets en-multi, de-multi; expected ar-multi,"
    ):
        invoke(*arguments)
    assert not (tmp_path / "sample").exists()
    told = invoke(*arguments, "--query-language", "en", "--query-language", "de").output
    folder = tmp_path / "sample" / "multilingual" / "en-multi"
    before, command = told.splitlines()[1].split(" && mteb-hybrid ")
    assert before == f"measure its bias with: cd {folder}"
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(whole_app, [*command.split(), "--format", "csv"])
    assert result.exit_code == 0, result.output
    assert "en,map,0." in result.output and "en,rank_distance," in result.output
    tags = {line.split()[-1] for line in (folder / "run.txt").read_text().splitlines()}
    assert tags == {"test/hash"}


def test_bias_is_told_where_queries_are_passages(tmp_path, monkeypatch, sample_card):
    monkeypatch.setattr(type(sample_card.source), "queries_are_passages", True)
    told = invoke("sample", "-f", "trec", "-o", tmp_path, "--query-language", "th").output
    assert told.endswith(" --query-languages query-languages.tsv --ignore-identical-ids\n")


def test_hub(tmp_path):
    invoke("sample", "-f", "hub", "-o", tmp_path)
    assert len(files(tmp_path / "sample")) == 11 + 11 + 121 + 1


def test_overwrite(tmp_path):
    arguments = ("sample", "-f", "beir", "-o", tmp_path, "--setting", "monolingual")
    invoke(*arguments, "--query-language", "en")
    mine = tmp_path / "sample" / "monolingual" / "en-en" / "mine.json"
    mine.write_text(json.dumps({}))
    with pytest.raises(ValueError, match="en-en: holds other files"):
        invoke(*arguments)
    invoke(*arguments, "--overwrite")
    assert not mine.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xquad", "-f", "beir"), "no collection or task 'xquad'"),
        (("sample", "-f", "hub", "--setting", "monolingual"), "hub exports whole collections"),
        (("HybridSampleMonolingualRetrieval", "-f", "hub"), "hub exports whole collections"),
        (("sample", "-f", "beir", "--run", __file__), "--run is for --format trec"),
        (("sample", "-f", "trec", "--run", __file__), r"test_export\.py: not JSON"),
    ],
)
def test_refusals(tmp_path, arguments, said):
    with pytest.raises(ValueError, match=said):
        invoke(*arguments, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
