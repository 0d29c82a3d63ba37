"""How much of the top nobody has judged: ``unjudged_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks
from mteb_hybrid.retrieval.views import Setting


def unjudged(ranks: Ranks, k: int = 10) -> Floats:
    """Share of the top k that was judged neither relevant nor irrelevant.

    Unjudged passages count as irrelevant in all other measures. Where this is high, those say
    little: a passage may be right and merely unknown. The measure depends on order, not on scores,
    so ties are in trec_eval's order.

    Args:
        ranks: Ranks of Q queries.
        k: Cut-off; the length of the ranking if that is less.

    Returns:
        Shape (Q,), between 0 and 1; NaN for a query for which nothing was returned.

    Raises:
        ValueError: If fewer than k places were kept.
    """
    ranks.need_top(k)
    there = ranks.top[:, :k] >= 0
    missing = there & ~ranks.top_judged[:, :k]
    with np.errstate(invalid="ignore"):
        return np.asarray(missing.sum(axis=1) / there.sum(axis=1))


UNJUDGED_AT_10 = Measure(
    name="unjudged_at_10",
    lowest=0,
    highest=1,
    better="none",
    formula="passages without a judgment among the top 10 / 10",
    citation="1 - Judged@10 of ir_measures",
    settings=frozenset(Setting),
    values=unjudged,
    landmarks=Landmarks(
        constant="chance; which, the order of ids decides",
        chance="the unjudged share of the pool",
        ideal="(10 - n) / 10 if only those were judged",
        below_cut="share of what was returned; undefined where nothing was",
    ),
)
