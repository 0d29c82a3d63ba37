"""Measures of language bias for users of ir_measures, beside ``nDCG@10`` and the rest.

Uses ir_measures' public `define`. Importing this module needs the package ``ir_measures``.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import ir_measures

from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.measures.awrf import awrf
from mteb_hybrid.measures.language_share import same_language_lift
from mteb_hybrid.measures.peer import peer
from mteb_hybrid.measures.rank_distance import (
    max_rank_normalised,
    rank_distance,
    rank_distance_normalised,
)
from mteb_hybrid.retrieval.pool import Floats, Pool
from mteb_hybrid.retrieval.ranks import deepest, ranked, ranks_of_run


class BiasMeasures(NamedTuple):
    """Measures that know the languages of the documents.

    ``@k`` looks at the top k alone; without it they look at all that was returned. Documents that
    tie across the k-th place share the places left of AWRF and SameLanguageLift. For the other
    measures, as in trec_eval, the ids decide which of them are among the top k.
    """

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

    A query that a measure leaves out has the value NaN, and does not count in the mean: one without
    relevant documents, or for which none of them was returned. A relevant document that was not
    returned takes the rank after the longest ranking of the run.

    Args:
        languages: The language of every document in the pool, by its id.
        query_languages: The language of every query, by its id; needed by ``SameLanguageLift``.

    Returns:
        The measures, to be used as in ``calc_aggregate([nDCG @ 10, measures.AWRF @ 20], …)``.
    """
    names = one_name_each((*languages.values(), *(query_languages or {}).values()))
    spoken = [names[language] for language in languages.values()]
    pool = Pool(list(languages), spoken, tuple(sorted(set(spoken))))
    asked = {query: names[language] for query, language in (query_languages or {}).items()}
    define = partial(_define, pool=pool, query_languages=asked)
    return BiasMeasures(
        PEER=define("PEER", peer),
        AWRF=define("AWRF", awrf, shares_places=True),
        RankDistance=define("RankDistance", rank_distance),
        RankDistanceNormalised=define("RankDistanceNormalised", rank_distance_normalised),
        MaxRankNormalised=define("MaxRankNormalised", max_rank_normalised),
        SameLanguageLift=define("SameLanguageLift", same_language_lift, shares_places=True),
    )


def _define(
    name: str,
    function: Callable[..., Floats],
    *,
    pool: Pool,
    query_languages: Mapping[str, str],
    shares_places: bool = False,
) -> ir_measures.Measure:
    """A measure of ir_measures.

    Args:
        name: Its name there.
        function: `Ranks` to one value per query.
        pool: All documents.
        query_languages: The language of every query, if known.
        shares_places: Whether `function` takes k and shares out the places of ties; else it gets
            the top k only.
    """

    def values(measure: Any, qrels: Any, run: Any) -> Iterator[Any]:
        k = measure.params.get("cutoff")
        judged, returned = (
            {
                query: dict(zip(rows["doc_id"], rows[value], strict=True))
                for query, rows in table.groupby("query_id")
            }
            for table, value in ((qrels, "relevance"), (run, "score"))
        )
        if k is not None and not shares_places:
            returned = {
                query: {id_: scores[id_] for id_ in ranked(scores)[:k]}
                for query, scores in returned.items()
            }
        longest = deepest(returned)
        for query, scores in returned.items():
            if query in judged:
                places = k or len(scores)
                ranks = ranks_of_run(
                    *({query: scores}, {query: judged[query]}, pool, query_languages.get(query)),
                    cutoff=longest,
                    depth=places,
                )
                (value,) = function(ranks, places) if shares_places else function(ranks)
                yield ir_measures.Metric(query, measure, float(value))

    measure: ir_measures.Measure = ir_measures.define(lambda qrels, run: (), name)
    # `define` makes a class for every measure, so this concerns no other one. Its own way to cut at
    # k leaves it to the order of the run which of the documents that tie there are kept.
    kind: Any = type(measure)
    kind.runtime_impl = values
    kind.DEFAULT = math.nan
    kind.aggregator = lambda self: _MeanOfKept()  # type: ignore[no-untyped-call]
    return measure


class _MeanOfKept(ir_measures.MeanAgg):
    def add(self, value: float) -> None:
        if not math.isnan(value):
            super().add(value)  # type: ignore[no-untyped-call]
