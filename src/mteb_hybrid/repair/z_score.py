"""Scores of each language to mean 0 and standard deviation 1."""

import numpy as np

from mteb_hybrid.repair.merging import Merging, ScoreMatrix, by_language
from mteb_hybrid.retrieval.judgments import Ints


def _level(scores: ScoreMatrix) -> ScoreMatrix:
    there = np.isfinite(scores)
    count = np.maximum(there.sum(1, keepdims=True), 1)
    exact = np.where(there, scores, 0).astype(np.float64)
    mean = exact.sum(1, keepdims=True) / count
    spread = np.sqrt((np.where(there, exact - mean, 0) ** 2).sum(1, keepdims=True) / count)
    # One passage, or all alike, of which rounding makes a spread: nothing stands out.
    first = np.where(there, exact, np.inf).min(1, keepdims=True)
    alike = np.where(there, exact == first, True).all(1, keepdims=True)
    scaled = np.where(alike, 0, exact - mean) / np.where(alike, 1, spread)
    return np.where(there, scaled, -np.inf).astype(scores.dtype)


def _values(scores: ScoreMatrix, languages: Ints, best: int) -> ScoreMatrix:
    return by_language(scores, languages, _level)


Z_SCORE = Merging(
    name="z-score",
    formula="(s - mean) / standard deviation of the query's scores in the passage's language",
    citation="Montague & Aslam 2001 (zmuv); Savoy 2004 for merging languages",
    values=_values,
)
