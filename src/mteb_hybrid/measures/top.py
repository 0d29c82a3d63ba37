"""The top of rankings without favour: places of tied passages are shared."""

import numpy as np

from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def place_weights(ranks: Ranks, weights: Floats) -> Floats:
    """Weights of the passages at the top, each tie group sharing the weights of its places.

    Ties that reach beyond the places that `Ranks.top` keeps are cut there.

    Args:
        ranks: Ranks of Q queries.
        weights: Weights of the first places; 0 beyond.

    Returns:
        Shape (Q, K); 0 where a ranking is shorter.
    """
    queries, kept = ranks.top.shape
    by_place = np.zeros(kept)
    by_place[: len(weights)] = weights[:kept]
    table = np.where(ranks.top >= 0, by_place, 0.0)
    same = ranks.top_scores[:, 1:] == ranks.top_scores[:, :-1]
    if not same.any():
        return table
    starts = np.concatenate([np.ones((queries, 1), dtype=bool), ~same], axis=1).ravel()
    group = np.cumsum(starts) - 1
    mean = np.bincount(group, table.ravel()) / np.bincount(group)
    return np.asarray(mean[group].reshape(queries, kept))


def language_weights(ranks: Ranks, weights: Floats) -> Floats:
    """Weight that each language gets at the top.

    Args:
        ranks: Ranks of Q queries.
        weights: Weights of the first places; 0 beyond.

    Returns:
        Shape (Q, L).
    """
    shared = place_weights(ranks, weights)
    languages = range(len(ranks.pool.languages))
    return np.stack([(shared * (ranks.top_languages == x)).sum(axis=1) for x in languages], axis=1)
