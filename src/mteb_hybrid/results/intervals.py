"""Intervals of the map of a whole setting."""

import numpy as np
import polars as pl

from mteb_hybrid.results.resample import bootstrap_interval
from mteb_hybrid.results.summary import RESAMPLES, ModelSummary
from mteb_hybrid.retrieval.views import Setting


def map_interval(model: ModelSummary, setting: Setting) -> tuple[float, float] | None:
    """95% interval of a model's mean map over the subsets of a setting.

    Percentile bootstrap over questions with all their translations, as comparisons between models
    have it.

    Returns:
        Low and high; None if subsets are missing, or some have no values per query.
    """
    cell, frame = model.cells.get((setting, "map")), model.queries.get(setting)
    if cell is None or not cell.is_whole or frame is None:
        return None
    values = frame.filter(pl.col("value").is_not_nan(), measure="map")
    if values["pool"].n_unique() < cell.expected:
        return None
    rows = values.group_by("group", "pool").agg(pl.col("value").sum(), size=pl.len())
    # Sorted, so that the draws do not depend on the order of a hash table.
    rows = rows.sort("group", "pool")
    sums, sizes = (
        np.ascontiguousarray(
            rows.pivot("pool", index="group", values=column)
            .drop("group")
            .fill_null(0)
            .cast(pl.Float64)
            .to_numpy()
        )
        for column in ("value", "size")
    )
    return bootstrap_interval(sums, sizes, RESAMPLES, seed=0)
