"""How far a study is, and what it cost, as its store says."""

import json

import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
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
