"""How far apart the translations of one answer are ranked: ``rank_distance`` and two kin.

All relevant passages count, of whatever language: where a language has several, as captions of an
image, the distance includes theirs. Tied passages count as if chance had ordered them, so that the
order of ids, and with it of languages, plays no part: the first and the last of m relevant passages
in a tie group of t are expected at the places (t+1)/(m+1) and m(t+1)/(m+1) of the group. So the
distance is that of a random order where all scores tie, and never below |Rel| - 1 in a whole
ranking. (With m = 1 both are the mean rank of the group.)

A relevant passage that a search model did not return among its top k counts with rank k+1, so that
distances are then too short, if anything; where it returned none of them there is no distance.
"""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def rank_distance(ranks: Ranks) -> Floats:
    """Distance between the best and the worst ranked relevant passage of each query.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,), in ranks; NaN for a query with fewer than 2 relevant passages, or one for which
        none of them was returned.
    """
    return np.where(ranks.relevant_count >= 2, _last(ranks) - _first(ranks), np.nan)


def rank_distance_normalised(ranks: Ranks) -> Floats:
    """`rank_distance` from 0 (side by side) to 1 (first and last), comparable between pools.

    Returns:
        Shape (Q,). Below a cut several can share a rank, closer than side by side; that is 0 too.
        NaN where `rank_distance` is, and for a query with no other passage in its pool.
    """
    count, pool = ranks.relevant_count, len(ranks.pool)
    room = np.where(count < pool, pool - count, np.nan)
    return np.asarray(np.clip((rank_distance(ranks) - (count - 1)) / room, 0, 1))


def max_rank_normalised(ranks: Ranks) -> Floats:
    """How early the last relevant passage comes, on a logarithmic scale.

    Returns:
        Shape (Q,), from 0 (at the end of the pool) to 100 (right after the others). NaN for a
        query with no relevant passage that was returned, or no other passage in its pool.
    """
    count, pool = ranks.relevant_count, len(ranks.pool)
    room = np.where(count < pool, np.log2(pool) - np.log2(np.maximum(count, 1)), np.nan)
    return np.asarray(np.clip(100 * (np.log2(pool) - np.log2(_last(ranks))) / room, 0, 100))


def _first(ranks: Ranks) -> Floats:
    """Shape (Q,), the expected rank of the first relevant passage; NaN if none was returned."""
    rank, size, count = _tie_group(ranks, np.fmin)
    return np.asarray(rank - (size + 1) / 2 + (size + 1) / (count + 1))


def _last(ranks: Ranks) -> Floats:
    """Shape (Q,), the expected rank of the last relevant passage; NaN if none was returned."""
    rank, size, count = _tie_group(ranks, np.fmax)
    expected = rank - (size + 1) / 2 + count * (size + 1) / (count + 1)
    lost = np.isinf(ranks.ranks).any(axis=1)  # those stand at k+1 together, and do not tie
    return np.where(lost, rank, expected)


def _tie_group(ranks: Ranks, end: np.ufunc) -> tuple[Floats, Floats, Floats]:
    """The first or last tie group that holds relevant passages.

    Returns:
        Each of shape (Q,): its mean rank, its size, and how many relevant passages it holds.
    """
    rank = end.reduce(ranks.tied_ranks, axis=1, initial=np.nan)
    rank = np.where(ranks.found.any(axis=1), rank, np.nan)
    members = ranks.tied_ranks == rank[:, None]
    size = np.where(members, ranks.tie_sizes, 1).max(axis=1, initial=1)
    return rank, size.astype(np.float64), members.sum(axis=1).astype(np.float64)


RANK_DISTANCE = Measure(
    name="rank_distance",
    lowest=0,
    highest=float("inf"),
    better="lower",
    formula="max rank(d) - min rank(d) over relevant d, expected under a random order of ties; "
    "left out if |Rel| < 2",
    citation="Huang et al. 2023 (arXiv:2305.09025), as used in arXiv:2408.10536",
    settings=MULTILINGUAL,
    values=rank_distance,
    landmarks=Landmarks(
        constant="(n - 1)(N + 1) / (n + 1), as chance",
        chance="(n - 1)(N + 1) / (n + 1)",
        ideal="n - 1",
        below_cut="rank k + 1, so that the distance is too short, if anything; undefined where "
        "none was returned",
    ),
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
    landmarks=Landmarks(
        constant="(n - 1) / (n + 1), as chance",
        chance="(n - 1) / (n + 1)",
        ideal="0",
        below_cut="rank k + 1, so that the distance is too short, if anything; undefined where "
        "none was returned",
    ),
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
    landmarks=Landmarks(
        constant="100 log2(N (n + 1) / (n (N + 1))) / log2(N / n), a little below chance",
        chance="a little above 100 log2(N (n + 1) / (n (N + 1))) / log2(N / n)",
        ideal="100",
        below_cut="rank k + 1, so that the value is too high, if anything; undefined where none "
        "was returned",
    ),
)
