"""The statistics, against scipy where the definitions coincide, and against hand-worked values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from threadpoolctl import threadpool_limits

from mteb_hybrid.results.resample import (
    bootstrap_interval,
    bootstrap_intervals,
    holm,
    randomisation_p,
)

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_bootstrap_is_scipys_for_one_pool_with_one_row_per_group():
    differences = np.random.default_rng(1).normal(0.1, 1, 47)
    ours = bootstrap_interval(differences[:, None], np.ones((47, 1)), resamples=2000, seed=5)
    theirs = stats.bootstrap(
        (differences,),
        np.mean,
        method="percentile",
        n_resamples=2000,
        batch=2000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_bootstrap_of_groups_is_the_plain_definition():
    """Unequal groups and pools, against a loop that copies the rows of every drawn group."""
    random = np.random.default_rng(2)
    pools = [[(g, random.normal()) for g in random.integers(0, 9, 30)] for _ in range(3)]
    sums, counts = np.zeros((9, 3)), np.zeros((9, 3))
    for p, rows in enumerate(pools):
        for g, value in rows:
            sums[g, p] += value
            counts[g, p] += 1
    draws = np.random.default_rng(3).integers(0, 9, (200, 9))
    means = [
        np.mean([np.mean([v for d in drawn for g, v in rows if g == d]) for rows in pools])
        for drawn in draws
    ]
    expected = np.percentile(means, [2.5, 97.5])
    assert bootstrap_interval(sums, counts, resamples=200, seed=3) == pytest.approx(expected)


def test_blocks_do_not_matter(monkeypatch):
    sums, counts = np.random.default_rng(4).normal(size=(20, 3)), np.ones((20, 3))
    whole = bootstrap_interval(sums, counts, 500, 0), randomisation_p(sums[:, 0], 500, 0)
    monkeypatch.setattr("mteb_hybrid.results.resample._BLOCK", 20 * 7)
    assert bootstrap_interval(sums, counts, 500, 0) == pytest.approx(whole[0])
    # Sign flips are drawn four to a word, so that blocks change which are drawn.
    assert randomisation_p(sums[:, 0], 500, 0) == pytest.approx(whole[1], abs=0.1)


def test_threads_do_not_matter():
    """To the last bit, though BLAS adds in another order with another number of them."""
    sums, counts = np.random.default_rng(0).normal(size=(1190, 6)), np.ones((1190, 6))
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.add(bootstrap_interval(sums, counts, 400, 0))
    assert len(found) == 1


def test_a_pool_without_a_drawn_query_is_left_out(monkeypatch):
    """Two groups, of which only the first is in pool 2."""
    monkeypatch.setattr("mteb_hybrid.results.resample.INTERVAL_FROM", 2)
    sums, counts = np.array([[1.0, 5.0], [3.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    low, high = bootstrap_interval(sums, counts, 4000, 0)
    # Draws: (0, 0): (1 + 5)/2; (0, 1): (2 + 5)/2; (1, 1): 3, without pool 2.
    assert (low, high) == (3, 3.5)


@pytest.mark.parametrize("shift", [0, 0.3, 0.8])
def test_randomisation_agrees_with_scipys_exact_test(shift):
    effects = np.random.default_rng(6).normal(shift, 1, 12)
    exact = stats.permutation_test(
        (effects, np.zeros(12)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    n = 100_000
    ours = randomisation_p(effects, n, seed=0)
    assert ours == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / n) + 1 / n)


def test_the_most_extreme_difference_has_the_smallest_p():
    effects = np.ones(60)
    assert randomisation_p(effects, 999, seed=0) == 1 / 1000


@settings(deadline=None, max_examples=30)
@given(arrays(float, st.integers(6, 30), elements=st.floats(-1, 1)))
def test_swapping_models_mirrors_the_interval_and_keeps_p(effects):
    counts = np.ones((len(effects), 1))
    low, high = bootstrap_interval(effects[:, None], counts, 200, 0)
    other = bootstrap_interval(-effects[:, None], counts, 200, 0)
    assert other == pytest.approx((-high, -low), abs=1e-12)
    assert randomisation_p(effects, 200, 0) == randomisation_p(-effects, 200, 0)


def test_no_difference():
    zeros = np.zeros((10, 2))
    assert bootstrap_interval(zeros, np.ones((10, 2)), 100, 0) == (0, 0)
    assert randomisation_p(zeros[:, 0], 100, 0) == 1


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04 times 4 3 2 1 is .04 .06 .06 .04; none below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # Holm's own kind of example: .001 x 3, .02 x 2, .5 x 1.
    assert holm([0.5, 0.001, 0.02]) == pytest.approx([0.5, 0.003, 0.04])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])


@given(PROBABILITIES)
def test_holm_lies_between_the_p_values_and_bonferroni(p):
    corrected = holm(p)
    bonferroni = np.minimum(np.array(p) * len(p), 1)
    assert np.all(corrected >= p) and np.all(corrected <= bonferroni)
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(corrected[order]) >= 0)
    assert corrected[order[0]] == bonferroni[order[0]]


def test_bootstrap_of_several_measures_is_each_alone():
    random = np.random.default_rng(2)
    counts = random.integers(0, 3, (9, 4, 3)).astype(float)
    counts[..., 2] = 0
    sums = random.normal(size=counts.shape) * counts
    low, high = bootstrap_intervals(sums, counts, 500, 3)
    for measure in range(2):
        alone = bootstrap_interval(sums[..., measure], counts[..., measure], 500, 3)
        assert (low[measure], high[measure]) == pytest.approx(alone)
    assert np.isnan([low[2], high[2]]).all(), "nothing was measured"
