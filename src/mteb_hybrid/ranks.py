"""Ranks of relevant passages in full rankings, with trec_eval's rule for ties.

Scores are compared in float32, and equal scores are ordered by passage id, descending, as
pytrec_eval does. Every relevant passage also gets the mean rank of its tie group, for measures
that compare languages: ids begin with the language, and no language may gain from that.

Where queries are passages themselves, each one's own passage, the one with its id, can be left out:
as if it were not in the pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mteb_hybrid.judgments import Ints, Judgments

Floats = npt.NDArray[np.float64]

TOP = 100
"""How many passages at the top of each ranking are kept, for measures of the top k."""


@dataclass(frozen=True)
class Pool:
    """The passages that a view ranks.

    Its length is the number of candidates that a query has.

    Attributes:
        ids: Passage ids, N of them.
        passage_languages: The language of each.
        languages: All languages in the pool, in the order of tables.
        left_out: Language of the one passage that is left out for each query, its own; or None.
    """

    ids: Sequence[str]
    passage_languages: Sequence[str]
    languages: tuple[str, ...]
    left_out: str | None = None

    def __len__(self) -> int:
        return len(self.ids) - (self.left_out is not None)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each id."""
        return {id_: position for position, id_ in enumerate(self.ids)}

    @cached_property
    def tie_order(self) -> Ints:
        """Shape (N,), the place of each passage among equal scores: ids in descending order."""
        order = np.empty(len(self.ids), dtype=np.int64)
        by_id = sorted(range(len(self.ids)), key=self.ids.__getitem__, reverse=True)
        order[by_id] = np.arange(len(self.ids))
        return order

    @cached_property
    def codes(self) -> Ints:
        """Shape (N,), the language of each passage as a position in `languages`."""
        code = {language: position for position, language in enumerate(self.languages)}
        return np.array([code[language] for language in self.passage_languages], dtype=np.int64)

    @cached_property
    def shares(self) -> Floats:
        """Shape (L,), the share of each language among the candidates; they sum to 1."""
        counts = np.bincount(self.codes, minlength=len(self.languages))
        if self.left_out is not None:
            counts[self.languages.index(self.left_out)] -= 1
        return np.asarray(counts / len(self))


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


class RankCounter:
    """Collects the ranks of one view from its score matrix, a block of queries at a time.

    Args:
        pool: The pool, in the order of the matrix's columns.
        qrels: ``{query id: {passage id: relevance}}`` of the view, in the order of the rows.
        query_language: Language of the queries.
        highest: How many of each query's highest scores to keep.
        ignore_identical_ids: Whether to leave the passage with a query's id out of its ranking
            (MTEB's name for it).

    Raises:
        ValueError: If some queries are passages and others not, they are of several languages, or
            one is judged on itself.
    """

    def __init__(
        self,
        pool: Pool,
        qrels: Mapping[str, Mapping[str, int]],
        query_language: str | None = None,
        highest: int = TOP,
        ignore_identical_ids: bool = False,
    ) -> None:
        self._own: Ints | None = None
        if ignore_identical_ids:
            pool, self._own = _without_own(pool, qrels)
        self._pool = pool
        self._query_language = query_language
        self._judgments = Judgments.of(qrels, pool.index)
        self._columns, self._relevance = self._judgments.relevant, self._judgments.relevance
        shape = self._columns.shape
        self._above = np.zeros(shape, dtype=np.int64)
        self._ahead = np.zeros(shape, dtype=np.int64)
        self._tied = np.ones(shape, dtype=np.int64)
        kept = min(TOP, len(pool))
        self._top = np.empty((len(qrels), kept), dtype=np.int64)
        self._top_scores = np.empty((len(qrels), kept), dtype=np.float32)
        self._highest = np.empty((len(qrels), min(highest, len(pool))), dtype=np.float32)
        self._own_ranks = np.zeros(len(qrels), dtype=np.int64)
        self._done = 0

    def add(self, scores: npt.NDArray[np.float32]) -> None:
        """Count the ranks of the next queries.

        Args:
            scores: Shape (B, N), the scores of B queries against the pool of N passages.
        """
        pool = len(self._pool)
        row_in_order = np.empty(scores.shape[1], dtype=np.float32)  # small enough for a cache
        for row, mine in enumerate(scores, self._done):
            if self._own is not None:
                column = self._own[row]
                own_score, mine = mine[column], mine.copy()
                mine[column] = np.nan  # equals nothing, and is sorted last
            row_in_order[:] = mine
            row_in_order.sort()
            ascending = row_in_order[:pool]
            self._highest[row] = ascending[pool - self._highest.shape[1] :][::-1]
            columns = self._columns[row][self._relevance[row] > 0]
            relevant = mine[columns]
            above = pool - np.searchsorted(ascending, relevant, side="right")
            tied = pool - np.searchsorted(ascending, relevant, side="left") - above
            self._above[row, : len(columns)] = above
            self._tied[row, : len(columns)] = tied
            for place in np.flatnonzero(tied > 1):
                self._ahead[row, place] = self._ties_ahead(mine, relevant[place], columns[place])
            top = np.flatnonzero(mine >= ascending[pool - self._top.shape[1]])
            top = top[np.lexsort((self._pool.tie_order[top], -mine[top]))][: self._top.shape[1]]
            self._top[row] = top
            self._top_scores[row] = mine[top]
            if self._own is not None:
                higher = pool - np.searchsorted(ascending, own_score, side="right")
                self._own_ranks[row] = higher + self._ties_ahead(mine, own_score, column) + 1
        self._done += len(scores)

    def _ties_ahead(
        self, mine: npt.NDArray[np.float32], score: np.float32, column: np.int64
    ) -> np.int64:
        """How many passages with some score the tie rule puts before the one at `column`."""
        order = self._pool.tie_order
        return np.count_nonzero((order < order[column]) & (mine == score))

    def result(self) -> tuple[Ranks, npt.NDArray[np.float32]]:
        """The ranks of all queries, and their highest scores: shape (Q, highest), descending."""
        padding = self._relevance == 0
        top_relevance, top_judged = self._judgments.look_up(self._top)
        ranks = Ranks(
            ranks=np.where(padding, np.nan, self._above + self._ahead + 1),
            tied_ranks=np.where(padding, np.nan, self._above + (self._tied + 1) / 2),
            tie_sizes=self._tied,
            relevance=self._relevance,
            languages=np.where(padding, -1, self._pool.codes[self._columns]),
            top=self._top,
            top_scores=self._top_scores,
            top_relevance=top_relevance,
            top_judged=top_judged,
            pool=self._pool,
            query_language=self._query_language,
            own_ranks=None if self._own is None else self._own_ranks,
        )
        return ranks, self._highest


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
        pool, own = _without_own(pool, qrels)
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


def _without_own(pool: Pool, qrels: Mapping[str, Mapping[str, int]]) -> tuple[Pool, Ints | None]:
    """The pool without each query's own passage, and where that is; None if it has none of them."""
    own = [pool.index[query] for query in qrels if query in pool.index]
    if not own:
        return pool, None
    languages = {pool.passage_languages[column] for column in own}
    if len(own) < len(qrels) or len(languages) > 1:
        raise ValueError(
            f"{len(own)} of {len(qrels)} queries are passages of the pool, in {len(languages)} "
            "language(s); expected all or none of them, in one language, so that all rankings are "
            "of the same pool"
        )
    for query, judged in qrels.items():
        if judged.get(query, 0) > 0:
            raise ValueError(
                f"query {query!r} is judged on itself, which is left out of its ranking; remove "
                "that judgment"
            )
    return replace(pool, left_out=languages.pop()), np.array(own)


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
