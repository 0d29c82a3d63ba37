"""Exact search in one pass over the passages, in memory that does not grow with the pool.

The scores of the passages that are asked for are had first. Then every tile is looked at once: what
is among a query's best so far is kept; passages that are asked for and fall below them are counted
tile by tile. What a range of tiles yields is a `Partial`, and those of disjoint ranges merge, in
any order, to that of all.

A query is left `open` where this does not do: where more scores tie at the cut than are kept, or
where a tile holds another score for a passage than was had first, as some kernels give. It is then
ranked by whole rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.hits import SCORES_AT_ONCE, Hits, counts_in_rows, counts_of
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import as_slice
from mteb_hybrid.retrieval.sorted_rows import descending
from mteb_hybrid.retrieval.tiles import Scores, Stripe, Tiles, refuse_nan

ROOM = 2
"""Times as many scores as are asked for are kept, before the lowest are dropped."""

NEAR = 64
"""What is asked for and stands in the first of so many parts of the pool, as far as a sample tells,
is counted among these; what stands lower, among all."""


@dataclass(frozen=True)
class Asked:
    """Passages whose ranks are wanted, for Q queries, A at most each.

    Attributes:
        queries: Shape (B,), the blocks of queries, of `Tiles.query_blocks`.
        positions: Shape (Q, A), of passages in the pool; -1 where a query has fewer.
        scores: Shape (Q, A), theirs; NaN where a query has fewer.
        order: Shape (N,), the place of each passage of the pool among equal scores.
        best: How many of each query's highest scores are wanted.
        floor: Shape (Q,), scores that as many passages have or surpass, in all likelihood; where
            they do not, the query is left open.
        near: Shape (Q,), at most `floor`: scores that one in `NEAR` passages has or surpasses, more
            or less.
        open: Shape (Q,), which queries are not to be looked at.
    """

    queries: list[slice]
    positions: Ints
    scores: Scores
    order: Ints
    best: int
    floor: Scores
    near: Scores
    open: npt.NDArray[np.bool_]


@dataclass
class Partial:
    """What a search found in a range of passages.

    For every query, `kept` holds all scores of the range that are at least `threshold`, and counts
    are those of the whole range for what was asked for and is below it.

    Attributes:
        asked: What was asked for.
        above: Shape (Q, A), how many passages have a higher score.
        tied: Shape (Q, A), how many have the same, the passage itself included.
        ahead: Shape (Q, A), how many of those the tie rule puts before it.
        threshold: Shape (Q,).
        kept: Shape (Q, K), scores, in no order.
        places: Shape (Q, K), positions of their passages.
        filled: Shape (Q,), how many there are.
        open: Shape (Q,), the queries for which all this does not hold.
    """

    asked: Asked
    above: Ints
    tied: Ints
    ahead: Ints
    threshold: Scores
    kept: Scores
    places: npt.NDArray[np.int32]
    filled: Ints
    open: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, asked: Asked) -> Self:
        """Of no passages."""
        count, room = len(asked.positions), ROOM * asked.best
        return cls(
            asked,
            above=np.zeros(asked.positions.shape, dtype=np.int64),
            tied=np.zeros(asked.positions.shape, dtype=np.int64),
            ahead=np.zeros(asked.positions.shape, dtype=np.int64),
            threshold=asked.floor.copy(),
            kept=np.empty((count, room), dtype=np.float32),
            places=np.empty((count, room), dtype=np.int32),
            filled=np.zeros(count, dtype=np.int64),
            open=asked.open.copy(),
        )

    def add(self, rows: Ints, scores: Scores, positions: Ints) -> None:
        """Take the scores of some queries against some more passages.

        Args:
            rows: Shape (B,), the queries; none is open.
            scores: Shape (B, n).
            positions: Shape (n,), of the passages in the pool.

        Raises:
            EncoderError: If a score is NaN.
        """
        wanted, threshold = self.asked.scores[rows], self.threshold[rows]
        below = wanted < threshold[:, None]
        near = below & (wanted >= self.asked.near[rows, None])
        lowest = np.where(near, wanted, np.float32(np.inf)).min(axis=1, initial=np.inf)
        low = np.minimum(threshold, lowest)
        hits = Hits.of(rows, scores, positions, low)
        refuse_nan(hits.scores)
        self._count_near(hits, near)
        self._count_far(rows, below & ~near, scores, positions)
        self._keep_all(hits.chosen(hits.scores >= threshold[hits.row]))

    def merge(self, other: Self) -> None:
        """Take what was found in another range; `other` is used up."""
        self.open |= other.open
        rows = np.flatnonzero(~self.open).tolist()
        highest = np.maximum(self.threshold, other.threshold)
        for row in rows:
            self._raise(row, highest[row])
            other._raise(row, highest[row])
        self.above += other.above
        self.tied += other.tied
        self.ahead += other.ahead
        for row in rows:
            self._keep(row, *other.best(row))

    def finish(self) -> None:
        """Count what is asked for and is among the best: when all ranges are in."""
        self.open |= self.filled < self.asked.best  # `floor` was too high
        for row in np.flatnonzero(~self.open).tolist():
            left = np.flatnonzero(self.asked.scores[row] >= self.threshold[row])
            if left.size:
                self._count(row, left, *self.best(row))

    def best(self, row: int) -> tuple[Scores, Ints]:
        """The scores of a query that are kept, and their passages, in no order."""
        count = self.filled[row]
        return self.kept[row, :count], self.places[row, :count].astype(np.int64)

    def _count_near(self, hits: Hits, some: npt.NDArray[np.bool_]) -> None:
        """Count hits against some of what their queries ask for: shape (B, A)."""
        row, place = np.nonzero(some)
        asking = hits.rows[row], place
        wanted, first = self.asked.scores[asking], hits.first
        # Queries one after another, each from its highest score on.
        keys = np.sort((hits.row << 33) + descending(hits.scores))
        mine = (row << 33) + descending(wanted)
        higher = np.searchsorted(keys, mine)
        tied = np.searchsorted(keys, mine, side="right") - higher
        self.above[asking] += higher - first[row]
        self.tied[asking] += tied
        for one in np.flatnonzero(tied).tolist():
            these = slice(first[row[one]], first[row[one] + 1])
            same = hits.places[these][hits.scores[these] == wanted[one]]
            self._count_ahead(int(asking[0][one]), int(place[one]), same)

    def _count_far(
        self, rows: Ints, some: npt.NDArray[np.bool_], scores: Scores, positions: Ints
    ) -> None:
        """Count all scores against some of what their queries ask for: shape (B, A)."""
        row, place = np.nonzero(some)
        wanted = self.asked.scores[rows[row], place]
        above, tied = counts_in_rows(scores, row, wanted)
        self.above[rows[row], place] += above
        self.tied[rows[row], place] += tied
        for one in np.flatnonzero(tied).tolist():
            same = positions[scores[row[one]] == wanted[one]]
            self._count_ahead(int(rows[row[one]]), int(place[one]), same)

    def _count_ahead(self, row: int, place: int, same: Ints) -> None:
        """Count passages that have the score of what a query asks for."""
        mine = self.asked.order[self.asked.positions[row, place]]
        self.ahead[row, place] += np.count_nonzero(self.asked.order[same] < mine)

    def _keep_all(self, hits: Hits) -> None:
        counts, room = np.diff(hits.first), self.kept.shape[1]
        fits = self.filled[hits.rows] + counts <= room
        for some in np.flatnonzero(~fits).tolist():
            these = slice(hits.first[some], hits.first[some + 1])
            self._keep(int(hits.rows[some]), hits.scores[these], hits.places[these])
        if not fits.all():
            hits = hits.chosen(fits[hits.row])
        free = hits.rows * room + self.filled[hits.rows] - hits.first[:-1]
        places = free[hits.row] + np.arange(len(hits.row))
        self.kept.reshape(-1)[places] = hits.scores
        self.places.reshape(-1)[places] = hits.places
        self.filled[hits.rows] += np.diff(hits.first)

    def _keep(self, row: int, scores: Scores, places: Ints) -> None:
        start = int(self.filled[row])
        if start + len(scores) > self.kept.shape[1]:
            scores = np.concatenate([self.kept[row, :start], scores])
            places = np.concatenate([self.places[row, :start], places])
            best = self.asked.best
            threshold = np.partition(scores, len(scores) - best)[len(scores) - best]
            self._settle(row, threshold, scores, places)
            high = scores >= threshold
            start, scores, places = 0, scores[high], places[high]
            if len(scores) > self.kept.shape[1]:  # they tie
                self.open[row] = True
                return
        self.kept[row, start : start + len(scores)] = scores
        self.places[row, start : start + len(scores)] = places
        self.filled[row] = start + len(scores)

    def _raise(self, row: int, threshold: np.float32) -> None:
        scores, places = self.best(row)
        self._settle(row, threshold, scores, places)
        high = scores >= threshold
        self.filled[row] = count = np.count_nonzero(high)
        self.kept[row, :count], self.places[row, :count] = scores[high], places[high]

    def _settle(self, row: int, threshold: np.float32, scores: Scores, places: Ints) -> None:
        """Count what was asked for and falls below a new threshold, before scores are dropped."""
        wanted = self.asked.scores[row]
        falling = np.flatnonzero((wanted >= self.threshold[row]) & (wanted < threshold))
        if falling.size:
            self._count(row, falling, scores, places)
        self.threshold[row] = threshold

    def _count(self, row: int, some: Ints, scores: Scores, positions: Ints) -> None:
        """Count `scores` against those of some of what a query asks for."""
        wanted = self.asked.scores[row, some]
        above, tied = counts_of(scores, wanted)
        self.above[row, some] += above
        self.tied[row, some] += tied
        for one in np.flatnonzero(tied).tolist():
            self._count_ahead(row, int(some[one]), positions[scores == wanted[one]])


def search(tiles: Tiles, asked: Asked, blocks: Iterable[int] | None = None) -> Partial:
    """Search a range of passages; each is read once.

    Args:
        tiles: Scores of a view.
        asked: What is asked for.
        blocks: Columns of tiles; all by default.
    """
    found = Partial.empty(asked)
    for block in range(tiles.passage_blocks) if blocks is None else blocks:
        stripe = tiles.read(block)
        start = 0
        for queries in asked.queries:
            rows = slice(start, start + queries.stop - queries.start)
            start = rows.stop
            if not found.open[rows].all():
                _scan(found, stripe, queries, rows)
    return found


def _scan(found: Partial, stripe: Stripe, queries: slice, rows: slice) -> None:
    asked, wanted = found.asked.scores[rows], found.asked.positions[rows]
    where = np.where(wanted >= 0, stripe.tiles.layout.places[wanted], -1)
    for some, scores in stripe.scores(queries):
        start = stripe.start + some.start
        inside = (where >= start) & (where < start + scores.shape[1])
        held, _ = np.nonzero(inside)
        other = scores[held, where[inside] - start] != asked[inside]
        found.open[rows.start + held[other]] = True
        rest = np.flatnonzero(~found.open[rows])
        at_once = max(1, SCORES_AT_ONCE // scores.shape[1])
        for first in range(0, len(rest), at_once):
            mine = rest[first : first + at_once]
            found.add(rows.start + mine, scores[as_slice(mine)], stripe.positions[some])
