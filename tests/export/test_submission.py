"""Faults that would keep results from the leaderboard are found before they are sent."""

import json
import shutil

import mteb
import pytest
from mteb.cache import ResultCache
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.export.upstream.result_file import read_run_settings
from mteb_hybrid.export.upstream.submission import check_results, prepare
from mteb_hybrid.results.mteb_files import ResultError

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
    copy = shutil.copytree(made, tmp_path / "out")
    (folder,) = (copy / "results").glob("*/*")
    return copy, folder


def change(file, **values):
    content = json.loads(file.read_text())
    content.update(values)
    file.write_text(json.dumps(content))


def change_rows(folder, **values):
    """Change the scores of the first two subsets."""
    content = json.loads((folder / TASK).read_text())
    (rows,) = content["scores"].values()
    for row in rows[:2]:
        row.update(values)
    (folder / TASK).write_text(json.dumps(content))


def change_settings(folder, change):
    """Change the one line of the run settings."""
    file = folder / "run_settings.jsonl"
    (line,) = map(json.loads, file.read_text().splitlines())
    file.write_text(json.dumps(change(line)) + "\n")


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
    assert ready == [TASK, "model_meta.json", "run_settings.jsonl"]
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
    "the name of another task": (
        lambda folder: (folder / TASK).rename(folder / TASK.replace("Mono", "Multi")),
        "holds results of HybridSampleMonolingualRetrieval",
    ),
    "cut short": (
        lambda folder: (folder / TASK).write_text((folder / TASK).read_text()[:-50]),
        "cut short",
    ),
    "no scores": (lambda folder: change(folder / TASK, scores=None), "MTEB cannot read it"),
    "an old mteb": (
        lambda folder: change_rows(folder, mteb_version="2.13.9"),
        "the version of mteb is 2.13.9, expected 2.14.0 or newer",
    ),
    "no version of mteb": (
        lambda folder: [
            change(folder / TASK, mteb_version=None),
            change_rows(folder, mteb_version=None),
        ],
        "the version of mteb is unknown",
    ),
    "no number": (
        lambda folder: change_rows(folder, main_score=float("nan")),
        "test, en-en: the main score is nan",
    ),
    "a path in a result": (
        lambda folder: (
            change(folder / TASK, kg_co2_emissions=None, date=None)
            or change_rows(folder, note="read from /home/me/data/x.json")
        ),
        "scores.test.note holds a path of this machine, /home/me/data/x.json",
    ),
    "too large": (
        lambda folder: (folder / TASK).write_text((folder / TASK).read_text() + " " * 10 * 2**20),
        "larger than 10 MB",
    ),
    "no metadata": (lambda folder: (folder / "model_meta.json").unlink(), "missing, or no JSON"),
    "metadata cut short": (
        lambda folder: (folder / "model_meta.json").write_text('{"name":'),
        "model_meta.json missing, or no JSON",
    ),
    "another name": (
        lambda folder: change(folder / "model_meta.json", name="me/other"),
        "name is 'me/other', the folder says 'mteb/baseline-random-encoder'",
    ),
    "another revision": (
        lambda folder: change(folder / "model_meta.json", revision="other"),
        "revision is 'other', the folder says",
    ),
    "a local path": (
        lambda folder: change(
            folder / "model_meta.json", loader_kwargs={"path": "/home/me/models/x"}
        ),
        "loader_kwargs.path holds a path of this machine, /home/me/models/x",
    ),
    "no run settings": (
        lambda folder: (folder / "run_settings.jsonl").unlink(),
        "run_settings.jsonl missing",
    ),
    "damaged run settings": (
        lambda folder: (folder / "run_settings.jsonl").write_text("{}\n"),
        "run_settings.jsonl missing, or not as MTEB writes it",
    ),
    "run settings of other subsets": (
        lambda folder: change_settings(folder, lambda line: line | {"subsets": ["en-en"]}),
        "does not say how 10 subsets were run (",
    ),
    "run settings of an old mteb": (
        lambda folder: change_settings(folder, lambda line: line | {"version": {"mteb": "2.13"}}),
        "does not say how 11 subsets were run (",
    ),
    "a path in the run settings": (
        lambda folder: change_settings(
            folder, lambda line: line | {"encode_kwargs": {"cache": "/home/me/cache/x"}}
        ),
        "it holds a path of this machine, /home/me/cache/x",
    ),
    "a local name": (
        lambda folder: folder.parent.rename(folder.parent.with_name("local__x")),
        "no name that others know",
    ),
    "no organisation": (
        lambda folder: folder.parent.rename(folder.parent.with_name("tiny")),
        "tiny is no name that others know",
    ),
    "no revision": (
        lambda folder: folder.rename(folder.with_name("no_revision_available")),
        "the revision is no_revision_available",
    ),
    "a hash as the revision": (
        lambda folder: folder.rename(folder.with_name("93f15dc934286f88")),
        "expected a commit of the hub, 40 hex digits",
    ),
    "two revisions": (
        lambda folder: shutil.copytree(folder, folder.with_name("a" * 40)),
        "has the task too; keep one revision",
    ),
    "no folder of a revision": (
        lambda folder: shutil.copy(folder / TASK, folder.parent),
        "lies in no folder of a revision",
    ),
    "no results": (lambda folder: (folder / TASK).unlink(), "no result files"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_kind_of_fault_is_refused_with_the_reason(results, tmp_path, fault):
    output, folder = results
    spoil, said = FAULTS[fault]
    spoil(folder)
    found = [f"{finding.file.rpartition('/')[2]} {finding.problem}" for finding in faults(output)]
    assert any(said in line for line in found), found
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


def test_models_and_tasks_that_mteb_has_not_are_worth_knowing(results):
    output, folder = results
    folder.parent.rename(folder.parent.with_name("mteb-hybrid__multilingual-e5-small-q4"))
    notes = [finding.problem for finding in check_results(output) if not finding.is_fault]
    assert any("MTEB has no entry for mteb-hybrid/multilingual-e5-small-q4" in n for n in notes)
    assert any("is a task of this plugin" in note for note in notes)


def test_experiments_are_left_out_and_named(results, tmp_path):
    output, folder = results
    shutil.copytree(folder, folder / "experiments" / "embed_dim_8")
    (note,) = [f for f in check_results(output) if f.file.endswith("experiments")]
    assert not note.is_fault and "embed_dim_8" in note.problem
    assert prepare(output, tmp_path / "ready") == 1


def test_run_settings_of_earlier_versions_of_mteb_are_read(tmp_path):
    file = tmp_path / "run_settings.jsonl"
    old = {"task": "A", "split": "test", "subset": "en-en", "version": {"mteb": "2.16.2"}}
    new = {"task": "B", "splits": ["dev", "test"], "subsets": ["x"], "version": {"mteb": "2.26"}}
    file.write_text(f"{json.dumps(old)}\n\n{json.dumps(new)}\n")
    assert read_run_settings(file) == {
        ("A", "test", "en-en"),
        ("B", "dev", "x"),
        ("B", "test", "x"),
    }


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
