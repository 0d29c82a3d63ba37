"""Which files are results, and whose: folders as they grow over the years."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.results.mteb_files import (
    EvaluatedModel,
    ResultError,
    evaluated_model,
    labels,
    read_result_files,
)
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.table import render, result_rows
from mteb_hybrid.retrieval.views import Setting

TASK = "HybridSampleMonolingualRetrieval"


@pytest.fixture
def put(tmp_path):
    """Write a result file and what MTEB writes beside it; returns the file."""

    def write(folder, rows, meta=None, task=TASK, **content):
        target = tmp_path / "results" / folder
        target.mkdir(parents=True, exist_ok=True)
        if meta is not None:
            (target / "model_meta.json").write_text(json.dumps(meta), encoding="utf-8")
        file = target / f"{task}.json"
        file.write_text(json.dumps({"task_name": task, "scores": {"test": rows}, **content}))
        return file

    return write


def row(value, subset="en-en"):
    return {"hf_subset": subset, "map": value}


def shown(tmp_path):
    return [(r.label, r.cells[0].value) for r in result_rows([tmp_path])]


def test_an_experiment_is_a_model_of_its_own(put, tmp_path):
    meta = {"name": "me/bow", "revision": "1"}
    put("me__bow/1", [row(0.5)], meta)
    options = {"precision": "int8", "embed_dim": 8}
    name = "embed_dim_8__precision_int8"
    put(f"me__bow/1/experiments/{name}", [row(0.1)], meta | {"experiment_kwargs": options})
    put("me__bow/1/experiments/bare", [row(0.2)])
    assert shown(tmp_path) == [
        ("me/bow", 0.5),
        ("me/bow (bare)", 0.2),
        ("me/bow (embed_dim=8, precision=int8)", 0.1),
    ]
    assert "me/bow (embed_dim=8, precision=int8)" in render(result_rows([tmp_path]))
    results = load_results(tmp_path)
    (alone,) = [e for e in results.evaluations if e.model == "me/bow"]
    assert alone.scores == {"en-en": {"map": 0.5}}
    assert len(set(results.labels.values())) == 3


def test_whose_results_a_folder_has(put):
    folder = put("org__model/abc", [row(1)]).parent
    assert evaluated_model(folder) == EvaluatedModel("org/model", "abc")
    (folder / "model_meta.json").write_text('{"name": null, "revision": "x"}')
    assert evaluated_model(folder) == EvaluatedModel("org/model", "abc")
    (folder / "model_meta.json").write_text('{"name": "a/\\u001b[31mb", "revision": "x"}')
    assert evaluated_model(folder) == EvaluatedModel(r"a/\x1b[31mb", "x")
    meta = '{"name": "a/b", "revision": "x", "adapted_from": "a/\\u001b"}'
    (folder / "model_meta.json").write_text(meta)
    assert evaluated_model(folder).adapted_from == r"a/\x1b"
    assert evaluated_model(folder) == EvaluatedModel("a/b", "x")
    for damaged in ("[]", '{"name": ', "\x00"):
        (folder / "model_meta.json").write_text(damaged)
        with pytest.raises(ResultError, match=r"model_meta\.json: .*not known.*delete it"):
            evaluated_model(folder)


@pytest.mark.parametrize(
    "content",
    [
        '{"test": {"en": {"ndcg_at_10": 0.5}}, "mteb_dataset_name": "XQuADRetrieval"}',
        '{"dataset_revision": null, "mteb_dataset_name": "SciFact", "test": {"ndcg_at_10": 0.4}}',
        '{"task_name": "XQuADRetrieval", "scores": {"test": {"en": 1}}}',
        '{"task_name": "XQuADRetrieval", "scores": nu',
        '{"task_name": ["XQuADRetrieval"], "scores": {}}',
        "[1, 2]",
        "",
    ],
)
def test_other_tasks_may_hold_anything(put, tmp_path, content):
    put("me__bow/1", [row(0.5)])
    other = tmp_path / "results" / "old__one" / "2" / "XQuADRetrieval.json"
    other.parent.mkdir(parents=True)
    other.write_text(content)
    assert shown(tmp_path) == [("me/bow", 0.5)]
    with pytest.raises(ResultError):
        read_result_files([other])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"task_name": ', "not JSON"),
        ("[1, 2]", "not an MTEB result file"),
        (f'{{"task_name": "{TASK}", "scores": {{"test": {{"en": 1}}}}}}', "not an MTEB result"),
        (f'{{"task_name": "{TASK}", "scores": {{"test": ["en"]}}}}', "not an MTEB result file"),
    ],
)
def test_ours_may_not(put, tmp_path, content, said):
    put("me__bow/1", [row(0.5)])
    put("me__bow/2", []).write_text(content)
    with pytest.raises(ResultError, match=rf"{TASK}\.json: {said}"):
        result_rows([tmp_path])


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"test": [row(1), row(1, "xx-xx")]}, "subset 'xx-xx' is none of"),
        ({"test": [row(1), row(0)]}, "subset 'en-en' is there twice"),
        ({"test": [row(1)], "dev": [row(0, "de-de")]}, "split 'dev' is none of .*'test' alone"),
        ({"dev": [row(1)]}, "split 'dev' is none of .*'test' alone"),
        ({"test": [row(1) | {"hf_subset": ["en-en"]}]}, "subset .* is none of"),
        ({"test": [row([1])]}, r"subset 'en-en': map is '\[1\]'; expected a number or null"),
        ({"test": [row(1) | {"main_score": 0.9}]}, "subset .*main_score is 0.9, and map 1.0;"),
        ({"test": [row(1) | {"main_score": None}]}, "subset 'en-en': main_score is nan, and map"),
        ({"test": [row(1) | {"truncated_at": -1}]}, "subset 'en-en': truncated_at is -1"),
        ({"test": [row(1) | {"peer_measured_on": 5}]}, r"subset 'en-en': .* is 5; .*share, 0 to 1"),
    ],
)
def test_a_table_refuses_what_a_report_refuses(put, tmp_path, scores, said):
    put("me__bow/1", [], scores=scores)
    for read in (load_results, lambda path: result_rows([path])):
        with pytest.raises(ResultError, match=rf"{TASK}\.json: {said}"):
            read(tmp_path)


def test_a_task_twice_is_refused_and_once_in_two_folders_is_one_model(put, tmp_path):
    meta = {"name": "me/bow", "revision": "1"}
    put("a/1", [row(0.5)], meta)
    put("b/1", [{"hf_subset": "en-multi", "map": 1}], meta, "HybridSampleMultilingualRetrieval")
    (found,) = result_rows([tmp_path])
    assert [cell and cell.value for cell in found.cells] == [0.5, None, 1, None]
    put("b/1", [row(0.5)], meta)
    with pytest.raises(ResultError, match=r"is also in .*Leave one of them out"):
        result_rows([tmp_path])


def test_a_null_score_is_undefined(put, tmp_path):
    put("me__bow/1", [row(None), row(0.5, "de-de"), row(math.nan, "ar-ar")])
    (found,) = result_rows([tmp_path])
    assert found.cells[0].text(1) == "0.5 (1/11)"
    values = load_results(tmp_path).values(found.collection, "me/bow", Setting.MONOLINGUAL, "map")
    assert [value for value in values if not math.isnan(value)] == [0.5]


def test_rows_of_one_name_can_be_told_apart(put, tmp_path):
    shared = "checkpoint-step-"
    for place, revision in enumerate((f"{shared}1", f"{shared}2", "ffff")):
        put(f"run{place}/1", [row(place / 2)], {"name": "local/model", "revision": revision})
    put("other/1", [row(0.5)], {"name": "org/model", "revision": "0123456789abcdef"})
    assert [label for label, _ in shown(tmp_path)] == [
        f"local/model @ {shared}1",
        f"local/model @ {shared}2",
        "local/model @ ffff",
        "org/model",
    ]


@given(st.lists(st.tuples(st.sampled_from(["a/b", "c/d"]), st.text("xy", max_size=16))))
def test_no_two_labels_are_alike(models):
    found = labels(models)
    assert set(found) == set(models)
    assert len(set(found.values())) == len(found)
    assert all(label.startswith(title) for (title, _), label in found.items())
