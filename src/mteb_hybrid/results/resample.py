"""Statistics of paired differences, resampled by group: interval, p-value, Holm's correction."""

from collections.abc import Iterator, Sequence

import numpy as np

from mteb_hybrid.retrieval.pool import Floats

INTERVAL_FROM = 6
"""Groups. With n of them that all differ alike, the interval leaves out 0, and the exact two-sided
randomisation test has p = 2 / 2^n: first below 0.05 with 6. Of fewer, nothing follows."""

# Values per block of resamples: bounds memory at some ten megabytes.
_BLOCK = 1_000_000


def holm(p_values: Sequence[float]) -> Floats:
    """Holm's step-down correction (Holm 1979): shape (M,), never below the p-values.

    The i-th smallest of M is multiplied by M - i + 1; then none may be below a smaller one's.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def bootstrap_interval(
    differences: Floats, counts: Floats, resamples: int, seed: int
) -> tuple[float, float]:
    """95% percentile interval of the mean over pools of the mean difference in each pool.

    A pool of which a resample draws no query has no mean there, and is left out of that resample.

    Args:
        differences: Shape (G, P), sums over the rows of each group in each pool.
        counts: Shape (G, P), the numbers of those rows.
        resamples: How many times G groups are drawn with replacement.
        seed: Seed of the draws.

    Returns:
        Low and high; NaN of fewer than `INTERVAL_FROM` groups with rows.
    """
    (low,), (high,) = bootstrap_intervals(
        differences[..., None], counts[..., None], resamples, seed
    )
    return float(low), float(high)


def bootstrap_intervals(
    sums: Floats, counts: Floats, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """The same of M measures at once, from the same draws.

    Args:
        sums: Shape (G, P, M), as `differences` of `bootstrap_interval`.
        counts: Shape (G, P, M).
        resamples: As there.
        seed: As there.

    Returns:
        The lower and the upper ends, shape (M,) each. A resample without a single row of a measure
        does not count for it. NaN where fewer than `INTERVAL_FROM` groups have any.
    """
    groups, pools, measures = sums.shape
    sums = _exactly_summable(sums)
    means = np.empty((resamples, measures))
    random = np.random.default_rng(seed)
    for block in _blocks(resamples, groups):
        size = block.stop - block.start
        drawn = random.integers(0, groups, (size, groups))
        drawn += np.arange(size)[:, None] * groups
        weights = np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups)
        weights = weights.astype(np.float64)
        rows, totals = (
            (weights @ table.reshape(groups, -1)).reshape(size, pools, measures)
            for table in (counts, sums)
        )
        totals = np.divide(totals, rows, out=np.zeros_like(rows), where=rows > 0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            means[block] = totals / np.count_nonzero(rows, axis=1)
    enough = np.count_nonzero(counts.any(axis=1), axis=0) >= INTERVAL_FROM
    low, high = np.full((2, measures), np.nan)
    if enough.any():
        low[enough], high[enough] = np.nanpercentile(means[:, enough], [2.5, 97.5], axis=0)
    return low, high


def _exactly_summable(sums: Floats) -> Floats:
    """Values without the last bits that a sum over as many groups would round.

    A sum of the others is exact, so it is the same in any order: that of BLAS depends on the
    processor and the number of threads, and would show in the last digits of a report.
    """
    most = len(sums) * np.abs(sums).max(axis=(0, 1))
    anchor = np.ldexp(1.5, np.frexp(most)[1])
    return np.asarray((sums + anchor) - anchor)


def randomisation_p(effects: Floats, resamples: int, seed: int) -> float:
    """Two-sided p-value of a sum of effects, had each group's sign been a coin toss.

    Args:
        effects: Shape (G,), what each group adds to the difference.
        resamples: How many random assignments of signs.
        seed: Seed of the signs.

    Returns:
        (b + 1) / (resamples + 1), with b the assignments at least as far from 0.
    """
    random = np.random.default_rng(seed)
    # Sums of the same numbers in another order differ in their last digits.
    observed = abs(effects.sum()) - 1e-12 * np.abs(effects).sum()
    as_extreme = 0
    for block in _blocks(resamples, len(effects)):
        flips = random.integers(0, 2, (block.stop - block.start, len(effects)), dtype=np.int8)
        sums = (2.0 * flips - 1) @ effects
        as_extreme += int(np.count_nonzero(np.abs(sums) >= observed))
    return (as_extreme + 1) / (resamples + 1)


def _blocks(resamples: int, groups: int) -> Iterator[slice]:
    size = max(1, _BLOCK // groups)
    for start in range(0, resamples, size):
        yield slice(start, min(start + size, resamples))
