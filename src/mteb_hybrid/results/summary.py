"""Means that a report shows, each with what it was taken over."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mteb_hybrid.results.resample import bootstrap_interval
from mteb_hybrid.results.results import Floats, Results
from mteb_hybrid.retrieval.views import Setting


@dataclass(frozen=True)
class Cell:
    """A mean over subsets: never shown without saying so if subsets are missing.

    Attributes:
        value: Unweighted mean over the subsets at hand.
        subsets: How many there are.
        expected: How many the setting has.
        truncated_at: k, if a search model returned only its top k.
    """

    value: float
    subsets: int
    expected: int
    truncated_at: int | None

    def text(self, digits: int) -> str:
        """The value, and what limits it."""
        partial = f" ({self.subsets}/{self.expected})" if self.subsets < self.expected else ""
        cut = f" [top {self.truncated_at}]" if self.truncated_at else ""
        return f"{self.value:.{digits}f}{partial}{cut}"


RESAMPLES = 2_000


def mean(values: Floats, truncated_at: int | None = None) -> Cell | None:
    """Unweighted mean of the values that are there, and how many of them there are.

    Args:
        values: Shape (n,); NaN where missing.
        truncated_at: k of rankings that were cut.

    Returns:
        The cell; None if nothing is there.
    """
    there = values[~np.isnan(values)]
    if not there.size:
        return None
    return Cell(float(there.mean()), there.size, values.size, truncated_at)


def cell(results: Results, collection: str, model: str, setting: Setting, name: str) -> Cell | None:
    """A measure's mean over the subsets of a setting, or a derived one's."""
    cut = results.truncated_at(collection, model, setting)
    if name == "pool_loss":
        return mean(pool_loss(results, collection, model), cut)
    if name == "gold_language_gap":
        return gold_language_gap(results.matrix(collection, model, "gold_language_map"), cut)
    evaluation = results.evaluation(collection, model, setting)
    if evaluation and name in evaluation.consistency:
        there = len(evaluation.scores)
        return Cell(evaluation.consistency[name], there, len(evaluation.expected), cut)
    return mean(results.values(collection, model, setting, name), cut)


def pool_loss(results: Results, collection: str, model: str) -> Floats:
    """Monolingual map minus map in the pool of all languages, per query language: shape (L,)."""
    alone, pooled = (
        results.by_language(collection, model, setting, "map")
        for setting in (Setting.MONOLINGUAL, Setting.MULTILINGUAL)
    )
    return np.asarray(alone - pooled)


def gold_language_gap(matrix: Floats, truncated_at: int | None = None) -> Cell | None:
    """Mean of the diagonal minus mean of the rest, of a matrix of shape (L, L)."""
    own = np.eye(len(matrix), dtype=bool)
    diagonal, rest = mean(matrix[own]), mean(matrix[~own])
    if diagonal is None or rest is None:
        return None
    there = diagonal.subsets + rest.subsets
    return Cell(diagonal.value - rest.value, there, matrix.size, truncated_at)


def macro_by_language(results: Results, collection: str, model: str, prefix: str) -> Floats:
    """Mean over query languages of ``PREFIX_XX``, per passage language XX.

    Returns:
        Shape (L,); NaN where no query language has a value.
    """
    matrix = results.matrix(collection, model, prefix)
    counts = (~np.isnan(matrix)).sum(axis=0)
    total = np.nansum(matrix, axis=0)
    none = np.full(len(matrix), np.nan)
    return np.asarray(np.divide(total, counts, out=none, where=counts > 0))


def pool_map_intervals(results: Results, collection: str, model: str) -> Floats:
    """95% intervals of the map in the pool of all languages, per query language.

    Percentile bootstrap over groups, as comparisons between models have it.

    Returns:
        Shape (L, 2), low and high; NaN where there are no values per query.
    """
    frame = results.queries(collection, model, ["map"])
    intervals = np.full((len(results.collections[collection].languages), 2), np.nan)
    for place, language in enumerate(results.collections[collection].languages):
        values = frame.filter(pool=f"{language}-multi", query_language=language)
        values = values.filter(values["value"].is_not_nan())
        if not values.is_empty():
            groups = values.group_by("group").agg(pl.col("value").sum(), size=pl.len())
            # Sorted, so that the draws do not depend on the order of a hash table.
            sums, sizes = groups.sort("group").select("value", "size").cast(pl.Float64)
            columns = (sums.to_numpy()[:, None], sizes.to_numpy()[:, None])
            intervals[place] = bootstrap_interval(columns[0], columns[1], RESAMPLES, seed=0)
    return intervals
