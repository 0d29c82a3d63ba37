"""Languages among the top passages: ``language_share_at_10`` and ``same_language_lift_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Measure
from mteb_hybrid.measures.top import language_weights
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def language_share(ranks: Ranks, k: int = 10) -> Floats:
    """Share of each language among the top k; passages tied across the cut count in part.

    Args:
        ranks: Ranks of Q queries.
        k: How many passages, at most `mteb_hybrid.retrieval.ranks.TOP`.

    Returns:
        Shape (Q, L); the rows sum to 1. NaN for a query for which nothing was returned.
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
    by_language=True,
    of_view=True,
)
