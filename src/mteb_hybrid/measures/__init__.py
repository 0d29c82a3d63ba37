"""Measures: pure functions from ranks to one value per query, with name, range and source.

In come the ranks of a view, or any run with judgments; out go values per query and their means. For
`results`, `evaluation`, `ir` and all above.
"""

from mteb_hybrid.measures.alpha_ndcg import ALPHA_NDCG_AT_10
from mteb_hybrid.measures.average_precision import MAP
from mteb_hybrid.measures.awrf import AWRF_AT_20
from mteb_hybrid.measures.complete import COMPLETE_AT_10
from mteb_hybrid.measures.gold_language import GOLD_LANGUAGE_MAP, REMOVAL_GAP
from mteb_hybrid.measures.lang_ndcg import LANG_NDCG_AT_10
from mteb_hybrid.measures.language_preference import LANGUAGE_PREFERENCE_RATE
from mteb_hybrid.measures.language_share import (
    LANGUAGE_SHARE_AT_10,
    POOL_SHARE,
    SAME_LANGUAGE_LIFT_AT_10,
)
from mteb_hybrid.measures.mean_rank import (
    LANGUAGE_CONCORDANCE,
    LANGUAGE_CONCORDANCE_P,
    MEAN_RANK,
)
from mteb_hybrid.measures.measure import MEASURED_ON, Landmarks, Measure
from mteb_hybrid.measures.ndcg import NDCG_AT_20
from mteb_hybrid.measures.peer import PEER
from mteb_hybrid.measures.rank_distance import (
    MAX_RANK_NORMALISED,
    RANK_DISTANCE,
    RANK_DISTANCE_NORMALISED,
)
from mteb_hybrid.measures.ranking_consistency import CONSISTENCY, CONSISTENCY_LANDMARKS
from mteb_hybrid.measures.top1 import TOP1
from mteb_hybrid.measures.unjudged import UNJUDGED_AT_10

PARALLEL: tuple[Measure, ...] = (
    RANK_DISTANCE,
    RANK_DISTANCE_NORMALISED,
    MAX_RANK_NORMALISED,
    COMPLETE_AT_10,
    LANGUAGE_PREFERENCE_RATE,
    LANG_NDCG_AT_10,
    *TOP1,
    REMOVAL_GAP,
    GOLD_LANGUAGE_MAP,
    LANGUAGE_CONCORDANCE,
    LANGUAGE_CONCORDANCE_P,
    MEAN_RANK,
)
"""Measures of language bias that need relevant passages in several languages."""

EXPOSURE: tuple[Measure, ...] = (
    LANGUAGE_SHARE_AT_10,
    SAME_LANGUAGE_LIFT_AT_10,
    POOL_SHARE,
    AWRF_AT_20,
)
"""Measures of language bias that look at what is ranked first, relevant or not."""

ANY_POOL: tuple[Measure, ...] = (*EXPOSURE, ALPHA_NDCG_AT_10, PEER)
"""Measures of language bias on any pool of several languages."""

JUDGED_IN_ONE: tuple[Measure, ...] = (MAP, *EXPOSURE, UNJUDGED_AT_10)
"""Measures where queries are judged in their own language only.

`PEER` would be 1 throughout there, and `ALPHA_NDCG_AT_10` tell nothing of diversity.
"""

JUDGED_ACROSS: tuple[Measure, ...] = (MAP, NDCG_AT_20, *ANY_POOL, UNJUDGED_AT_10)
"""Measures where passages are no translations, and queries are judged on those of all languages."""

MEASURES: tuple[Measure, ...] = (MAP, NDCG_AT_20, *PARALLEL, *ANY_POOL, UNJUDGED_AT_10)


def landmarks() -> dict[str, Landmarks]:
    """What a constant, a random and a perfect encoder get, by measure, in the order of tables."""
    found = {measure.name: measure.landmarks for measure in MEASURES}
    return found | dict.fromkeys(CONSISTENCY, CONSISTENCY_LANDMARKS)


def measures_of(parallel: bool, judged_across: bool | None = None) -> tuple[Measure, ...]:
    """The measures of a collection; which of them a setting has, they say themselves.

    Args:
        parallel: Whether its passages are translations of each other, each judged.
        judged_across: Whether queries are judged on passages of all languages, else of their own
            only; by default as `parallel`.
    """
    if parallel:
        return (MAP, *PARALLEL, *ANY_POOL)
    return JUDGED_ACROSS if judged_across else JUDGED_IN_ONE


__all__ = [
    "ANY_POOL",
    "MAP",
    "MEASURED_ON",
    "MEASURES",
    "PARALLEL",
    "RANK_DISTANCE",
    "UNJUDGED_AT_10",
    "Landmarks",
    "Measure",
    "landmarks",
    "measures_of",
]
