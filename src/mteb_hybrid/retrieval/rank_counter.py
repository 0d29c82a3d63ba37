"""Exact ranks from the full score matrix, block by block."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.judgments import Ints, Judgments, in_rows
from mteb_hybrid.retrieval.pool import Pool, without_own
from mteb_hybrid.retrieval.ranks import TOP, Ranks, _by_language, _depth
from mteb_hybrid.retrieval.sorted_rows import SortedRows, descending, reaching
from mteb_hybrid.retrieval.streaming import Partial

SCORES_AT_ONCE = 2**18
"""Scores that are compared at once: 1 MB in float32, small enough for a cache."""

LAST = 2**63 - 1


class RankCounter:
    """Collects the ranks of one view from its score matrix, a block of queries at a time.

    Args:
        pool: The pool, in the order of the matrix's columns.
        qrels: ``{query id: {passage id: relevance}}`` of the view, in the order of the rows.
        query_language: Language of the queries.
        highest: How many of each query's highest scores to keep.
        ignore_identical_ids: Whether to leave the passage with a query's id out of its ranking
            (MTEB's name for it).
        depth: How many passages at the top of each ranking to keep; by default `TOP`, or 10 for
            each language of the pool if that is more.

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
        depth: int | None = None,
    ) -> None:
        self.shape = (len(qrels), len(pool))
        self._own: Ints | None = None
        if ignore_identical_ids:
            pool, self._own = without_own(pool, qrels)
        self._pool = pool
        self._query_language = query_language
        self._judgments = Judgments.of(qrels, pool.index)
        self._columns, self._relevance = self._judgments.relevant, self._judgments.relevance
        shape = self._columns.shape
        self._above = np.zeros(shape, dtype=np.int64)
        self._ahead = np.zeros(shape, dtype=np.int64)
        self._tied = np.ones(shape, dtype=np.int64)
        kept = _depth(pool, depth)
        self._top = np.empty((len(qrels), kept), dtype=np.int64)
        self._top_scores = np.empty((len(qrels), kept), dtype=np.float32)
        self._highest = np.empty((len(qrels), min(highest, len(pool))), dtype=np.float32)
        self._own_ranks = np.zeros(len(qrels), dtype=np.int64)
        self._overflow = np.zeros((len(qrels), 2, len(pool.languages)), dtype=np.int64)
        self._crowded = np.zeros(len(qrels))
        self._done = 0

    def add(self, scores: npt.NDArray[np.float32]) -> None:
        """Count the ranks of the next queries.

        Args:
            scores: Shape (B, N), the scores of B queries against the pool of N passages.
        """
        at_once = max(1, SCORES_AT_ONCE // scores.shape[1])
        for start in range(0, len(scores), at_once):
            self._add(np.ascontiguousarray(scores[start : start + at_once]))

    def _add(self, scores: npt.NDArray[np.float32]) -> None:
        done = slice(self._done, self._done + len(scores))
        self._done = done.stop
        if self._own is not None:
            own = np.arange(len(scores)), self._own[done]
            own_scores, scores = scores[own], scores.copy()
            scores[own] = np.nan  # equals nothing
        relevant = self._relevance[done] > 0
        row, columns = np.nonzero(relevant)[0], self._columns[done][relevant]
        highest, kept = self._highest.shape[1], self._top.shape[1]
        most, wanted = max(highest, kept), len(row) / len(scores)
        in_order = SortedRows(scores, len(self._pool), most, wanted)
        best = in_order.highest()
        self._highest[done] = best[:, :highest]
        self._crowded[done] = in_order.crowded()

        mine = scores[row, columns]
        above, tied = in_order.ranks(row, mine)
        self._above[done][relevant], self._tied[done][relevant] = above, tied
        self._ahead[done][relevant] = self._ties_ahead(scores, row, columns, mine, tied > 1)
        if self._own is not None:
            above, tied = in_order.ranks(own[0], own_scores)
            ahead = self._ties_ahead(scores, *own, own_scores, tied > 0)
            self._own_ranks[done] = above + ahead + 1

        places, counts = reaching(scores, best[:, kept - 1])
        order = self._pool.tie_order[places % scores.shape[1]]
        keys = in_rows((descending(scores.reshape(-1)[places]) << 32) + order, counts, LAST)
        keys.sort(axis=1)
        self._top[done] = top = self._pool.by_tie_order[keys[:, :kept] & (2**32 - 1)]
        self._top_scores[done] = np.take_along_axis(scores, top, axis=1)
        for some in np.flatnonzero(counts > kept):
            late = keys[some, kept:]
            left = self._pool.by_tie_order[late[late < LAST] & (2**32 - 1)]
            self._overflow[done][some] = _by_language(left, columns[row == some], self._pool)

    def _ties_ahead(
        self,
        scores: npt.NDArray[np.float32],
        row: Ints,
        columns: Ints,
        mine: npt.NDArray[np.float32],
        tied: npt.NDArray[np.bool_],
    ) -> Ints:
        """How many passages with the score of each one the tie rule puts before it."""
        order, ahead = self._pool.tie_order, np.zeros(len(row), dtype=np.int64)
        for place in np.flatnonzero(tied):
            same = order[scores[row[place]] == mine[place]]
            ahead[place] = np.count_nonzero(same < order[columns[place]])
        return ahead

    def result(self) -> tuple[Ranks, npt.NDArray[np.float32]]:
        """The ranks of all queries, and their highest scores: shape (Q, highest), descending."""
        padding = self._relevance == 0
        top_relevance, top_judged = self._judgments.look_up(self._top)
        ranks = Ranks(
            ranks=np.where(padding, np.nan, self._above + self._ahead + 1),
            tied_ranks=np.where(padding, np.nan, self._above + (self._tied + 1) / 2),
            tie_sizes=self._tied,
            relevance=self._relevance,
            relevant=self._columns,
            languages=np.where(padding, -1, self._pool.codes[self._columns]),
            top=self._top,
            top_scores=self._top_scores,
            top_relevance=top_relevance,
            top_judged=top_judged,
            overflow=self._overflow,
            crowded=self._crowded,
            pool=self._pool,
            query_language=self._query_language,
            own_ranks=None if self._own is None else self._own_ranks,
        )
        return ranks, self._highest

    @property
    def wanted(self) -> Ints:
        """Shape (Q, A), the passages that are ranked: relevant ones, then each query's own; or -1.

        Own ones are there only if they are left out of rankings.
        """
        relevant = np.where(self._relevance > 0, self._columns, -1)
        return relevant if self._own is None else np.column_stack([relevant, self._own])

    @property
    def best(self) -> int:
        """How many of each query's highest scores are needed."""
        return max(self._top.shape[1], self._highest.shape[1]) + (self._own is not None)

    @property
    def tie_order(self) -> Ints:
        """Shape (N,), the place of each passage among equal scores."""
        return self._pool.tie_order

    def put(self, first: int, found: Partial) -> None:
        """Take the ranks of queries that a search has found, but for those it left open.

        Args:
            first: The first of its queries.
            found: For `wanted` and `best`; finished. No score of a query is that of more than a
                hundredth of the pool.
        """
        done = ~found.open
        rows = first + np.flatnonzero(done)
        above, tied, ahead = (counts[done] for counts in (found.above, found.tied, found.ahead))
        count = self._columns.shape[1]
        if self._own is not None:
            order, scores = self._pool.tie_order, found.asked.scores[done]
            own, own_scores = self._own[rows], scores[:, -1:]
            same = scores == own_scores
            self._own_ranks[rows] = above[:, -1] + ahead[:, -1] + 1
            above -= scores < own_scores
            tied -= same
            ahead -= same & (order[own][:, None] < order[found.asked.positions[done]])
        padding = self._relevance[rows] == 0
        self._above[rows] = np.where(padding, 0, above[:, :count])
        self._tied[rows] = np.where(padding, 1, tied[:, :count])
        self._ahead[rows] = np.where(padding, 0, ahead[:, :count])
        at_once = max(1, SCORES_AT_ONCE // found.kept.shape[1])
        for start in range(0, len(rows), at_once):
            self._put_best(rows[start : start + at_once], first, found)

    def _put_best(self, rows: Ints, first: int, found: Partial) -> None:
        """Take the highest scores of some queries."""
        scores, filled = found.kept[rows - first], found.filled[rows - first]
        there = np.arange(scores.shape[1]) < filled[:, None]
        places = np.where(there, found.places[rows - first], 0)
        if self._own is not None:
            there &= places != self._own[rows, None]
        keys = np.where(there, (descending(scores) << 32) + self._pool.tie_order[places], LAST)
        order = np.argsort(keys, axis=1)
        scores, places = (np.take_along_axis(x, order, axis=1) for x in (scores, places))
        kept, counts = self._top.shape[1], there.sum(axis=1)
        self._highest[rows] = scores[:, : self._highest.shape[1]]
        self._top[rows], self._top_scores[rows] = places[:, :kept], scores[:, :kept]
        ties = (scores == scores[:, kept - 1 : kept]) & (
            np.arange(scores.shape[1]) < counts[:, None]
        )
        ties[:, :kept] = False
        for some in np.flatnonzero(ties.any(axis=1)).tolist():
            columns = self._columns[rows[some]][self._relevance[rows[some]] > 0]
            left = places[some, ties[some]]
            self._overflow[rows[some]] = _by_language(left, columns, self._pool)

    def put_whole(self, rows: Ints, scores: npt.NDArray[np.float32]) -> None:
        """Count the ranks of queries that a search left open.

        Args:
            rows: Shape (B,), which ones.
            scores: Shape (B, N).
        """
        done = self._done
        for row, mine in zip(rows.tolist(), scores, strict=True):
            self._done = row
            self.add(mine[None])
        self._done = done
