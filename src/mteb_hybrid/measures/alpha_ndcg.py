"""Diversity of languages: ``alpha_ndcg_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def alpha_ndcg(ranks: Ranks, k: int = 10, alpha: float = 0.5) -> Floats:
    """alpha-nDCG with the language as subtopic.

    The n-th relevant passage of a language gains (1 - alpha)^(n-1). As every passage has one
    language, the ideal order that is NP-hard to find in general is plain here: all gains, sorted.
    The measure depends on order, not on scores, so ties are in trec_eval's order.

    Args:
        ranks: Ranks of Q queries.
        k: Cut-off, at most `mteb_hybrid.retrieval.ranks.TOP`.
        alpha: How much a repeated language loses.

    Returns:
        Shape (Q,), between 0 and 1.
    """
    languages = range(len(ranks.pool.languages))
    gains = np.zeros((len(ranks.top), min(k, ranks.top.shape[1])))
    best = []
    for language in languages:
        hit = (ranks.top_languages == language) & (ranks.top_relevance > 0)
        hit = hit[:, : gains.shape[1]]
        gains += np.where(hit, (1 - alpha) ** (np.cumsum(hit, axis=1) - 1.0), 0)
        relevant = ranks.languages == language
        best.append(np.where(relevant, (1 - alpha) ** (np.cumsum(relevant, axis=1) - 1.0), 0))
    ideal = -np.sort(-np.concatenate(best, axis=1), axis=1)[:, :k]
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
)
