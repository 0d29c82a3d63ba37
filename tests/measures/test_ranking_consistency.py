import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from mteb_hybrid.measures.ranking_consistency import (
    rank_biased_overlap,
    ranking_consistency,
    spearman,
)

RANKINGS = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


def test_by_hand():
    # Overlaps at depths 1 to 3: 0, 1, 2/3; weights 1, 0.9, 0.81.
    expected = (0 + 0.9 * 1 + 0.81 * 2 / 3) / (1 + 0.9 + 0.81)
    assert rank_biased_overlap("abc", "bad") == pytest.approx(expected)
    assert rank_biased_overlap("abc", "xyz") == 0
    # Places of a, b, c, d: 0 1 2 3 (absent) against 1 0 3 (absent) 2, at k = 3.
    assert spearman("abc", "bad", 3) == pytest.approx(spearmanr([0, 1, 2, 3], [1, 0, 3, 2])[0])


@given(RANKINGS, RANKINGS)
def test_properties(first, second):
    assert rank_biased_overlap(first, first) == pytest.approx(1)
    assert rank_biased_overlap(first, second) == rank_biased_overlap(second, first)
    assert 0 <= rank_biased_overlap(first, second) <= 1 + 1e-12
    value = spearman(first, second)
    assert math.isnan(value) or -1 - 1e-12 <= value <= 1 + 1e-12
    if len(first) > 1:
        assert spearman(first, first) == pytest.approx(1)


@given(RANKINGS, RANKINGS)
def test_overlap_is_ir_measures_rbo(first, second):
    compat = pytest.importorskip("ir_measures.providers.compat_provider")
    depth = max(len(first), len(second))
    theirs = compat.rbo(first, second, 0.9, depth)
    assert rank_biased_overlap(first, second) == pytest.approx(theirs)


@settings(deadline=None)
@given(RANKINGS, RANKINGS, st.integers(1, 9))
def test_correlation_is_scipys(first, second, k):
    items = sorted({*first[:k], *second[:k]})
    places = [[top.index(x) if x in top else k for x in items] for top in (first[:k], second[:k])]
    value = spearman(first, second, k)
    if any(len(set(of)) == 1 for of in places):
        assert math.isnan(value)
    else:
        assert value == pytest.approx(spearmanr(*places)[0])


def test_mean_over_pairs_of_languages():
    same, other = ["a", "b"], ["x", "y"]
    rankings = {"en": {"q": same, "r": same}, "de": {"q": same, "r": other}, "fr": {"s": same}}
    found = ranking_consistency(rankings)
    assert found["ranking_consistency_at_10"] == 0.5, "fr shares no question"
    assert found["ranking_spearman_at_10"] == pytest.approx((1 + spearman(same, other)) / 2)
    assert all(math.isnan(value) for value in ranking_consistency({"en": {"q": same}}).values())
