"""Means over seeds, and how far another seed may fall."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

Interval = tuple[float, float]


def t_interval(values: Sequence[float]) -> Interval | None:
    """95% interval of a mean over seeds (Student's t); None of fewer than two."""
    if len(values) < 2:
        return None
    half = _half_width(values)
    mean = float(np.mean(values))
    return mean - half, mean + half


def over_seeds(values: Sequence[float], digits: int) -> str:
    """A mean with the half width of its interval; of two seeds both values, of one the value."""
    if len(values) == 2:
        return " and ".join(f"{value:.{digits}f}" for value in sorted(values))
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {_half_width(values):.{digits}f}"


def _half_width(values: Sequence[float]) -> float:
    spread = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread
