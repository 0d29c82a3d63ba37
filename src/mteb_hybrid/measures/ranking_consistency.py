"""Whether parallel queries get the same ranking: ``ranking_consistency_at_10``.

Unlike the other measures it looks at several views: the same question asked in each language,
against one pool. Passages are mapped to their group first, so that a translation counts as the
same content, and a group that occurs again further down is dropped.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from mteb_hybrid.measures.measure import MEASURED_ON, Landmarks

K = 10
PERSISTENCE = 0.9
CONSISTENCY = (f"ranking_consistency_at_{K}", f"ranking_spearman_at_{K}")
CONSISTENCY_LANDMARKS = Landmarks(
    constant="undefined",
    chance="near 0 with many groups (Spearman: below 0, as most groups are in one top only)",
    ideal="1 if the order of all groups is the same for every language",
    below_cut="undefined where fewer than 10 groups were returned, and the pool has more",
)


def rank_biased_overlap(first: Sequence[str], second: Sequence[str], k: int = K) -> float:
    """Rank-biased overlap of the first k (p = 0.9), scaled so that equal rankings have 1.

    Args:
        first: Items, best first, without repeats.
        second: The same for another ranking.
        k: Depth.

    Returns:
        Between 0 and 1 (Webber et al. 2010, 10.1145/1852102.1852106, without extrapolation).
    """
    depth = min(k, max(len(first), len(second)))
    total = scale = 0.0
    for d in range(1, depth + 1):
        weight = PERSISTENCE ** (d - 1)
        total += weight * len(set(first[:d]) & set(second[:d])) / d
        scale += weight
    return total / scale


def spearman(first: Sequence[str], second: Sequence[str], k: int = K) -> float:
    """Spearman's correlation of the places of all items in either top k; absent ones tie at k+1.

    Returns:
        Between -1 and 1; NaN if either ranking is constant on these items.
    """
    tops = list(first[:k]), list(second[:k])
    items = list(dict.fromkeys([*tops[0], *tops[1]]))
    # Twice the distances from the mean rank: whole numbers. Plain, as a report asks for 65,000.
    one, other = (_doubled(top, items) for top in tops)
    squares = sum(x * x for x in one) * sum(x * x for x in other)
    if not squares:
        return float("nan")
    return sum(x * y for x, y in zip(one, other, strict=True)) / math.sqrt(squares)


def _doubled(top: Sequence[str], items: Sequence[str]) -> list[int]:
    """Twice the rank of each item, ties counting their mean, minus twice the mean of all ranks."""
    n, m = len(items), len(top)
    places = {item: 2 * place for place, item in enumerate(top, 1)}
    return [places.get(item, n + m + 1) - (n + 1) for item in items]


def ranking_consistency(
    rankings: Mapping[str, Mapping[str, Sequence[str] | None]], k: int = K
) -> dict[str, float]:
    """How alike the rankings of parallel queries are, over all pairs of query languages.

    Args:
        rankings: ``{query language: {question: its first groups, without repeats}}``; None in the
            place of groups that are not known.
        k: Depth.

    Returns:
        ``ranking_consistency_at_k`` (rank-biased overlap) and ``ranking_spearman_at_k``: mean over
        the questions that both languages have, then over pairs of languages that share any; NaN if
        none do. After MRC@k (arXiv:2509.06195). Where a pair of rankings had to be left out, the
        share that was not, under the same names and ``_measured_on``.
    """
    found: dict[str, float] = {}
    for name, measure in (("consistency", rank_biased_overlap), ("spearman", spearman)):
        key = f"ranking_{name}_at_{k}"
        means, values = [], []
        for one, other in combinations(rankings.values(), 2):
            pairs = [
                (one[question], other[question]) for question in sorted(one.keys() & other.keys())
            ]
            mine = [float("nan") if not a or not b else measure(a, b, k) for a, b in pairs]
            means.append(_mean(mine))
            values += mine
        found[key] = _mean(means)
        left_out = np.isnan(values).mean() if values else 0.0
        if left_out:
            found[key + MEASURED_ON] = float(1 - left_out)
    return found


def _mean(values: Sequence[float]) -> float:
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")
