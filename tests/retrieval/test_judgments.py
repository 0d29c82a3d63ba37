"""Judgments in rankings, both ways of making ranks, against looking each passage up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.retrieval.judgments import Judgments
from mteb_hybrid.retrieval.ranks import ranks_of_run
from retrieval.test_ranks import counted, pool_of, problems


@given(problems(), st.data())
@settings(deadline=None)
def test_the_judgments_of_the_top(problem, data):
    ids, scores, qrels = problem
    for judged in qrels.values():
        others = [id_ for id_ in ids if id_ not in judged]
        zero = data.draw(st.lists(st.sampled_from(others), unique=True) if others else st.just([]))
        judged |= dict.fromkeys(zero, 0)
    ranks, _ = counted(ids, scores, qrels)
    run = {
        query: dict(zip(ids, row, strict=True))
        for query, row in zip(qrels, scores.tolist(), strict=True)
    }
    for found in (ranks, ranks_of_run(run, qrels, pool_of(ids), "en")):
        for row, judged in enumerate(qrels.values()):
            top = [ids[position] for position in found.top[row]]
            assert found.top_judged[row].tolist() == [id_ in judged for id_ in top]
            assert found.top_relevance[row].tolist() == [judged.get(id_, 0) for id_ in top]
            assert np.count_nonzero(found.relevance[row]) == sum(g > 0 for g in judged.values())


def test_by_hand():
    qrels = {"q": {"a": 2, "b": 0, "elsewhere": 0}, "r": {"c": 1, "a": 1}}
    found = Judgments.of(qrels, {"a": 0, "b": 1, "c": 2})
    assert found.relevant.tolist() == [[0, 0], [2, 0]]
    assert found.relevance.tolist() == [[2, 0], [1, 1]]
    assert found.irrelevant.tolist() == [[1], [-2]]
    relevance, judged = found.look_up(np.array([[1, 2, 0], [1, 0, -1]]))
    assert relevance.tolist() == [[0, 0, 2], [0, 1, 0]]
    assert judged.tolist() == [[True, False, True], [False, True, False]]


def test_a_passage_past_the_end_is_not_judged():
    ranks = ranks_of_run({"q": {"a": 1.0}}, {"q": {"b": 1, "c": 0}}, pool_of(list("abc")))
    assert ranks.top_judged.tolist() == [[False, False, False]]
