import math

import numpy as np
import polars as pl
import pytest
import scipy.stats

from mteb_hybrid.report import load_results
from mteb_hybrid.results.results import Results
from mteb_hybrid.results.summary import (
    cell,
    gold_language_gap,
    macro_by_language,
    mean,
    pool_loss,
    pool_map_intervals,
)
from mteb_hybrid.retrieval.views import Setting
from report.conftest import HOSTILE

NAN = math.nan


def test_mean_says_what_it_is_over():
    found = mean(np.array([0.5, NAN, 1.0]), 100)
    assert (found.value, found.subsets, found.expected) == (0.75, 2, 3)
    assert found.text(2) == "0.75 (2/3) [top 100]"
    assert mean(np.array([NAN])) is None


def test_gap_is_diagonal_minus_rest():
    matrix = np.array([[0.9, 0.2], [0.4, 0.7]])
    assert gold_language_gap(matrix).value == pytest.approx(0.8 - 0.3)
    matrix[0, 1] = NAN
    found = gold_language_gap(matrix)
    assert found.value == pytest.approx(0.8 - 0.4)
    assert (found.subsets, found.expected) == (3, 4)
    assert gold_language_gap(np.full((2, 2), NAN)) is None


def test_pool_loss_needs_both_settings(made):
    results = load_results(made.folder)
    alone = results.values("MLQA-R", "org/first", Setting.MONOLINGUAL, "map")
    pooled = results.values("MLQA-R", "org/first", Setting.MULTILINGUAL, "map")
    assert pool_loss(results, "MLQA-R", "org/first") == pytest.approx(alone - pooled)
    assert cell(results, "MLQA-R", HOSTILE, Setting.MULTILINGUAL, "pool_loss") is None


def test_means_by_passage_language_leave_missing_subsets_out(made):
    results = load_results(made.folder)
    matrix = results.matrix("MLQA-R", HOSTILE, "mean_rank")
    found = macro_by_language(results, "MLQA-R", HOSTILE, "mean_rank")
    assert found == pytest.approx(np.nanmean(matrix, axis=0))


def test_intervals_agree_with_scipy(made):
    results = load_results(made.folder)
    # One query per group here, where scipy's bootstrap over queries is the same thing.
    found = pool_map_intervals(results, "MLQA-R", "org/first")
    for place, language in enumerate(results.collections["MLQA-R"].languages):
        values = results.queries("MLQA-R", "org/first", ["map"]).filter(pool=f"{language}-multi")
        expected = scipy.stats.bootstrap(
            (values["value"].to_numpy(),), np.mean, method="percentile", rng=1
        ).confidence_interval
        assert found[place] == pytest.approx(expected, abs=0.003)
    assert np.isnan(pool_map_intervals(results, "MLQA-R", HOSTILE)).all()


def test_queries_of_a_group_are_drawn_together(made):
    """Ten copies of every query in its group leave the interval as it is."""
    results = load_results(made.folder)
    once = pool_map_intervals(results, "MLQA-R", "org/first")
    tenfold = Results(results.evaluations, pl.concat([results.per_query] * 10))
    assert pool_map_intervals(tenfold, "MLQA-R", "org/first") == pytest.approx(once)
