"""Probability of equal expected rank: ``peer``."""

import numpy as np
from scipy.stats import chi2

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def peer(ranks: Ranks) -> Floats:
    """Probability that the languages of a query's relevant passages have equal expected ranks.

    For each relevance level of a query, the Kruskal-Wallis p-value over the ranks of its passages
    grouped by language; then the mean over the levels that the query has. As in the authors' code
    (hltcoe/peer_measure), H is computed from the ranks in the ranking as they are: scipy's
    ``kruskal`` first ranks them anew among themselves, and corrects for ties. One language alone
    gives 1. A passage that was not returned gets the authors' rank for it: the number of judged
    passages of the level plus half of one more than the number that was not returned. Departing
    from them, unjudged passages do not count as a level, tied passages have their mean rank, and a
    query for which none of its relevant passages was returned has no value (theirs is 1).

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,). NaN where a level has one passage in each language, as on XQuAD-R: H is then
        always the number of languages minus 1, and the p-value a constant that says nothing
        (0.4405 for 11 languages); `language_concordance` is the measure for that case. NaN also
        where all passages of a level tie, as their ranks tell nothing apart.
    """
    rows = ranks.ranks, ranks.tied_ranks, ranks.relevance, ranks.languages
    values = np.full(len(ranks.ranks), np.nan)
    spoken = np.sort(ranks.languages, axis=1)
    again = ((spoken[:, 1:] == spoken[:, :-1]) & (spoken[:, 1:] >= 0)).any(axis=1)
    graded = ((ranks.relevance > 0) & (ranks.relevance != ranks.relevance[:, :1])).any(axis=1)
    for query in np.flatnonzero(again | graded | (ranks.relevant_count < 2)):
        values[query] = _peer_of_query(*(table[query] for table in rows))
    return values


def _peer_of_query(rank: Floats, tied: Floats, relevance: Floats, languages: Floats) -> float:
    if not np.isfinite(rank).any():
        return float("nan")
    levels = np.unique(relevance[relevance > 0])
    values = [
        kruskal_wallis(tied[at], np.isinf(rank[at]), languages[at])
        for at in (relevance == level for level in levels)
    ]
    return float(np.mean(values))


def kruskal_wallis(ranks: Floats, missing: Floats, languages: Floats) -> float:
    """P-value of equal expected ranks, as hltcoe/peer_measure computes it.

    Args:
        ranks: Shape (n,), ranks of the passages of one level.
        missing: Shape (n,), which of them were not returned.
        languages: Shape (n,), their languages.
    """
    missing = missing.astype(bool)
    _, group, sizes = np.unique(languages, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return 1.0
    if (sizes == 1).all():
        return float("nan")
    if missing.all():
        return 1.0
    lost = np.count_nonzero(missing)
    values = np.where(missing, (2 * len(ranks) + lost + 1) / 2, ranks)
    means = np.bincount(group, values) / sizes
    between = (sizes * (means - values.mean()) ** 2).sum()
    total = ((values - values.mean()) ** 2).sum()
    if total == 0:
        return float("nan")
    return float(chi2.sf((len(values) - 1) * between / total, len(sizes) - 1))


PEER = Measure(
    name="peer",
    lowest=0,
    highest=1,
    better="higher",
    formula="mean over relevance levels of the Kruskal-Wallis p-value of the ranks of the level's "
    "passages grouped by language; NaN with one passage per language",
    citation="Yang et al. 2024 (arXiv:2405.00978); hltcoe/peer_measure",
    settings=MULTILINGUAL,
    values=peer,
    landmarks=Landmarks(
        constant="undefined",
        chance="1/2, all values from 0 to 1 alike",
        ideal="as chance: it compares the relevant passages with each other",
        below_cut="the rank that the authors give them; undefined where none was returned",
    ),
)
