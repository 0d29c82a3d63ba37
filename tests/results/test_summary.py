import json
import math
import shutil

import numpy as np
import polars as pl
import pytest
import scipy.stats

from mteb_hybrid import measures
from mteb_hybrid.results import summary
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import gold_language_gap, map_intervals, summarise
from mteb_hybrid.results.value_files import PerQueryError
from mteb_hybrid.retrieval.views import Setting
from results.conftest import HOSTILE, model_of, summarised, write_task

NAN = math.nan


def test_gap_is_diagonal_minus_rest():
    matrix = np.array([[0.9, 0.2], [0.4, 0.7]])
    assert gold_language_gap(matrix).value == pytest.approx(0.8 - 0.3)
    matrix[0, 1] = NAN
    found = gold_language_gap(matrix)
    assert found.value == pytest.approx(0.8 - 0.4)
    assert found.is_whole, "every language asked"
    matrix[0] = NAN
    found = gold_language_gap(matrix)
    assert (found.value, found.subsets, found.expected) == (pytest.approx(0.7 - 0.4), 1, 2)
    assert gold_language_gap(np.full((2, 2), NAN)) is None


@pytest.fixture(scope="module")
def mlqa(made):
    return summarised(made.folder)["MLQA-R"]


@pytest.fixture(scope="module")
def first(mlqa):
    return model_of(mlqa, "org/first")


def test_pool_loss_needs_both_settings(made, mlqa, first):
    results = load_results(made.folder)
    alone = results.values("MLQA-R", "org/first", Setting.MONOLINGUAL, "map")
    pooled = results.values("MLQA-R", "org/first", Setting.MULTILINGUAL, "map")
    assert first.pool_loss == pytest.approx(alone - pooled)
    assert first.cells[Setting.MULTILINGUAL, "pool_loss"].value == pytest.approx(0.4, abs=0.05)
    assert (Setting.MULTILINGUAL, "pool_loss") not in model_of(mlqa, HOSTILE).cells


def test_means_by_passage_language_leave_missing_subsets_out(made, mlqa):
    matrix = load_results(made.folder).matrix("MLQA-R", HOSTILE, "mean_rank")
    found = model_of(mlqa, HOSTILE).by_passage_language["mean_rank"]
    assert found == pytest.approx(np.nanmean(matrix, axis=0))


def test_every_measure_has_its_cell(made, mlqa):
    results = load_results(made.folder)
    for model in mlqa.models:
        for (setting, name), cell in model.cells.items():
            values = results.values("MLQA-R", model.label, setting, name)
            if not np.isnan(values).all():
                assert cell.value == pytest.approx(np.nanmean(values))
                assert cell.subsets == np.count_nonzero(~np.isnan(values))
                assert cell.expected == len(values)
    cell = model_of(mlqa, HOSTILE).cells[Setting.MULTILINGUAL, "map"]
    assert cell.text(1).endswith("(5/7) [top 1000] [other data]")


def test_a_cell_has_the_share_that_it_was_measured_on(tmp_path):
    folder = write_task(tmp_path, "a/b", "MLQARMultilingualRetrieval", 0.5, per_query=False)
    file = folder / "MLQARMultilingualRetrieval.json"
    content = json.loads(file.read_text())
    rows = content["scores"]["validation"]
    rows[0]["rank_distance_measured_on"] = 0.3
    rows[1] |= {"rank_distance": None, "rank_distance_measured_on": 0}
    file.write_text(json.dumps(content))
    cells = summarised(tmp_path)["MLQA-R"].models[0].cells
    found = cells[Setting.MULTILINGUAL, "rank_distance"]
    assert (found.subsets, found.expected) == (6, 7)
    assert found.measured_on == pytest.approx((0.3 + 5) / 6)
    assert found.text(1).endswith(" (6/7) [88.3% of queries]")
    assert cells[Setting.MULTILINGUAL, "map"].measured_on is None
    assert (Setting.MULTILINGUAL, "rank_distance_measured_on") not in cells


def test_values_per_query_are_read_only_if_asked_for(made, tmp_path):
    copy = shutil.copytree(made.folder, tmp_path / "results")
    for file in copy.rglob("*.parquet"):
        file.write_bytes(b"damaged")
    found = summarise(load_results(copy), queries=False)
    assert not any(model.queries for c in found.collections for model in c.models)
    with pytest.raises(PerQueryError, match="not a Parquet file"):
        summarise(load_results(copy))


def test_intervals_agree_with_scipy(mlqa, first):
    # One query per group here, where scipy's bootstrap over queries is the same thing.
    frame = first.queries[Setting.MULTILINGUAL]
    for place, language in enumerate(mlqa.card.languages):
        values = frame.filter(measure="map", pool=f"{language}-multi")
        expected = scipy.stats.bootstrap(
            (values["value"].to_numpy(),), np.mean, method="percentile", rng=1
        ).confidence_interval
        assert first.pool_map_intervals[place] == pytest.approx(expected, abs=0.003)
    assert np.isnan(model_of(mlqa, HOSTILE).pool_map_intervals).all()


def test_queries_of_a_group_are_drawn_together(mlqa, first):
    """Ten copies of every query in its group leave the interval as it is."""
    tenfold = pl.concat([first.queries[Setting.MULTILINGUAL]] * 10)
    found = map_intervals(tenfold, tuple(mlqa.card.languages))
    assert found == pytest.approx(first.pool_map_intervals)


def test_the_key_of_shares_is_that_of_the_measures():
    assert summary.MEASURED_ON == measures.MEASURED_ON
