"""Diversity of languages: ``alpha_ndcg_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def alpha_ndcg(ranks: Ranks, k: int = 10, alpha: float = 0.5) -> Floats:
    """alpha-nDCG with the language as subtopic.

    The n-th relevant passage of a language gains (1 - alpha)^(n-1). As every passage has one
    language, the ideal order that is NP-hard to find in general is plain here: all gains, sorted.
    The measure depends on order, not on scores, so ties are in trec_eval's order.

    Args:
        ranks: Ranks of Q queries.
        k: Cut-off.
        alpha: How much a repeated language loses.

    Returns:
        Shape (Q,), between 0 and 1; NaN for a query without relevant passages.

    Raises:
        ValueError: If fewer than k places were kept.
    """
    ranks.need_top(k)
    languages = range(len(ranks.pool.languages))
    gains = np.zeros((len(ranks.top), min(k, ranks.top.shape[1])))
    best = []
    for language in languages:
        hit = (ranks.top_languages[:, :k] == language) & (ranks.top_relevance[:, :k] > 0)
        gains += np.where(hit, (1 - alpha) ** (np.cumsum(hit, axis=1) - 1.0), 0)
        relevant = ranks.languages == language
        best.append(np.where(relevant, (1 - alpha) ** (np.cumsum(relevant, axis=1) - 1.0), 0))
    ideal = -np.sort(-np.concatenate(best, axis=1), axis=1)[:, :k]
    with np.errstate(invalid="ignore"):
        return np.asarray(_dcg(gains) / _dcg(ideal))


def _dcg(gains: Floats) -> Floats:
    return np.asarray((gains / np.log2(np.arange(2, gains.shape[1] + 2))).sum(axis=1))


ALPHA_NDCG_AT_10 = Measure(
    name="alpha_ndcg_at_10",
    lowest=0,
    highest=1,
    better="higher",
    formula="alpha-nDCG@10, alpha = 0.5, the language as subtopic",
    citation="Clarke et al. 2008 (10.1145/1390334.1390446)",
    settings=MULTILINGUAL,
    values=alpha_ndcg,
    landmarks=Landmarks(
        constant="chance; which, the order of ids decides",
        chance="the sum of n / N / log2(rank + 1) over 10 ranks, over the sum of 1 / log2(rank + "
        "1) over n",
        ideal="1",
        below_cut="not found: they add 0",
    ),
)
