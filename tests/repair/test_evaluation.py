"""Merging as an option of an evaluation: the same rankings as by hand, under a name of its own."""

import json

import mteb
import numpy as np
import pytest
from mteb.models.search_wrappers import SearchEncoderWrapper

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.measures import MAP
from mteb_hybrid.repair.merge import merged_run, merging
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import ranks_of_run
from mteb_hybrid.retrieval.views import View, view_passages, view_queries
from mteb_hybrid.sources import load_collection

TASK = "HybridSampleMultilingualRetrieval"


def scores_of(folder, task=TASK):
    rows = json.loads((folder / f"{task}.json").read_text("utf-8"))["scores"]["test"]
    return {row["hf_subset"]: row for row in rows}


@pytest.fixture
def selected():
    return {TASK: ["en-multi"], "HybridSampleMonolingualRetrieval": ["en-en"]}


@pytest.mark.parametrize("name", ["best-3", "z-score", "round-robin"])
def test_an_evaluation_ranks_what_a_merged_run_ranks(name, encoder, selected, tmp_path):
    plain = evaluate(encoder, selected, tmp_path)
    folder = evaluate(encoder, selected, tmp_path, merging=merging(name))
    assert folder.parent.name == f"test__hash-merged-{name}"
    assert folder != plain
    collection = load_collection(task_cards()["HybridSample"])
    view = View("en", collection.languages)
    passages, (queries, qrels) = view_passages(collection, view), view_queries(collection, view)
    vectors = np.stack([encoder.vector(text, None, None) for text in passages["text"]])
    run = {
        query: dict(zip(passages["id"], vectors @ encoder.vector(text, None, None), strict=True))
        for query, text in queries.select("id", "text").iter_rows()
    }
    languages = dict(passages.select("id", "language").iter_rows())
    pool = Pool(list(languages), list(languages.values()), collection.languages)
    for where, ranked in (
        (folder, merged_run(run, languages, merging(name))),
        (plain, run),
    ):
        expected = MAP.scores(ranks_of_run(ranked, qrels, pool, "en"))["map"]
        assert scores_of(where)["en-multi"]["map"] == pytest.approx(expected, abs=2e-4)
    task = "HybridSampleMonolingualRetrieval"
    assert scores_of(folder, task)["en-en"]["map"] == scores_of(plain, task)["en-en"]["map"]


def test_an_evaluation_merges_by_all_queries_at_once(encoder, selected, tmp_path):
    how = {"merging": merging("csls-3"), "prediction_folder": tmp_path / "predictions"}
    folder = evaluate(encoder, selected, tmp_path, **how)
    collection = load_collection(task_cards()["HybridSample"])
    view = View("en", collection.languages)
    passages, (queries, qrels) = view_passages(collection, view), view_queries(collection, view)
    pool = Pool(passages["id"].to_list(), passages["language"].to_list(), collection.languages)
    x, y = (
        np.stack([encoder.vector(text, None, None) for text in table["text"]])
        for table in (queries, passages)
    )
    merged = merging("csls-3")(x @ y.T, pool.codes)
    run = {
        query: dict(zip(pool.ids, map(float, row), strict=True))
        for query, row in zip(queries["id"], merged, strict=True)
    }
    expected = MAP.scores(ranks_of_run(run, qrels, pool, "en"))["map"]
    assert scores_of(folder)["en-multi"]["map"] == pytest.approx(expected, abs=2e-4)
    saved = json.loads((tmp_path / "predictions" / f"{TASK}_predictions.json").read_text("utf-8"))
    assert saved["mteb_model_meta"]["model_name"].endswith("-merged-csls-3")
    for query, places in saved["en-multi"]["test"].items():
        assert max(places.values()) == pytest.approx(max(run[query].values()), abs=1e-4)
        assert places == pytest.approx({id_: run[query][id_] for id_ in places}, abs=1e-4)


def test_a_query_that_is_a_passage_has_no_part_in_its_languages_level():
    how = merging("best-1")
    from mteb_hybrid.repair.merging import calibration

    pool = Pool(["a1", "a2", "b1", "b2"], ["a", "a", "b", "b"], ("a", "b"))
    scores = np.array([[1.0, 0.5, 0.4, 0.2]], np.float32)
    found = calibration(how, pool, ["a1"])(scores, 0)
    np.testing.assert_allclose(found, [[-np.inf, 0, 0, -0.2]], atol=1e-7)
    assert scores[0, 0] == 1
    np.testing.assert_allclose(calibration(how, pool)(scores, 0), [[0, -0.5, 0, -0.2]], atol=1e-7)
    assert calibration(None, pool) is None
    assert calibration(how, Pool(["a1", "a2"], ["a", "a"], ("a",))) is None
    with pytest.raises(ValueError, match="csls-2 needs the scores of all queries at once"):
        calibration(merging("csls-2"), pool)(scores, 1)


def test_rankings_of_a_search_model_are_not_merged(encoder, selected, tmp_path):
    model = SearchEncoderWrapper(encoder)
    with pytest.raises(ValueError, match="merging by z-score needs the scores of all passages"):
        evaluate(model, selected, tmp_path, merging=merging("z-score"))


def test_an_unknown_merging_costs_no_evaluation(tmp_path):
    from typer.testing import CliRunner

    from mteb_hybrid.commands.app import app

    with pytest.raises(ValueError, match="no merging 'worst'"):
        CliRunner().invoke(
            app, ["run", "-m", "any", "sample", "--merge-by", "worst"], catch_exceptions=False
        )


def test_a_plain_evaluation_knows_of_no_merging():
    assert mteb.get_task(TASK).merging is None
    assert select_tasks(["sample"])
