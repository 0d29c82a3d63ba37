"""Faults that would keep results from the leaderboard are found before they are sent."""

import json

import mteb
import pytest
from mteb.cache import ResultCache
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.submit import check_results, prepare
from mteb_hybrid.table import ResultError

TASK = "HybridSampleMonolingualRetrieval.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    task = mteb.get_task(TASK.removesuffix(".json"))
    model = mteb.get_model("mteb/baseline-random-encoder")
    mteb.evaluate(model, task, cache=ResultCache(folder), show_progress_bar=False)
    return folder


@pytest.fixture
def results(made, tmp_path):
    """A copy with its one folder of results."""
    import shutil

    copy = shutil.copytree(made, tmp_path / "out")
    (folder,) = (copy / "results").glob("*/*")
    return copy, folder


def change(file, **values):
    content = json.loads(file.read_text())
    content.update(values)
    file.write_text(json.dumps(content))


def faults(folder):
    return [finding for finding in check_results(folder) if finding.is_fault]


def test_whole_results_pass_and_are_prepared(results, tmp_path):
    output, folder = results
    assert faults(output) == [] == faults(output / "results")
    notes = [finding.problem for finding in check_results(output)]
    assert any("task of this plugin" in note for note in notes)
    (folder / "HybridSampleMonolingualRetrieval.per_query").mkdir()
    (folder / "HybridSampleMonolingualRetrieval.per_query" / "en-en.parquet").touch()
    assert prepare(output, tmp_path / "ready") == 1
    ready = sorted(p.name for p in (tmp_path / "ready").rglob("*") if p.is_file())
    assert ready == [TASK, "model_meta.json"]
    (model,) = ResultCache(tmp_path / "ready").load_results().model_results
    assert model.model_name == "mteb/baseline-random-encoder"
    with pytest.raises(ResultError, match="exists already"):
        prepare(output, tmp_path / "ready")


FAULTS = {
    "revision of the data": (
        lambda folder: change(folder / TASK, dataset_revision="0" * 40),
        "made on revision 000",
    ),
    "another task": (lambda folder: change(folder / TASK, task_name="NoTask"), "no task 'NoTask'"),
    "cut short": (
        lambda folder: (folder / TASK).write_text((folder / TASK).read_text()[:-50]),
        "cut short",
    ),
    "no metadata": (lambda folder: (folder / "model_meta.json").unlink(), "missing, or no JSON"),
    "another name": (
        lambda folder: change(folder / "model_meta.json", name="me/other"),
        "name is 'me/other', the folder says 'mteb/baseline-random-encoder'",
    ),
    "a local path": (
        lambda folder: change(
            folder / "model_meta.json", loader_kwargs={"path": "/home/me/models/x"}
        ),
        "loader_kwargs.path holds a path of this machine, /home/me/models/x",
    ),
    "a local name": (
        lambda folder: folder.parent.rename(folder.parent.with_name("local__x")),
        "no name that others know",
    ),
    "no revision": (
        lambda folder: folder.rename(folder.with_name("no_revision_available")),
        "the revision is no_revision_available",
    ),
    "no results": (lambda folder: (folder / TASK).unlink(), "no result files"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_kind_of_fault_is_refused_with_the_reason(results, tmp_path, fault):
    output, folder = results
    spoil, said = FAULTS[fault]
    spoil(folder)
    assert any(said in finding.problem for finding in faults(output)), faults(output)
    with pytest.raises(ResultError, match="fault"):
        prepare(output, tmp_path / "ready")
    assert not (tmp_path / "ready").exists()


def test_missing_subsets_are_named(results):
    output, folder = results
    content = json.loads((folder / TASK).read_text())
    (rows,) = content["scores"].values()
    left_out = [rows.pop()["hf_subset"], rows.pop()["hf_subset"]]
    (folder / TASK).write_text(json.dumps(content))
    (finding,) = faults(output)
    assert "2 of 11 subsets are missing" in finding.problem
    assert all(subset in finding.problem for subset in left_out)


def test_models_of_ones_own_need_whole_metadata(results):
    output, folder = results
    own = folder.parent.rename(folder.parent.with_name("me__tiny")) / folder.name
    change(own / "model_meta.json", name="me/tiny", languages=None, license=None, n_parameters=1)
    said = " ".join(finding.problem for finding in faults(output))
    assert "languages is missing" in said and "license is missing" in said
    assert "n_parameters" not in said and "models add" in said


def test_nothing_to_check_is_an_error(tmp_path):
    with pytest.raises(ResultError, match="no results"):
        check_results(tmp_path)


def test_the_command_lists_what_it_found(results, tmp_path, monkeypatch):
    output, folder = results
    runner = CliRunner()
    done = runner.invoke(app, ["submit", str(output), "--prepare", str(tmp_path / "ready")])
    assert done.exit_code == 0 and "mteb submit-results" in done.output
    change(folder / TASK, task_name="NoTask")
    done = runner.invoke(app, ["submit", str(output)])
    assert done.exit_code != 0 and "fault  mteb__baseline-random-encoder" in done.output
