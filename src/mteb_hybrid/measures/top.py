"""The top of rankings without favour: places of tied passages are shared."""

import numpy as np

from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import TOP, Ranks


def place_weights(ranks: Ranks, weights: Floats) -> tuple[Floats, Floats]:
    """Weights of the passages at the top, each tie group sharing the weights of its places.

    Args:
        ranks: Ranks of Q queries.
        weights: Weights of the first places; 0 beyond.

    Returns:
        Shape (Q, W), the weights of the passages in the first W columns of `Ranks.top`, outside of
        which all are 0; and shape (Q,), the weight of each passage that `Ranks.overflow` counts.

    Raises:
        ValueError: If fewer places than `weights` has were kept, and the pool has more.
    """
    ranks.need_top(len(weights))
    queries, kept = ranks.top.shape
    by_place = np.zeros(kept)
    by_place[: len(weights)] = weights[:kept]
    table = np.where(ranks.top >= 0, by_place, 0.0)
    same = ranks.top_scores[:, 1:] == ranks.top_scores[:, :-1]
    outside = ranks.overflow.sum(axis=(1, 2))
    beyond = np.zeros(queries)
    if same.any() or outside.any():
        starts = np.concatenate([np.ones((queries, 1), dtype=bool), ~same], axis=1)
        group = np.cumsum(starts).reshape(queries, kept) - 1
        sizes = np.bincount(group.ravel())
        sizes[group[:, -1]] += outside
        mean = np.bincount(group.ravel(), table.ravel()) / sizes
        table = mean[group]
        beyond = np.where(outside > 0, table[:, -1], 0.0)
    width = max(TOP, int(np.flatnonzero(table.any(axis=0)).max(initial=0)) + 1)
    return np.asarray(table[:, :width]), beyond


def language_weights(ranks: Ranks, weights: Floats) -> Floats:
    """Weight that each language gets at the top.

    Args:
        ranks: Ranks of Q queries.
        weights: Weights of the first places; 0 beyond.

    Returns:
        Shape (Q, L).

    Raises:
        ValueError: As `place_weights`.
    """
    shared, beyond = place_weights(ranks, weights)
    spoken = ranks.top_languages[:, : shared.shape[1]]
    each = range(len(ranks.pool.languages))
    table = np.stack([(shared * (spoken == language)).sum(axis=1) for language in each], axis=1)
    return np.asarray(table + beyond[:, None] * ranks.overflow.sum(axis=1))
