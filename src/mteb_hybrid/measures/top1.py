"""What stands on top: four cases, relevant or not, in the query's language or not: ``top1_*``."""

from functools import partial

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Measure
from mteb_hybrid.measures.top import place_weights
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def top1(ranks: Ranks, relevant: bool, same: bool) -> Floats:
    """Whether the top passage is of one kind; its share of them, where several tie on top.

    Args:
        ranks: Ranks of Q queries.
        relevant: Whether it shall be relevant.
        same: Whether it shall be in the query's language.

    Returns:
        Shape (Q,); NaN for a query for which nothing was returned.
    """
    shared = place_weights(ranks, np.ones(1))
    kind = (ranks.top_relevance > 0) == relevant
    kind &= (ranks.top_languages == ranks.own_language) == same
    return np.where(ranks.top[:, 0] >= 0, (shared * kind).sum(axis=1), np.nan)


TOP1 = tuple(
    Measure(
        name=f"top1_{'relevant' if relevant else 'irrelevant'}_{'same' if same else 'other'}",
        lowest=0,
        highest=1,
        better=("lower", "none")[relevant],
        formula=f"share of queries whose top passage is {'' if relevant else 'not '}relevant and "
        f"{'in the query language' if same else 'in another language'}",
        citation="MLAIRE, arXiv:2605.07249",
        settings=MULTILINGUAL,
        values=partial(top1, relevant=relevant, same=same),
    )
    for relevant in (True, False)
    for same in (True, False)
)
