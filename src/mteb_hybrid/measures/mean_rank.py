"""Where the translations stand: ``mean_rank`` by language, and ``language_concordance``."""

import numpy as np
import numpy.typing as npt
from scipy.stats import friedmanchisquare

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def mean_rank(ranks: Ranks) -> Floats:
    """Mean rank of the relevant passages of each language, mean ranks of tie groups.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q, L); NaN where a query has no relevant passage in the language, or none at all was
        returned.
    """
    table = mean_by_language(ranks.tied_ranks, of_languages(ranks))
    return np.where(ranks.found.any(axis=1, keepdims=True), table, np.nan)


def of_languages(ranks: Ranks) -> npt.NDArray[np.bool_]:
    """Shape (L, Q, R): which relevant passages are in each language of the pool."""
    each = range(len(ranks.pool.languages))
    return np.stack([ranks.languages == language for language in each])


def mean_by_language(values: Floats, languages: npt.NDArray[np.bool_]) -> Floats:
    """Mean of the values of the relevant passages of each language.

    Args:
        values: Shape (Q, R).
        languages: Shape (L, Q, R), from `of_languages`.

    Returns:
        Shape (Q, L); NaN where a query has no relevant passage in the language.
    """
    total = np.where(languages, values, 0).sum(axis=2)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / languages.sum(axis=2)).T


def language_concordance(ranks: Ranks) -> Floats:
    """Kendall's W of the languages' ranks, with queries as judges; corrected for ties.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        One value: 0 if no language is systematically ahead, 1 if their order is always the same.
        NaN unless 2 `judges` have 3 languages or more.
    """
    chi_square, _, queries, languages = _friedman(ranks)
    return np.asarray(chi_square / max(1, queries * (languages - 1)))


def language_concordance_p(ranks: Ranks) -> Floats:
    """P-value of Friedman's chi-square test of the same: one value, or NaN as above."""
    return np.asarray(_friedman(ranks)[1])


def judges(ranks: Ranks) -> npt.NDArray[np.bool_]:
    """Shape (Q,), the queries that tell the languages apart.

    They have as many relevant passages in each language as in every other: not so in MLQA-R, whose
    questions are never parallel in all languages, and with captions of images, of which one
    language has more than another (the mean of several ranks is not to be compared with one;
    `peer` is the measure for that case). And at least two of these differ in rank: a query for
    which none was returned, or all tie, knows no order.
    """
    languages = of_languages(ranks)
    counts = languages[languages.any(axis=(1, 2))].sum(axis=2)
    alike = (counts == counts[:1]).all(axis=0) & (counts[:1] > 0).all(axis=0)
    table = mean_rank(ranks)
    spread = np.fmax.reduce(table, axis=1) > np.fmin.reduce(table, axis=1)
    return np.asarray(alike & spread)


def _friedman(ranks: Ranks) -> tuple[float, float, int, int]:
    # Where queries are passages, their own language may have none.
    present = of_languages(ranks).any(axis=(1, 2))
    complete = mean_rank(ranks)[judges(ranks)][:, present]
    queries, count = complete.shape
    if queries < 2 or count < 3:
        return float("nan"), float("nan"), queries, count
    test = friedmanchisquare(*complete.T)
    return float(test.statistic), float(test.pvalue), queries, count


MEAN_RANK = Measure(
    name="mean_rank",
    lowest=1,
    highest=float("inf"),
    better="lower",
    formula="mean rank(d) over the relevant d in one language",
    citation="this project",
    settings=MULTILINGUAL,
    values=mean_rank,
    landmarks=Landmarks(
        constant="(N + 1) / 2",
        chance="(N + 1) / 2",
        ideal="(n + 1) / 2",
        below_cut="rank k + 1; undefined where none was returned",
    ),
    by_language=True,
)
LANGUAGE_CONCORDANCE = Measure(
    name="language_concordance",
    lowest=0,
    highest=1,
    better="lower",
    formula="Kendall's W of the ranks of the translations: languages are items, queries are judges",
    citation="Kendall & Babington Smith 1939, as a language-bias measure: this project",
    settings=MULTILINGUAL,
    values=language_concordance,
    landmarks=Landmarks(
        constant="undefined",
        chance="1 / queries",
        ideal="1 / queries, unless the same languages come first on top, too",
        below_cut="ranks k + 1 tie; queries for which none was returned are left out",
    ),
    of_view=True,
    queries=judges,
)
LANGUAGE_CONCORDANCE_P = Measure(
    name="language_concordance_p",
    lowest=0,
    highest=1,
    better="none",
    formula="p-value of Friedman's chi-square test that no language is systematically ahead",
    citation="Friedman 1937",
    settings=MULTILINGUAL,
    values=language_concordance_p,
    landmarks=Landmarks(
        constant="undefined",
        chance="anything from 0 to 1 alike",
        ideal="anything from 0 to 1 alike, unless the same languages come first on top, too",
        below_cut="ranks k + 1 tie; queries for which none was returned are left out",
    ),
    of_view=True,
    queries=judges,
)
