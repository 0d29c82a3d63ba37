"""Measures of language bias for users of ir_measures, beside ``nDCG@10`` and the rest.

Uses ir_measures' public `define`. Importing this module needs the package ``ir_measures``.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import ir_measures

from mteb_hybrid.measures.awrf import awrf
from mteb_hybrid.measures.language_share import same_language_lift
from mteb_hybrid.measures.peer import peer
from mteb_hybrid.measures.rank_distance import (
    max_rank_normalised,
    rank_distance,
    rank_distance_normalised,
)
from mteb_hybrid.retrieval.pool import Floats, Pool
from mteb_hybrid.retrieval.ranks import TOP, Ranks, ranks_of_run


class BiasMeasures(NamedTuple):
    """Measures that know the languages of the documents; ``@k`` looks at the top k alone."""

    PEER: ir_measures.Measure
    AWRF: ir_measures.Measure
    RankDistance: ir_measures.Measure
    RankDistanceNormalised: ir_measures.Measure
    MaxRankNormalised: ir_measures.Measure
    SameLanguageLift: ir_measures.Measure


def bias_measures(
    languages: Mapping[str, str], query_languages: Mapping[str, str] | None = None
) -> BiasMeasures:
    """Make the measures for a collection.

    A query that a measure leaves out has the value NaN, and does not count in the mean.

    Args:
        languages: The language of every document in the pool, by its id.
        query_languages: The language of every query, by its id; needed by ``SameLanguageLift``.

    Returns:
        The measures, to be used as in ``calc_aggregate([nDCG @ 10, measures.AWRF @ 20], …)``.
    """
    pool = Pool(list(languages), list(languages.values()), tuple(sorted(set(languages.values()))))
    functions: dict[str, Callable[[Ranks], Floats]] = {
        "PEER": peer,
        "AWRF": partial(awrf, k=TOP),
        "RankDistance": rank_distance,
        "RankDistanceNormalised": rank_distance_normalised,
        "MaxRankNormalised": max_rank_normalised,
        "SameLanguageLift": partial(same_language_lift, k=TOP),
    }
    return BiasMeasures(
        **{
            name: _define(name, function, pool, query_languages or {})
            for name, function in functions.items()
        }
    )


def _define(
    name: str,
    function: Callable[[Ranks], Floats],
    pool: Pool,
    query_languages: Mapping[str, str],
) -> ir_measures.Measure:
    def values(qrels: Any, run: Any) -> Iterator[tuple[str, float]]:
        judged = {
            query: dict(zip(rows["doc_id"], rows["relevance"], strict=True))
            for query, rows in qrels.groupby("query_id")
        }
        for query, rows in run.groupby("query_id"):
            if query in judged:
                scores = dict(zip(rows["doc_id"], rows["score"], strict=True))
                ranks = ranks_of_run(
                    {query: scores}, {query: judged[query]}, pool, query_languages.get(query)
                )
                yield query, float(function(ranks)[0])

    measure: ir_measures.Measure = ir_measures.define(values, name)
    # `define` makes a class for every measure, so this concerns no other one.
    kind: Any = type(measure)
    kind.DEFAULT = math.nan
    kind.aggregator = lambda self: _MeanOfKept()  # type: ignore[no-untyped-call]
    return measure


class _MeanOfKept(ir_measures.MeanAgg):
    def add(self, value: float) -> None:
        if not math.isnan(value):
            super().add(value)  # type: ignore[no-untyped-call]
