"""Unjudged passages at the top, by hand and against ir_measures."""

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.measures import ANY_POOL, MAP, MEASURES, PARALLEL, UNJUDGED_AT_10, measures_of
from mteb_hybrid.measures.ndcg import NDCG_AT_20
from mteb_hybrid.measures.unjudged import unjudged
from mteb_hybrid.retrieval.ranks import ranks_of_run
from retrieval.test_ranks import counted, pool_of

IDS = [f"en:{number}" for number in range(15)]


def test_by_hand():
    """Of the ten on top, 0 and 4 are relevant, 1 was judged; 12 and 13 stand below."""
    run = {"q": {id_: -float(place) for place, id_ in enumerate(IDS)}, "nothing": {}}
    judged = {"en:0": 1, "en:4": 2, "en:1": 0, "en:12": 1, "en:13": 0}
    ranks = ranks_of_run(run, dict.fromkeys(run, judged), pool_of(IDS), "en")
    first, second = UNJUDGED_AT_10.values(ranks)
    assert first == 0.7 and math.isnan(second)
    assert UNJUDGED_AT_10.scores(ranks) == {"unjudged_at_10": 0.7}
    assert unjudged(ranks, 2)[0] == 0


def test_a_ranking_of_fewer_than_ten():
    ranks = ranks_of_run({"q": {"en:0": 2.0, "en:1": 1.0}}, {"q": {"en:1": 0, "en:2": 1}},
                         pool_of(IDS))  # fmt: skip
    assert UNJUDGED_AT_10.values(ranks) == 0.5


@given(
    st.permutations(IDS),
    st.dictionaries(st.sampled_from(IDS), st.integers(0, 2), min_size=1).filter(
        lambda judged: any(judged.values())
    ),
    st.integers(1, 15),
)
@settings(deadline=None)
def test_against_ir_measures(ranking, judged, length):
    run = {"q": {id_: -float(place) for place, id_ in enumerate(ranking[:length])}}
    theirs = ir_measures.calc_aggregate([ir_measures.Judged @ 10], {"q": judged}, run)
    (expected,) = theirs.values()
    of_run = ranks_of_run(run, {"q": judged}, pool_of(IDS))
    assert UNJUDGED_AT_10.values(of_run)[0] == pytest.approx(1 - expected)
    if length == len(IDS):
        scores = np.array([[run["q"][id_] for id_ in IDS]], dtype=np.float32)
        ranks, _ = counted(IDS, scores, {"q": judged})
        assert UNJUDGED_AT_10.values(ranks)[0] == pytest.approx(1 - expected)


def test_which_measures_a_collection_has():
    parallel, alone = set(measures_of(True)), set(measures_of(False))
    across = set(measures_of(False, judged_across=True))
    assert parallel == {MAP, *PARALLEL, *ANY_POOL}
    assert parallel | alone | across == set(MEASURES)
    assert not (alone | across) & set(PARALLEL)
    assert across == {MAP, NDCG_AT_20, *ANY_POOL, UNJUDGED_AT_10}
    assert {measure.name for measure in alone} == {
        *("map", "unjudged_at_10", "awrf_at_20"),
        *("language_share_at_10", "same_language_lift_at_10", "pool_share"),
    }


def test_what_is_left_out_would_be_constant():
    """Where all relevant passages are in one language, PEER is 1 whatever the ranking."""
    (peer,) = (measure for measure in ANY_POOL if measure.name == "peer")
    ids = ["en:1", "en:2", "de:1", "de:2"]
    for scores in ([4, 3, 2, 1], [2, 1, 4, 3]):
        ranks, _ = counted(ids, np.array([scores], dtype=np.float32), {"q": {"en:1": 1, "en:2": 1}})
        assert peer.values(ranks) == 1
