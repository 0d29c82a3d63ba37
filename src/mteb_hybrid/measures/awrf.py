"""Attention-weighted rank fairness: ``awrf_at_20``."""

import numpy as np
from scipy.spatial.distance import jensenshannon

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.measures.top import language_weights
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def awrf(ranks: Ranks, k: int = 20, target: Floats | None = None) -> Floats:
    """1 - the Jensen-Shannon divergence between the exposure of languages and a target.

    The logarithm is base 2, so that 0 is reached; FairTREC's public code uses natural logarithms,
    and with them 1 - ln 2 = 0.307 is the lowest value. Exposure: a passage at rank i has
    1 / log2(max(i, 2)); tied passages share the exposure of their places.

    Args:
        ranks: Ranks of Q queries.
        k: How many passages.
        target: Shape (L,), shares of the languages; by default their shares of the pool.

    Returns:
        Shape (Q,); NaN for a query for which nothing was returned.

    Raises:
        ValueError: If fewer than k places were kept.
    """
    exposure = language_weights(ranks, 1 / np.log2(np.maximum(np.arange(1, k + 1), 2)))
    aimed = np.broadcast_to(ranks.pool.shares if target is None else target, exposure.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = jensenshannon(exposure, aimed, base=2, axis=1)
    # Where both are equal, scipy takes the root of a sum that rounding can leave below 0.
    equal = np.isnan(distance) & exposure.any(axis=1)
    return np.asarray(1 - np.where(equal, 0, distance) ** 2)


AWRF_AT_20 = Measure(
    name="awrf_at_20",
    lowest=0,
    highest=1,
    better="higher",
    formula="1 - JSD2(exposure of languages in the top 20, their shares of the pool)",
    citation="AWRF (Sapiezynski et al. 2019), as in TREC Fair Ranking",
    settings=MULTILINGUAL,
    values=awrf,
    landmarks=Landmarks(
        constant="1",
        chance="below 1, as 20 places cannot be shared out evenly every time",
        ideal="near 1 while translations fill the places",
        below_cut="exposure of what was returned; undefined where nothing was",
    ),
)
