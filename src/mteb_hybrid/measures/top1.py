"""What stands on top: four cases, relevant or not, in the query's language or not: ``top1_*``."""

from functools import partial

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
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
        Shape (Q,); NaN for a query for which nothing was returned, or if their language is unknown.
    """
    if ranks.query_language is None:
        return np.full(len(ranks.top), np.nan)
    shared, beyond = place_weights(ranks, np.ones(1))
    width = shared.shape[1]
    kind = (ranks.top_relevance[:, :width] > 0) == relevant
    kind &= (ranks.top_languages[:, :width] == ranks.own_language) == same
    own = np.arange(len(ranks.pool.languages)) == ranks.own_language
    outside = ranks.overflow[:, int(relevant), own == same].sum(axis=1)
    share = (shared * kind).sum(axis=1) + beyond * outside
    return np.where(ranks.top[:, 0] >= 0, share, np.nan)


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
        landmarks=Landmarks(
            constant="the share of such passages in the pool",
            chance="the share of such passages in the pool",
            ideal="0" if not relevant else "any value; the two of relevant passages sum to 1",
            below_cut="undefined where nothing was returned",
        ),
    )
    for relevant in (True, False)
    for same in (True, False)
)
