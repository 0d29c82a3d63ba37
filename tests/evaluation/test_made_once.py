"""Results are those that MTEB makes, and each subset's scores are checked once."""

import datetime

import mteb
import pytest
from mteb.results import TaskResult

from mteb_hybrid.evaluation.made_once import made_once
from mteb_hybrid.plugin import register

OPTIONS = {
    "kg_co2_emissions": None,
    "date": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "evaluation_phases": None,
}
SUBSETS = ["en-de", "de-en", "en-fr", "fr-en"]


@pytest.fixture
def made(monkeypatch):
    register()
    checked = []
    check = TaskResult._validate_scores_dict
    noted = staticmethod(lambda row: (checked.append(row["hf_subset"]), check(row))[1])
    monkeypatch.setattr(TaskResult, "_validate_scores_dict", noted)
    task = mteb.get_task("HybridSampleCrosslingualRetrieval")

    def make(scores, time=1.0):
        checked.clear()
        result = TaskResult.from_task_results(task, scores, evaluation_time=time, **OPTIONS)
        count = list(checked)
        plain = TaskResult.from_task_results.__func__.__wrapped__
        expected = plain(task, scores, evaluation_time=time, **OPTIONS)
        assert result == expected
        assert result.model_dump_json() == expected.model_dump_json()
        assert [row["hf_subset"] for row in result.scores["test"]] == list(scores["test"])
        return result, count

    return make


def row(value, **more):
    return {"main_score": value, "nested": {"a": [value]}, **more}


def test_each_subset_is_checked_once(made):
    scores = {"test": {}}
    for number, subset in enumerate(SUBSETS):
        scores["test"].update({subset: row(number / 10)})
        result, checked = made(scores, time=number)
        assert checked == [subset]
        assert result.evaluation_time == number
    assert made(scores)[1] == []


def test_what_was_evaluated_again_is_made_again(made):
    scores = {"test": {subset: row(0.1) for subset in SUBSETS}}
    first, _ = made(scores)
    scores["test"]["en-fr"] = row(0.9)
    second, checked = made(scores)
    assert checked == ["en-fr"]
    assert [one["main_score"] for one in second.scores["test"]] == [0.1, 0.1, 0.9, 0.1]
    assert {one["main_score"] for one in first.scores["test"]} == {0.1}
    fewer, _ = made({"test": {"fr-en": scores["test"]["fr-en"]}})
    assert len(fewer.scores["test"]) == 1


def test_results_of_several_versions_are_made_by_mteb(made):
    scores = {"test": {"en-de": row(0.1, mteb_version="2.0.0"), "de-en": row(0.2)}}
    made(scores)
    scores["test"]["en-fr"] = row(0.3)
    _, checked = made(scores)
    assert checked.count("en-de") == 1


def test_scores_that_are_no_json_are_refused(made):
    scores = {"test": {"en-de": row(0.1)}}
    made(scores)
    scores["test"]["de-en"] = row({1, 2})
    for _ in range(2):
        with pytest.raises(ValueError, match="not json serializable"):
            made(scores)


def test_a_task_that_two_models_are_evaluated_on_at_a_time():
    """Whatever another thread leaves in between."""
    register()
    task = mteb.get_task("HybridSampleCrosslingualRetrieval")
    plain = TaskResult.from_task_results.__func__.__wrapped__
    others = {"test": {"en-de": row(0.9)}}

    def between(own, scores, *args, **options):
        task.rows_made["test", "en-de"] = others["test"]["en-de"], {"main_score": 0.9}
        return plain(own, scores, *args, **options)

    ours = made_once(between)
    result = ours(TaskResult, task, {"test": {"en-de": row(0.1)}}, **OPTIONS, evaluation_time=1.0)
    assert [one["main_score"] for one in result.scores["test"]] == [0.1]
