"""The mean of the best M scores of a language is subtracted: what "good" is for the query in it."""

from mteb_hybrid.repair.merging import Merging, ScoreMatrix, by_language, mean_of_best
from mteb_hybrid.retrieval.judgments import Ints


def _values(scores: ScoreMatrix, languages: Ints, best: int) -> ScoreMatrix:
    return by_language(scores, languages, lambda own: own - mean_of_best(own, best))


def best_mean(best: int = 10) -> Merging:
    """The merging that looks at the best M scores of each language."""
    return Merging(
        name=f"best-{best}",
        formula="s - mean of the query's M highest scores in the passage's language",
        citation="this project; half of CSLS (arXiv:1710.04087), per language",
        values=_values,
        best=best,
    )
