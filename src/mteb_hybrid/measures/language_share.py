"""Languages among the top passages: ``language_share_at_10`` and ``same_language_lift_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.measures.top import language_weights
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def language_share(ranks: Ranks, k: int = 10) -> Floats:
    """Share of each language among the top k; passages tied across the cut count in part.

    Args:
        ranks: Ranks of Q queries.
        k: How many passages; all that were returned, if those are fewer.

    Returns:
        Shape (Q, L); the rows sum to 1. NaN for a query for which nothing was returned.

    Raises:
        ValueError: If fewer than k places were kept.
    """
    weights = language_weights(ranks, np.ones(k))
    with np.errstate(invalid="ignore"):
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def same_language_lift(ranks: Ranks, k: int = 10) -> Floats:
    """How much more of the query's language is in the top k than in the pool.

    Returns:
        Shape (Q,): share among the top k / share of the pool - 1. NaN if the pool has none of it.
    """
    if ranks.own_language < 0 or ranks.pool.shares[ranks.own_language] == 0:
        return np.full(len(ranks.top), np.nan)
    share = language_share(ranks, k)[:, ranks.own_language]
    return np.asarray(share / ranks.pool.shares[ranks.own_language] - 1)


def pool_share(ranks: Ranks) -> Floats:
    """Shape (L,), the share of each language in the pool."""
    return ranks.pool.shares


LANGUAGE_SHARE_AT_10 = Measure(
    name="language_share_at_10",
    lowest=0,
    highest=1,
    better="none",
    formula="passages of a language among the top 10 / 10",
    citation="this project",
    settings=MULTILINGUAL,
    values=language_share,
    landmarks=Landmarks(
        constant="the language's share of the pool",
        chance="the language's share of the pool",
        ideal="of no meaning beyond the relevant passages: n of 10 places are 1 / n each",
        below_cut="shares of what was returned; undefined where nothing was",
    ),
    by_language=True,
)
SAME_LANGUAGE_LIFT_AT_10 = Measure(
    name="same_language_lift_at_10",
    lowest=-1,
    highest=float("inf"),
    better="zero",
    formula="share of the query language among the top 10 / its share of the pool - 1",
    citation="this project",
    settings=MULTILINGUAL,
    values=same_language_lift,
    landmarks=Landmarks(
        constant="0",
        chance="0",
        ideal="0 if answers are spread over languages as the pool is; higher if more of them are "
        "in the query's language",
        below_cut="share of what was returned; undefined where nothing was",
    ),
)
POOL_SHARE = Measure(
    name="pool_share",
    lowest=0,
    highest=1,
    better="none",
    formula="passages of a language in the pool / all passages in the pool",
    citation="this project",
    settings=MULTILINGUAL,
    values=pool_share,
    landmarks=Landmarks(
        constant="the same for all",
        chance="the same for all",
        ideal="the same for all",
        below_cut="the whole pool counts",
    ),
    by_language=True,
    of_view=True,
)
