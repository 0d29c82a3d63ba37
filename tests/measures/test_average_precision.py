"""``map``: by hand, and against pytrec_eval and ir_measures."""

import ir_measures
import pytest
import pytrec_eval
from hypothesis import given, settings

from mteb_hybrid.measures import MAP
from mteb_hybrid.retrieval.ranks import ranks_of_run
from retrieval.test_ranks import pool_of, problems


def test_by_hand():
    ranking = {id_: -float(place) for place, id_ in enumerate("abcde")}
    run = dict.fromkeys("1234", ranking)
    qrels = {"1": {"d": 1}, "2": {"e": 1, "b": 2}, "3": {"a": 1, "b": 1}, "4": {"x": 1, "a": 1}}
    ranks = ranks_of_run(run, qrels, pool_of(list("abcdex")))
    assert MAP.values(ranks).tolist() == [1 / 4, (1 / 2 + 2 / 5) / 2, 1, 1 / 2]
    assert MAP.scores(ranks) == {"map": pytest.approx((0.25 + 0.45 + 1 + 0.5) / 4)}


@given(problems())
@settings(deadline=None)
def test_equals_pytrec_eval_and_ir_measures(problem):
    ids, scores, qrels = problem
    run = {
        query: dict(zip(ids, row, strict=True))
        for query, row in zip(qrels, scores.tolist(), strict=True)
    }
    ranks = ranks_of_run(run, qrels, pool_of(ids))
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map"}).evaluate(run)
    expected = [theirs[query]["map"] for query in qrels]
    assert MAP.values(ranks).tolist() == pytest.approx(expected, abs=1e-12)
    aggregate = ir_measures.calc_aggregate([ir_measures.AP], qrels, run)[ir_measures.AP]
    assert MAP.scores(ranks)["map"] == pytest.approx(aggregate, abs=1e-12)


@given(problems())
@settings(deadline=None)
def test_a_cut_run_scores_as_in_trec_eval(problem):
    ids, scores, qrels = problem
    run = {
        query: dict(list(zip(ids, row, strict=True))[: len(ids) // 2])
        for query, row in zip(qrels, scores.tolist(), strict=True)
    }
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map"}).evaluate(run)
    expected = [theirs.get(query, {"map": 0})["map"] for query in qrels]
    ours = MAP.values(ranks_of_run(run, qrels, pool_of(ids)))
    assert ours.tolist() == pytest.approx(expected, abs=1e-12)
