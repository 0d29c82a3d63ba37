"""Round robin: the first of each language, then the second of each, and so on; for comparison.

Where each language holds exactly one answer, as in parallel collections, any merging that balances
the languages gains, and this one most plainly.
"""

import numpy as np

from mteb_hybrid.repair.merging import Merging, ScoreMatrix, by_language
from mteb_hybrid.retrieval.judgments import Ints


def _places(scores: ScoreMatrix) -> ScoreMatrix:
    """Rank of each score in its row, from 0; equal scores have the same."""
    ascending = np.sort(scores, axis=1)
    places = [
        len(row) - np.searchsorted(order, row, side="right")
        for order, row in zip(ascending, scores, strict=True)
    ]
    return np.array(places, dtype=scores.dtype).reshape(scores.shape)


def _values(scores: ScoreMatrix, languages: Ints, best: int) -> ScoreMatrix:
    places = by_language(scores, languages, _places)
    merged = np.empty_like(scores)
    for row, (place, score) in enumerate(zip(places, scores, strict=True)):
        order = np.lexsort((-score, place))
        changes = (np.diff(place[order]) != 0) | (np.diff(score[order]) != 0)
        merged[row, order] = -np.concatenate([[0], np.cumsum(changes)])
    return np.where(np.isfinite(scores), merged, -np.inf).astype(scores.dtype)


ROUND_ROBIN = Merging(
    name="round-robin",
    formula="minus the place by (rank in the passage's language, then score)",
    citation="Voorhees, Gupta & Johnson-Laird 1995 (interleaving)",
    values=_values,
)
