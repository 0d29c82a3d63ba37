"""nDCG that prefers the query's language: ``lang_ndcg_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks

K = 10


def lang_ndcg_at_10(ranks: Ranks) -> Floats:
    """nDCG@10 with gain 2 for relevant passages in the query's language, 1 for other ones.

    A tied passage gets the mean discount of the places of its tie group, so that the order of
    ids plays no part.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,), between 0 and 1; NaN for a query without relevant passages, or if their language
        is unknown.
    """
    if ranks.query_language is None:
        return np.full(len(ranks.ranks), np.nan)
    relevant = ranks.relevance > 0
    gain = np.where(relevant, np.where(ranks.languages == ranks.own_language, 2.0, 1.0), 0.0)
    first = np.where(ranks.found, ranks.tied_ranks - (ranks.tie_sizes - 1) / 2, K + 1).astype(
        np.int64
    )
    # Sum of the discounts of the first n places; places beyond K count nothing.
    total = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, K + 2)))])
    before = np.minimum(first - 1, K)
    through = np.minimum(first + ranks.tie_sizes - 1, K)
    dcg = (gain * (total[through] - total[before]) / ranks.tie_sizes).sum(axis=1)
    ideal = -np.sort(-gain, axis=1)[:, :K]
    with np.errstate(invalid="ignore"):
        return np.asarray(dcg / (ideal / np.log2(np.arange(2, ideal.shape[1] + 2))).sum(axis=1))


LANG_NDCG_AT_10 = Measure(
    name="lang_ndcg_at_10",
    lowest=0,
    highest=1,
    better="higher",
    formula="nDCG@10, gain 2 for relevant passages in the query's language, 1 for other ones",
    citation="after MLAIRE, arXiv:2605.07249; our reading",
    settings=MULTILINGUAL,
    values=lang_ndcg_at_10,
    landmarks=Landmarks(
        constant="as chance",
        chance="(n + 1) D(10) / N over D(1) + D(n), D(i) being the discounts 1 / log2(rank + 1) "
        "of the first i ranks (10 at most), summed",
        ideal="1 with the query's language first, else less",
        below_cut="not found: they add 0",
    ),
)
