"""Means with 95% intervals: of each language, and over languages."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from mteb_hybrid.results.resample import bootstrap_intervals
from mteb_hybrid.retrieval.pool import Floats

Key = TypeVar("Key", bound=Hashable)


class Estimate(NamedTuple):
    """A mean and its interval.

    Attributes:
        value: The mean; over languages, that of their means. NaN if there is no value.
        low: Lower end of the 95% interval; NaN where fewer than
            `mteb_hybrid.results.resample.INTERVAL_FROM` groups have a value.
        high: Upper end.
        rows: How many values there are, NaN included.
        measured: How many of them are not NaN.
    """

    value: float
    low: float
    high: float
    rows: int
    measured: int


def estimates(
    values: Mapping[Key, Floats],
    groups: Mapping[Key, Sequence[str]],
    resamples: int,
    seed: int,
) -> tuple[dict[Key, list[Estimate]], list[Estimate]]:
    """Means of several measures, resampled by group (bootstrap, percentiles).

    Args:
        values: By language, shape (N, M): N values of M measures; NaN where one has none.
        groups: By language, the group of each row. Rows of a group are drawn together.
        resamples: How many times the groups are drawn with replacement.
        seed: Of the draws.

    Returns:
        By language, and over all languages: the mean of their means, those without a value left
        out. M each.
    """
    place = {
        name: i for i, name in enumerate(sorted({g for some in groups.values() for g in some}))
    }
    measures = next(iter(values.values())).shape[1]
    sums = np.zeros((len(place), len(values), measures))
    counts = np.zeros_like(sums)
    for column, (key, table) in enumerate(values.items()):
        rows = np.array([place[group] for group in groups[key]], dtype=np.int64)
        np.add.at(sums[:, column], rows, np.nan_to_num(table))
        np.add.at(counts[:, column], rows, ~np.isnan(table))
    total = {key: len(table) for key, table in values.items()}
    each = {
        key: _estimated(sums[:, [column]], counts[:, [column]], total[key], resamples, seed)
        for column, key in enumerate(values)
    }
    return each, _estimated(sums, counts, sum(total.values()), resamples, seed)


def _estimated(
    sums: Floats, counts: Floats, total: int, resamples: int, seed: int
) -> list[Estimate]:
    there = counts.any(axis=(1, 2))
    sums, counts = sums[there], counts[there]
    if not len(sums):
        return [Estimate(np.nan, np.nan, np.nan, total, 0)] * sums.shape[2]
    low, high = bootstrap_intervals(sums, counts, resamples, seed)
    rows = counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        means = np.divide(sums.sum(axis=0), rows, out=np.zeros_like(rows), where=rows > 0)
        means = means.sum(axis=0) / np.count_nonzero(rows, axis=0)
    measured = counts.sum(axis=(0, 1)).astype(int)
    columns = (means, low, high, np.full(len(means), total), measured)
    return [Estimate(*row) for row in zip(*(some.tolist() for some in columns), strict=True)]
