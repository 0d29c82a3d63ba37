"""Average precision after deleting relevant passages: ``gold_language_map``, ``removal_gap``.

Passages are deleted from the pool, not relabelled. Ranks after a deletion follow from the ranks
before: each passage moves up by the number of deleted ones above it. A tied passage counts with its
mean rank, and half of those it ties with count as above it.

LAReQA defines both for one relevant passage per language. Where a language has several, such as the
captions of an image, what is deleted, or left, is each of them in turn: so languages are compared
alike, however many relevant passages they have.
"""

from collections.abc import Iterator

import numpy as np

from mteb_hybrid.measures.mean_rank import mean_by_language, of_languages
from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks

_CELLS = 2**24  # pairs of relevant passages held at once: 128 MB a table


def gold_language_map(ranks: Ranks) -> Floats:
    """Average precision when one relevant passage is left: one of each language in turn.

    Averaged over queries in x, this is row x of the matrix H[x][y]. The gold language gap, its
    mean diagonal minus its mean off-diagonal, is 0 without bias.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q, L), the mean over the relevant passages of a language; NaN where a query has
        none.
    """
    parts, languages = [], of_languages(ranks)
    for rows, above in _above(ranks):
        rank = ranks.tied_ranks[rows] - above.sum(axis=2)
        alone = np.divide(1, rank, out=np.zeros_like(rank), where=ranks.found[rows])
        parts.append(mean_by_language(alone, languages[:, rows]))
    return np.concatenate(parts)


def removal_gap(ranks: Ranks) -> Floats:
    """What deleting an answer in the query's language costs, beyond deleting another one.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,): average precision after deleting one relevant passage of another language
        (mean over those, then over the other languages), minus the one after deleting one of the
        query's language. Above 0: biased to its own language. NaN for a query without relevant
        passages in its own language and in another one, or one for which none was returned.
    """
    own = ranks.own_language
    if own < 0:
        return np.full(len(ranks.ranks), np.nan)
    parts, languages = [], of_languages(ranks)
    for rows, above in _above(ranks):
        relevant, found = ranks.relevance[rows] > 0, ranks.found[rows]
        hits = 1 + above.sum(axis=2)
        # Shape (Q, R, R): the term of d (second axis) in the sum, once e (last axis) is deleted.
        terms = (hits[:, :, None] - above) / (ranks.tied_ranks[rows][:, :, None] - above)
        terms[~found | ~relevant] = 0
        each = np.arange(terms.shape[1])
        terms[:, each, each] = 0
        left = relevant.sum(axis=1, keepdims=True) - 1
        with np.errstate(invalid="ignore", divide="ignore"):
            without = np.asarray(terms.sum(axis=1) / left)
        table = mean_by_language(without, languages[:, rows])
        others = np.delete(table, own, axis=1)
        count = np.count_nonzero(~np.isnan(others), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append(np.nansum(others, axis=1) / count - table[:, own])
    return np.where(ranks.found.any(axis=1), np.concatenate(parts), np.nan)


def _above(ranks: Ranks) -> Iterator[tuple[slice, Floats]]:
    """Some queries at a time, and shape (Q, R, R): whether passage e (last axis) is above d.

    Where they tie it is one half; 0 for a passage with itself, and where there is none.
    """
    rank = np.where(np.isnan(ranks.tied_ranks), np.inf, ranks.tied_ranks)
    relevant = ranks.relevance > 0
    count = ranks.ranks.shape[1]
    each = np.arange(count)
    step = max(1, _CELLS // max(1, count**2))
    for start in range(0, len(rank), step):
        rows = slice(start, start + step)
        mine, theirs = rank[rows, :, None], rank[rows, None, :]
        above = np.where(mine == theirs, 0.5, np.where(theirs < mine, 1.0, 0.0))
        above[:, each, each] = 0
        above *= relevant[rows, None, :]
        yield rows, above


GOLD_LANGUAGE_MAP = Measure(
    name="gold_language_map",
    lowest=0,
    highest=1,
    better="higher",
    formula="average precision after deleting all relevant passages but one of a language (mean "
    "over those of the language)",
    citation="LAReQA (arXiv:2004.05484), heat maps of section 5",
    settings=MULTILINGUAL,
    values=gold_language_map,
    landmarks=Landmarks(
        constant="2 / (N - n + 2)",
        chance="H(N - n + 1) / (N - n + 1)",
        ideal="1",
        below_cut="not found: 0",
    ),
    by_language=True,
)
REMOVAL_GAP = Measure(
    name="removal_gap",
    lowest=-1,
    highest=1,
    better="zero",
    formula="mean over y != x of AP without one relevant passage of y, minus AP without one of the "
    "query language x (means over those of a language)",
    citation="LAReQA (arXiv:2004.05484), section on language bias",
    settings=MULTILINGUAL,
    values=removal_gap,
    landmarks=Landmarks(
        constant="0",
        chance="0",
        ideal="0",
        below_cut="not found: they add 0; undefined where none was returned",
    ),
)
