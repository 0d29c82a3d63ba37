"""Ranks of relevant passages in full rankings, with trec_eval's rule for ties.

Scores are compared in float32, and equal scores are ordered by passage id, descending, as
pytrec_eval does. Every relevant passage also gets the mean rank of its tie group, for measures
that compare languages: ids begin with the language, and no language may gain from that.

Where a search model returned only the top k of its pool, a passage below takes rank k+1, k being
that of the whole run, never the length of one query's list.

Where queries are passages themselves, each one's own passage, the one with its id, can be left out:
as if it were not in the pool.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.judgments import Ints, Judgments
from mteb_hybrid.retrieval.pool import Floats, Pool, without_own
from mteb_hybrid.retrieval.ties import crowded

TOP = 100
"""How many passages at the top of each ranking are kept at least, for measures of the top k."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of the relevant passages of Q queries, R at most each, and the top of the rankings.

    Attributes:
        ranks: Shape (Q, R), 1-based; ``inf`` for a relevant passage that a search model did not
            return, NaN where a query has fewer than R relevant passages.
        tied_ranks: Shape (Q, R), the mean rank of each one's tie group; k+1, or the pool's size if
            that is less, where a search model did not return it, k being `cutoff`.
        tie_sizes: Shape (Q, R), how many passages have that score; 1 where there is no tie.
        relevance: Shape (Q, R), the judgments; 0 where `ranks` is NaN.
        relevant: Shape (Q, R), positions in `Pool.ids`; without meaning where `ranks` is NaN.
        languages: Shape (Q, R), positions in `Pool.languages`; -1 where `ranks` is NaN.
        top: Shape (Q, K), positions in `Pool.ids` of the first K passages; -1 past the end of a
            ranking that is shorter.
        top_scores: Shape (Q, K), their scores.
        top_relevance: Shape (Q, K), their judgments; 0 if not relevant.
        top_judged: Shape (Q, K), whether they were judged at all, be it as not relevant.
        overflow: Shape (Q, 2, L), how many passages have the score of the last of `top` but no
            place there: those that are not relevant and those that are, by language.
        crowded: Shape (Q,), the share of scores that say little, as they tie with more than a
            hundredth of the ranking (see `mteb_hybrid.retrieval.ties`).
        pool: What was ranked.
        query_language: Language of the queries; None if they have several or it is unknown.
        cutoff: k, the length of the longest ranking of a run (or the k that it was cut at), where
            any of these queries got less than the whole pool; else None.
        own_ranks: Shape (Q,), the rank that each query's own passage would have if it were not
            left out; None where none is, or a search model ranked.
    """

    ranks: Floats
    tied_ranks: Floats
    tie_sizes: Ints
    relevance: Ints
    relevant: Ints
    languages: Ints
    top: Ints
    top_scores: npt.NDArray[np.float32]
    top_relevance: Ints
    top_judged: npt.NDArray[np.bool_]
    overflow: Ints
    crowded: Floats
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

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Shape (Q, R), which relevant passages were returned; those past a query's own are not."""
        return np.isfinite(self.ranks)

    @property
    def relevant_count(self) -> Ints:
        """Shape (Q,), how many relevant passages each query has."""
        return np.asarray(np.count_nonzero(self.relevance, axis=1))

    def need_top(self, k: int) -> None:
        """Make sure that the first k places are known.

        Raises:
            ValueError: If fewer were kept, and the pool has more.
        """
        kept = self.top.shape[1]
        if kept < min(k, len(self.pool)):
            raise ValueError(
                f"a measure of the top {k} needs as many places of each ranking, and {kept} were "
                f"kept; give RankCounter or ranks_of_run depth={k}"
            )

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
    *,
    cutoff: int | None = None,
    depth: int | None = None,
) -> Ranks:
    """Ranks of relevant passages in the rankings that a search model returned.

    Args:
        run: ``{query id: {passage id: score}}``.
        qrels: ``{query id: {passage id: relevance}}``; the rows follow its order.
        pool: What was searched.
        query_language: Language of the queries.
        ignore_identical_ids: As for `RankCounter`.
        cutoff: k of the run, if these are only some of its queries (`deepest`); by default the
            length of the longest of their rankings.
        depth: As for `RankCounter`.

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
    top = np.full((len(qrels), _depth(pool, depth)), -1)
    top_scores = np.full(top.shape, np.nan, dtype=np.float32)
    overflow = np.zeros((len(qrels), 2, len(pool.languages)), dtype=np.int64)
    crowd = np.zeros(len(qrels))
    lengths = np.zeros(len(qrels), dtype=np.int64)
    for row, query in enumerate(qrels):
        scores = {id_: np.float32(score) for id_, score in run.get(query, {}).items()}
        if own is not None:
            scores.pop(query, None)
        lengths[row] = len(scores)
        _refuse_bad_scores(scores, pool, query)
        ranking = ranked(scores)
        order = np.array([pool.index[id_] for id_ in ranking], dtype=np.int64)
        place_of = {position: place for place, position in enumerate(order.tolist())}
        values = np.array([scores[id_] for id_ in reversed(ranking)], dtype=np.float32)
        crowd[row] = crowded(values)
        kept = min(len(order), top.shape[1])
        top[row, :kept] = order[:kept]
        top_scores[row, :kept] = values[::-1][:kept]
        mine = columns[row][relevance[row] > 0]
        if kept < len(order):
            through = len(order) - np.searchsorted(values, top_scores[row, -1], side="left")
            overflow[row] = _by_language(order[kept:through], mine, pool)
        for place, column in enumerate(mine.tolist()):
            found = place_of.get(column)
            ranks[row, place] = np.inf if found is None else found + 1
            if found is not None:
                score = values[len(values) - 1 - found]
                above = len(values) - np.searchsorted(values, score, side="right")
                size = len(values) - np.searchsorted(values, score, side="left") - above
                sizes[row, place] = size
                tied[row, place] = above + (size + 1) / 2
    k = max(lengths.max(initial=0), cutoff or 0)
    tied[np.isinf(ranks)] = min(k + 1, len(pool))
    top_relevance, top_judged = judgments.look_up(top)
    return Ranks(
        ranks=ranks,
        tied_ranks=tied,
        tie_sizes=sizes,
        relevance=relevance,
        relevant=columns,
        languages=np.where(relevance > 0, pool.codes[columns], -1),
        top=top,
        top_scores=top_scores,
        top_relevance=top_relevance,
        top_judged=top_judged,
        overflow=overflow,
        crowded=crowd,
        pool=pool,
        query_language=query_language,
        cutoff=int(k) if (lengths < len(pool)).any() else None,
    )


def ranked(scores: Mapping[str, SupportsFloat]) -> list[str]:
    """Ids in trec_eval's order: by score in float32, then by id, both descending."""
    return sorted(scores, key=lambda id_: (np.float32(float(scores[id_])), id_), reverse=True)


def deepest(run: Mapping[str, Mapping[str, float]], ignore_identical_ids: bool = False) -> int:
    """The length of the longest ranking of a run, each query's own passage aside if it is ignored.

    Args:
        run: ``{query id: {passage id: score}}``.
        ignore_identical_ids: As for `RankCounter`.
    """
    return max(
        (len(scores) - (ignore_identical_ids and query in scores) for query, scores in run.items()),
        default=0,
    )


def _depth(pool: Pool, depth: int | None) -> int:
    return min(len(pool), max(TOP, 10 * len(pool.languages)) if depth is None else depth)


def _by_language(positions: Ints, relevant: Ints, pool: Pool) -> Ints:
    """Shape (2, L), how many passages are not relevant and relevant, by language."""
    counts = np.zeros((2, len(pool.languages)), dtype=np.int64)
    if positions.size:
        kinds = np.isin(positions, relevant).astype(np.int64)
        np.add.at(counts, (kinds, pool.codes[positions]), 1)
    return counts


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
