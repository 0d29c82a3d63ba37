"""Intervals of the mean of a whole setting."""

from collections.abc import Collection

import numpy as np
import polars as pl

from mteb_hybrid.results.resample import bootstrap_interval
from mteb_hybrid.results.summary import RESAMPLES, ModelSummary
from mteb_hybrid.retrieval.views import Setting


def map_interval(model: ModelSummary, setting: Setting) -> tuple[float, float] | None:
    """95% interval of a model's mean map over the subsets of a setting.

    Returns:
        As `mean_interval`; None too if subsets are missing.
    """
    cell, frame = model.cells.get((setting, "map")), model.queries.get(setting)
    if cell is None or not cell.is_whole or frame is None:
        return None
    pools = set(frame["pool"])
    return mean_interval(frame, "map", pools) if len(pools) == cell.expected else None


def mean_interval(
    frame: pl.DataFrame | None, measure: str, pools: Collection[str]
) -> tuple[float, float] | None:
    """95% interval of the mean over pools of the mean over queries.

    Percentile bootstrap over questions with all their translations, as comparisons between models
    have it.

    Args:
        frame: Values per query of one model and setting, if they were kept.
        measure: Its name.
        pools: The subsets that the mean is taken over.

    Returns:
        Low and high; None where the values per query are not those of the same subsets, or of
        too few questions.
    """
    if frame is None:
        return None
    rows = frame.filter(pl.col("measure") == measure, pl.col("value").is_not_nan())
    if rows.is_empty() or set(rows["pool"]) != set(pools):
        return None
    cells = rows.group_by("group", "pool").agg(pl.col("value").sum(), size=pl.len())
    groups, group = np.unique(cells["group"].to_numpy(), return_inverse=True)
    names, pool = np.unique(cells["pool"].to_numpy(), return_inverse=True)
    sums, counts = np.zeros((2, len(groups), len(names)))
    sums[group, pool], counts[group, pool] = cells["value"], cells["size"]
    low, high = bootstrap_interval(sums, counts, RESAMPLES, seed=0)
    return None if np.isnan(low) else (low, high)
