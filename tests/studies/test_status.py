"""How far a study is, and what it cost, as its store says."""

import json

import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.studies.catalogue import read_study
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.status import states, table
from mteb_hybrid.studies.store import Store, StudyError
from studies.made_results import study_of

STEP = {"seconds": 3600, "cpu_seconds": 7200}


def test_hours_are_those_of_what_the_study_asks_for(tmp_path):
    """Another study may have had the same run tested on more."""
    store, (run, *_) = Store(tmp_path), runs(study_of(), "small")
    file = store.costs_file(run.key)
    file.parent.mkdir()
    steps = ("repair", "HybridSampleMonolingualRetrieval", "XQuADRMonolingualRetrieval")
    file.write_text(json.dumps(dict.fromkeys(steps, STEP)), encoding="utf-8")
    assert table(states([run], store), store).split()[-2:] == ["2.00", "4.00"]


def test_hours_of_other_studies_are_said(tmp_path):
    """A task that both have is one, and so is a model, however often it was trained."""
    asked = ["study", "status", "mbert-xquad", "--budget", "smoke", "--store", str(tmp_path)]
    key = runs(read_study("mbert-xquad"), "smoke")[0].key
    said = "Hours: of all trainings of a model and of its whole tasks, for other studies too."
    assert said not in CliRunner().invoke(app, asked).output
    with Store(tmp_path).costed(key, "training"):
        pass
    assert said in CliRunner().invoke(app, asked).output


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"training": 3}',
        '{"training": {"seconds": "x"}}',
        '{"training": {"seconds": 1}}',
        '{"training": {"seconds": -1, "cpu_seconds": 1}}',
        '{"training": {"seconds": 1, "cpu_seconds": 1e308}}',
        '{"training": {"seconds": NaN, "cpu_seconds": 1}}',
    ],
)
def test_damaged_costs_are_told(tmp_path, content):
    """Before anything more is spent on the run."""
    store = Store(tmp_path)
    file = store.costs_file("key")
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=r"key\.json: is damaged: .*Remove it") as raised:
        store.costs("key")
    assert str(raised.value).count(str(file)) == 1
    with pytest.raises(StudyError, match="is damaged"), store.costed("key", "training"):
        pytest.fail("was begun")
    assert file.read_text(encoding="utf-8") == content


def test_a_store_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="file: is a file; expected the folder of a store"):
        Store(tmp_path / "file")


def test_a_store_that_is_not_there_is_told(tmp_path):
    asked = ("mbert-xquad", "--budget", "smoke", "--store", str(tmp_path / "sotre"))
    said = CliRunner().invoke(app, ["study", "status", *asked]).output
    assert f"{tmp_path / 'sotre'}: there is no store here yet; another is named by" in said
    assert "Begin: mteb-hybrid study run" in said and "Read the answer" not in said
    assert not (tmp_path / "sotre").exists()


def test_how_to_go_on_is_the_whole_command(tmp_path, monkeypatch):
    """With what `status` itself was asked of, so that pasted it does no other runs."""
    monkeypatch.setenv(DATA_VARIABLE, "")  # as the command sets it
    chosen = ("--condition", "plain shuffle", "--condition", "hybrid", "--seed", "1")
    asked = ("mbert-xquad", "--budget", "smoke", "--data", str(tmp_path), "--store", "s")
    said = CliRunner().invoke(app, ["study", "status", *asked, *chosen]).output
    assert (
        "Begin: mteb-hybrid study run mbert-xquad --budget smoke --store s "
        f"--data {tmp_path} '--condition=plain shuffle' --condition=hybrid --seed=1\n"
    ) in said


def test_what_a_study_has_is_asked_once_more_without_writing(tmp_path, monkeypatch):
    """As in a store that may only be read, where no lock can be had."""
    store, planned = Store(tmp_path), runs(study_of(), "small")
    store.ask("alpha", "small", planned)

    def refuse(path):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("mteb_hybrid.studies.store.lock", refuse)
    store.ask("alpha", "small", planned[:2])
    assert {*store.asked("alpha", "small")} == {run.key for run in planned}
    with pytest.raises(OSError, match="Read-only"):
        store.ask("other", "small", planned)


def test_runs_of_which_data_are_missing_are_not_noted(tmp_path):
    """Else their keys would be of an earlier version of the study once the data are there."""
    data = ["evaluation=", "data.0.format=json", f"data.0.path={tmp_path}/pairs.jsonl"]
    store, planned = Store(tmp_path), runs(study_of({"set": data}), "small")
    store.ask("alpha", "small", planned)
    assert {*store.asked("alpha", "small")} == {run.key for run in planned if not run.trained}


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_notes_of_what_was_asked_may_be_removed(tmp_path, content):
    store, planned = Store(tmp_path), runs(study_of(), "small")
    file = tmp_path / "studies" / "alpha.small.json"
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    for told in (
        lambda: store.asked("alpha", "small"),
        lambda: store.ask("alpha", "small", planned),
    ):
        with pytest.raises(StudyError, match=r"small\.json: is damaged: .*Remove it: ") as raised:
            told()
        assert str(raised.value).count(str(file)) == 1
