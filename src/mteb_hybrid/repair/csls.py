"""CSLS: both the query's and the passage's neighbourhood are taken off; for comparison.

It needs the scores of other queries, and so is no merging of one query's results.
"""

import numpy as np

from mteb_hybrid.repair.merging import Merging, ScoreMatrix, by_language, mean_of_best
from mteb_hybrid.retrieval.judgments import Ints


def _values(scores: ScoreMatrix, languages: Ints, best: int) -> ScoreMatrix:
    of_passages = mean_of_best(scores, best, axis=0)
    of_query = by_language(scores, languages, lambda own: 2 * own - mean_of_best(own, best))
    return np.asarray(of_query - of_passages, scores.dtype)


def csls(best: int = 10) -> Merging:
    """CSLS with the nearest M of each side."""
    return Merging(
        name=f"csls-{best}",
        formula="2 s - mean of the query's M best in the passage's language - mean of the "
        "passage's M best among the queries",
        citation="Lample et al. 2018 (arXiv:1710.04087)",
        values=_values,
        best=best,
        of_query=False,
    )
