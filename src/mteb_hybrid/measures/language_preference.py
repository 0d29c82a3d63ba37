"""Whether the translation in the query's language comes first: ``language_preference_rate``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def language_preference_rate(ranks: Ranks) -> Floats:
    """1 if the query-language translation outranks every other one, ½ if it ties with the best.

    A description, not a goal: without bias its mean is the query language's share of the relevant
    passages, 1/11 on XQuAD-R; where all scores tie it is ½. Where a language has several of them,
    its best placed one counts. The paper's own formula is not public in what we could read; this is
    our reading of its words.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,); NaN for a query without a relevant passage in its own language, or in another,
        or one for which none of them was returned.
    """
    own = ranks.languages == ranks.own_language
    other = ~own & (ranks.relevance > 0)
    best_own = np.where(own, ranks.tied_ranks, np.inf).min(axis=1, initial=np.inf)
    best_other = np.where(other, ranks.tied_ranks, np.inf).min(axis=1, initial=np.inf)
    rate = np.where(best_own < best_other, 1.0, np.where(best_own == best_other, 0.5, 0.0))
    measured = own.any(axis=1) & other.any(axis=1) & ranks.found.any(axis=1)
    return np.where(measured, rate, np.nan)


LANGUAGE_PREFERENCE_RATE = Measure(
    name="language_preference_rate",
    lowest=0,
    highest=1,
    better="none",
    formula="1 if the best query-language translation outranks all others; 1/2 for a tie; else 0",
    citation="after MLAIRE, arXiv:2605.07249",
    settings=MULTILINGUAL,
    values=language_preference_rate,
    landmarks=Landmarks(
        constant="1/2",
        chance="1/n",
        ideal="any value",
        below_cut="behind all that were returned; undefined where none was",
    ),
)
