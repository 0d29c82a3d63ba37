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

from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.tiles import Scores, Stripe, Tiles

ROOM = 2
"""Times as many scores as are asked for are kept, before the lowest are dropped."""

SORT_FROM = 32
"""Thresholds from which a row is sorted once rather than compared with each."""


@dataclass(frozen=True)
class Asked:
    """Passages whose ranks are wanted, for Q queries, A at most each.

    Attributes:
        queries: Shape (B,), the blocks of queries, of `Tiles.query_blocks`.
        positions: Shape (Q, A), of passages in the pool; -1 where a query has fewer.
        scores: Shape (Q, A), theirs; NaN where a query has fewer.
        order: Shape (N,), the place of each passage of the pool among equal scores.
        best: How many of each query's highest scores are wanted.
        floor: Shape (Q,), scores that as many passages are known to have or to surpass.
        open: Shape (Q,), which queries are not to be looked at.
    """

    queries: list[slice]
    positions: Ints
    scores: Scores
    order: Ints
    best: int
    floor: Scores
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
        below: For each query what it asks for and is below its threshold, as places in A.
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
    below: list[Ints]

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
            below=[below.nonzero()[0] for below in asked.scores < asked.floor[:, None]],
        )

    def add(self, row: int, scores: Scores, positions: Ints) -> None:
        """Take the scores of one query against some more passages.

        Args:
            row: The query.
            scores: Shape (n,).
            positions: Shape (n,), of the passages in the pool.
        """
        threshold = self.threshold[row]
        if self.below[row].size:
            self._count(row, self.below[row], scores, positions)
        hits = (scores >= threshold).nonzero()[0]
        if hits.size:
            self._keep(row, scores[hits], positions[hits])

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
        self.open |= self.filled < self.asked.best  # another kernel gave the scores of `floor`
        for row in np.flatnonzero(~self.open).tolist():
            left = np.flatnonzero(self.asked.scores[row] >= self.threshold[row])
            if left.size:
                self._count(row, left, *self.best(row))

    def best(self, row: int) -> tuple[Scores, Ints]:
        """The scores of a query that are kept, and their passages, in no order."""
        count = self.filled[row]
        return self.kept[row, :count], self.places[row, :count].astype(np.int64)

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
            self.below[row] = np.append(self.below[row], falling)
        self.threshold[row] = threshold

    def _count(self, row: int, some: Ints, scores: Scores, positions: Ints) -> None:
        """Count `scores` against those of some of what a query asks for."""
        wanted, ordered = self.asked.scores[row], None
        if len(some) >= SORT_FROM:
            ordered = np.sort(scores)
        for place in some.tolist():
            score = wanted[place]
            if ordered is None:
                above = int(np.count_nonzero(scores > score))
                tied = int(np.count_nonzero(scores == score))
            else:
                above = len(scores) - int(ordered.searchsorted(score, side="right"))
                tied = len(scores) - int(ordered.searchsorted(score, side="left")) - above
            self.above[row, place] += above
            if tied:
                self.tied[row, place] += tied
                order = self.asked.order[positions[scores == score]]
                mine = self.asked.order[self.asked.positions[row, place]]
                self.ahead[row, place] += np.count_nonzero(order < mine)


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
        positions = stripe.positions[some]
        for row, mine in enumerate(scores, rows.start):
            if not found.open[row]:
                found.add(row, mine, positions)
