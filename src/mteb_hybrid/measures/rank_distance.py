"""How far apart the translations of one answer are ranked: ``rank_distance`` and two kin.

All relevant passages count, of whatever language: where a language has several, as captions of an
image, the distance includes theirs. Tied passages count with the mean rank of their tie group, so
that the order of ids, and with it of languages, plays no part. A relevant passage that a search
model did not return among its top k counts with rank k+1.
"""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def rank_distance(ranks: Ranks) -> Floats:
    """Distance between the best and the worst ranked relevant passage of each query.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,), in ranks; NaN for a query with fewer than 2 relevant passages.
    """
    best = np.fmin.reduce(ranks.tied_ranks, axis=1)
    worst = np.fmax.reduce(ranks.tied_ranks, axis=1)
    distance: Floats = np.where(_count(ranks) >= 2, worst - best, np.nan)
    return distance


def rank_distance_normalised(ranks: Ranks) -> Floats:
    """`rank_distance` from 0 (side by side) to 1 (first and last), comparable between pools.

    Returns:
        Shape (Q,). Ties can bring the mean ranks closer than side by side; that is 0 too. NaN for
        a query with fewer than 2 relevant passages, or with no other passage in its pool.
    """
    count, pool = _count(ranks), len(ranks.pool)
    room = np.where(count < pool, pool - count, np.nan)
    return np.asarray(np.clip((rank_distance(ranks) - (count - 1)) / room, 0, 1))


def max_rank_normalised(ranks: Ranks) -> Floats:
    """How early the last relevant passage comes, on a logarithmic scale.

    Returns:
        Shape (Q,), from 0 (at the end of the pool) to 100 (right after the others). NaN for a
        query with no other passage in its pool.
    """
    count, pool = _count(ranks), len(ranks.pool)
    worst = np.fmax.reduce(ranks.tied_ranks, axis=1)
    room = np.where(count < pool, np.log2(pool) - np.log2(count), np.nan)
    return np.asarray(np.clip(100 * (np.log2(pool) - np.log2(worst)) / room, 0, 100))


def _count(ranks: Ranks) -> Floats:
    return np.asarray(np.count_nonzero(ranks.relevance, axis=1), dtype=np.float64)


RANK_DISTANCE = Measure(
    name="rank_distance",
    lowest=0,
    highest=float("inf"),
    better="lower",
    formula="max rank(d) - min rank(d) over relevant d; left out if |Rel| < 2",
    citation="Huang et al. 2023 (arXiv:2305.09025), as used in arXiv:2408.10536",
    settings=MULTILINGUAL,
    values=rank_distance,
)
RANK_DISTANCE_NORMALISED = Measure(
    name="rank_distance_normalised",
    lowest=0,
    highest=1,
    better="lower",
    formula="(rank_distance - (|Rel| - 1)) / (N - |Rel|) for a pool of N",
    citation="this project",
    settings=MULTILINGUAL,
    values=rank_distance_normalised,
)
MAX_RANK_NORMALISED = Measure(
    name="max_rank_normalised",
    lowest=0,
    highest=100,
    better="higher",
    formula="100 (log2 N - log2 max rank(d)) / (log2 N - log2 |Rel|) for a pool of N",
    citation="Max@R, arXiv:2604.05684",
    settings=MULTILINGUAL,
    values=max_rank_normalised,
)
