"""Ranks of relevant passages in full rankings, with trec_eval's rule for ties.

Scores are compared in float32, and equal scores are ordered by passage id, descending, as
pytrec_eval does. Every relevant passage also gets the mean rank of its tie group, for measures
that compare languages: ids begin with the language, and no language may gain from that.

Where queries are passages themselves, each one's own passage, the one with its id, can be left out:
as if it were not in the pool.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.judgments import Ints, Judgments
from mteb_hybrid.retrieval.pool import Floats, Pool, without_own

TOP = 100
"""How many passages at the top of each ranking are kept, for measures of the top k."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of the relevant passages of Q queries, R at most each, and the top of the rankings.

    Attributes:
        ranks: Shape (Q, R), 1-based; ``inf`` for a relevant passage that a search model did not
            return, NaN where a query has fewer than R relevant passages.
        tied_ranks: Shape (Q, R), the mean rank of each one's tie group; k+1 where a search model
            that returned k passages did not return it.
        tie_sizes: Shape (Q, R), how many passages have that score; 1 where there is no tie.
        relevance: Shape (Q, R), the judgments; 0 where `ranks` is NaN.
        languages: Shape (Q, R), positions in `Pool.languages`; -1 where `ranks` is NaN.
        top: Shape (Q, K), positions in `Pool.ids` of the first K passages; -1 past the end of a
            ranking that is shorter.
        top_scores: Shape (Q, K), their scores.
        top_relevance: Shape (Q, K), their judgments; 0 if not relevant.
        top_judged: Shape (Q, K), whether they were judged at all, be it as not relevant.
        pool: What was ranked.
        query_language: Language of the queries; None if they have several or it is unknown.
        cutoff: k, where a search model returned only its top k of the pool; else None.
        own_ranks: Shape (Q,), the rank that each query's own passage would have if it were not
            left out; None where none is, or a search model ranked.
    """

    ranks: Floats
    tied_ranks: Floats
    tie_sizes: Ints
    relevance: Ints
    languages: Ints
    top: Ints
    top_scores: npt.NDArray[np.float32]
    top_relevance: Ints
    top_judged: npt.NDArray[np.bool_]
    pool: Pool = field(repr=False)
    query_language: str | None = None
    cutoff: int | None = None
    own_ranks: Ints | None = None

    @property
    def own_language(self) -> int:
        """Position of the query language in `Pool.languages`; -2, which equals none, if not there.

        -1 stands for no passage.
        """
        known = self.query_language in self.pool.languages
        return self.pool.languages.index(str(self.query_language)) if known else -2

    @cached_property
    def top_languages(self) -> Ints:
        """Shape (Q, K), languages of the first K passages; -1 past the end."""
        return np.where(self.top >= 0, self.pool.codes[self.top], -1)


def ranks_of_run(
    run: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    pool: Pool,
    query_language: str | None = None,
    ignore_identical_ids: bool = False,
) -> Ranks:
    """Ranks of relevant passages in the rankings that a search model returned.

    Args:
        run: ``{query id: {passage id: score}}``.
        qrels: ``{query id: {passage id: relevance}}``; the rows follow its order.
        pool: What was searched.
        query_language: Language of the queries.
        ignore_identical_ids: As for `RankCounter`.

    Returns:
        The ranks. `Ranks.cutoff` is the length of the longest ranking if any is cut.

    Raises:
        ValueError: If a score is NaN, the run or the judgments name a passage that is not in the
            pool, or queries cannot be left out as `RankCounter` says.
    """
    own: Ints | None = None
    if ignore_identical_ids:
        pool, own = without_own(pool, qrels)
    judgments = Judgments.of(qrels, pool.index)
    columns, relevance = judgments.relevant, judgments.relevance
    shape = columns.shape
    ranks, tied = np.full(shape, np.nan), np.full(shape, np.nan)
    sizes = np.ones(shape, dtype=np.int64)
    top = np.full((len(qrels), min(TOP, len(pool))), -1)
    top_scores = np.full(top.shape, np.nan, dtype=np.float32)
    lengths = []
    for row, query in enumerate(qrels):
        scores = {id_: np.float32(score) for id_, score in run.get(query, {}).items()}
        if own is not None:
            scores.pop(query, None)
        lengths.append(len(scores))
        _refuse_bad_scores(scores, pool, query)
        ranking = sorted(scores, key=lambda id_: (scores[id_], id_), reverse=True)
        place_of = {pool.index[id_]: place for place, id_ in enumerate(ranking)}
        values = np.array([scores[id_] for id_ in reversed(ranking)], dtype=np.float32)
        first = [pool.index[id_] for id_ in ranking[: top.shape[1]]]
        top[row, : len(first)] = first
        top_scores[row, : len(first)] = values[::-1][: len(first)]
        for place in np.flatnonzero(relevance[row]):
            found = place_of.get(int(columns[row, place]))
            ranks[row, place] = np.inf if found is None else found + 1
            tied[row, place] = len(ranking) + 1
            if found is not None:
                score = values[len(values) - 1 - found]
                above = len(values) - np.searchsorted(values, score, side="right")
                size = len(values) - np.searchsorted(values, score, side="left") - above
                sizes[row, place] = size
                tied[row, place] = above + (size + 1) / 2
    top_relevance, top_judged = judgments.look_up(top)
    return Ranks(
        ranks=ranks,
        tied_ranks=tied,
        tie_sizes=sizes,
        relevance=relevance,
        languages=np.where(relevance > 0, pool.codes[columns], -1),
        top=top,
        top_scores=top_scores,
        top_relevance=top_relevance,
        top_judged=top_judged,
        pool=pool,
        query_language=query_language,
        cutoff=max(lengths) if min(lengths) < len(pool) else None,
    )


def _refuse_bad_scores(scores: Mapping[str, np.float32], pool: Pool, query: str) -> None:
    for id_, score in scores.items():
        if np.isnan(score):
            raise ValueError(
                f"query {query!r}, passage {id_!r}: the score is NaN; expected a number"
            )
        if id_ not in pool.index:
            raise ValueError(
                f"query {query!r}: ranked passage {id_!r} is not in the pool; its language is "
                "unknown. Add it to the languages of the passages."
            )
