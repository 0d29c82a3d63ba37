"""``rank_distance``: by hand, left-out queries, ties, and rankings that are cut."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import rankdata

from mteb_hybrid.measures import MEASURES, RANK_DISTANCE
from mteb_hybrid.retrieval.ranks import ranks_of_run
from mteb_hybrid.retrieval.views import Setting
from retrieval.test_ranks import counted, pool_of, problems


def ranks_for(run, *relevant, pool=()):
    qrels = {"q": dict.fromkeys(relevant, 1)}
    return ranks_of_run({"q": run}, qrels, pool_of([*run, *pool]))


def distance(run, *relevant, pool=()):
    return RANK_DISTANCE.values(ranks_for(run, *relevant, pool=pool)).item()


FOUR = {"en:1": 0.9, "de:1": 0.8, "fr:1": 0.7, "es:1": 0.6}


def test_by_hand():
    assert distance(FOUR, "en:1", "es:1") == 3
    assert distance(FOUR, "de:1", "es:1", "fr:1") == 2


def test_one_relevant_passage_is_left_out():
    assert math.isnan(distance(FOUR, "en:1"))
    ranks = ranks_of_run(
        {"q": FOUR, "r": FOUR}, {"q": {"en:1": 1}, "r": {"en:1": 1, "de:1": 1}}, pool_of([*FOUR])
    )
    assert RANK_DISTANCE.scores(ranks) == {"rank_distance": 1}


def test_no_language_gains_from_ties():
    tied = dict.fromkeys(FOUR, 0.5)
    assert distance(tied, "en:1", "es:1") == pytest.approx((2 - 1) * (4 + 1) / (2 + 1))
    assert distance(tied, *FOUR) == 3, "whatever their order"
    assert distance(tied | {"en:1": 0.9}, "en:1", "es:1") == (2 + 3 + 4) / 3 - 1
    assert distance({"a": 1.0, "b": 0.5, "c": 0.5, "d": 0.0}, "b", "d") == 4 - 2.5


def test_what_was_not_returned_takes_the_next_rank():
    assert distance(FOUR, "en:1", "xx:1", pool=["xx:1"]) == 5 - 1
    assert math.isnan(distance(FOUR, "xx:1", "xy:1", pool=["xx:1", "xy:1"]))
    run = {"long": FOUR, "short": {"de:1": 1.0}}
    qrels = {"short": {"de:1": 1, "fr:1": 1}}
    assert RANK_DISTANCE.values(ranks_of_run(run, qrels, pool_of([*FOUR]))) == 1, "its own list"
    whole = ranks_of_run(run, qrels, pool_of([*FOUR, "xx:1"]), cutoff=4)
    assert RANK_DISTANCE.values(whole) == 5 - 1, "the run's cut"


@given(problems())
@settings(deadline=None)
def test_against_scipy(problem):
    ids, scores, qrels = problem
    values = RANK_DISTANCE.values(counted(*problem)[0])
    for value, row, judged in zip(values, scores, qrels.values(), strict=True):
        ranks = rankdata(-row, method="average")[[ids.index(id_) for id_ in judged]]
        ends = [(ranks == end).sum() for end in (ranks.min(), ranks.max())]
        if len(judged) < 2:
            assert np.isnan(value)
        elif ends == [1, 1]:  # no answer ties with the first one or the last
            assert value == ranks.max() - ranks.min()
        else:
            assert value >= max(ranks.max() - ranks.min(), len(judged) - 1)


def test_every_measure_says_what_it_is():
    for measure in MEASURES:
        assert measure.name.replace("_", "").isalnum()
        assert measure.lowest < measure.highest
        assert measure.formula and measure.citation and measure.settings <= set(Setting)
