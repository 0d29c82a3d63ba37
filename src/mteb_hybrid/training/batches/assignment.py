"""Which rows serve in which kind of batches: each once, as many batches as can be filled."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mteb_hybrid.recipes.plan import Floats
from mteb_hybrid.training.batches.kinds import Kind
from mteb_hybrid.training.corpus import Ints, Masks

Rows: TypeAlias = npt.NDArray[np.int32]

FREE, WAITING = -1, -2


def rank_in_group(groups: Rows) -> Rows:
    """For each row, how many before it are of its group.

    Args:
        groups: Shape (N,).

    Returns:
        Shape (N,).
    """
    order = np.argsort(groups, kind="stable")
    own = groups[order]
    places = np.arange(len(own), dtype=np.int32)
    starts = np.maximum.accumulate(np.where(np.diff(own, prepend=-1) != 0, places, 0))
    ranks = np.empty(len(own), dtype=np.int32)
    ranks[order] = places - starts
    return ranks


def most_batches(group_sizes: Ints, size: int) -> int:
    """How many batches can be filled if no two rows of a group may meet.

    Args:
        group_sizes: Shape (groups,), rows of each.
        size: Examples of a batch.
    """
    low, high = 0, int(group_sizes.sum()) // size
    while low < high:
        middle = (low + high + 1) // 2
        fits = np.minimum(group_sizes, middle).sum() >= middle * size
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def sizes_among(groups: Rows, group_sizes: Ints) -> Ints:
    """How many of some rows each group has, without counting over all groups.

    Args:
        groups: Shape (N,), the groups of the rows.
        group_sizes: Rows of each group in all.
    """
    shared = groups[group_sizes[groups] > 1]
    counts = np.unique(shared, return_counts=True)[1]
    return np.concatenate([counts, np.ones(len(groups) - len(shared), dtype=counts.dtype)])


class Assignment:
    """A flow of rows into kinds of batches.

    A kind with n batches of a size has room for n * size rows, at most n of them of one group,
    since no two of a group may meet. Rows go where there is room; where there is none left for
    some, others change their kind to make it, in chains from kind to kind (the augmenting paths of
    Ford and Fulkerson, for many rows at once), so that a row which fits but one kind is not lost
    to a row which fits several. Kinds that still are not full give back batches.

    Args:
        kinds: K kinds.
        queries: Shape (N,), languages of the question, rows in order of preference: of those that
            fit equally well, the first are taken.
        passages: Shape (N,), languages of the passage.
        groups: Shape (N,), from 0.
        size: Examples of a batch.

    Attributes:
        to: Shape (N,), the kind that each row serves in, FREE, or WAITING for rows that are not to
            be used yet.
        batches: Shape (K,), the batches of each kind.
    """

    def __init__(
        self, kinds: Sequence[Kind], queries: Masks, passages: Masks, groups: Rows, size: int
    ) -> None:
        self.kinds = list(kinds)
        self.to = np.full(len(queries), FREE, dtype=np.int16)
        self.batches = np.zeros(len(self.kinds), dtype=np.int64)
        self._queries, self._passages = queries, passages
        self._groups = groups
        self._group_sizes: Ints = np.bincount(groups)
        self._largest = int(self._group_sizes.max(initial=0))
        self._sizes = np.full(len(self.kinds), size, dtype=np.int64)
        self._filled = np.zeros(len(self.kinds), dtype=np.int64)

    def place(
        self, wanted: Ints, crosslingual: npt.NDArray[np.bool_], weights: Floats,
        barred: npt.NDArray[np.bool_], random: np.random.Generator,
    ) -> None:  # fmt: skip
        """Fill batches.

        What a kind gives back goes to those of its side (one language, or different ones), by
        their weights, and where none of them can be filled, to the other side.

        Args:
            wanted: Shape (K,), how many batches of each kind.
            crosslingual: Shape (K,), the side of each kind.
            weights: Shape (K,), shares within the sides.
            barred: Shape (K,), kinds that are to have no batch.
            random: Source of chance.
        """
        spent = barred.copy()
        returned = np.where(barred, wanted, 0)
        missing = wanted - returned
        while True:
            for side in (crosslingual, ~crosslingual):
                for open_ in (side & ~spent, ~side & ~spent):
                    shares = np.where(open_, weights, 0)
                    if returned[side].any() and shares.any():
                        missing += random.multinomial(returned[side].sum(), shares / shares.sum())
                        break
            if not missing.any():
                break
            returned = self._add(missing)
            spent |= returned > 0
            missing = np.zeros_like(wanted)
        # What kinds gave back at last may fill batches together, or with rows that waited.
        for _ in range(2):
            kinds = random.permutation(np.flatnonzero(~barred)).tolist()
            while kinds and self.batches.sum() < wanted.sum():
                if not self._add_one(kinds[-1]):
                    kinds.pop()
            if self.batches.sum() < wanted.sum():
                self.to[self.to == WAITING] = FREE

    def _add_one(self, kind: int) -> bool:
        """Add a batch if all stay full."""
        if np.count_nonzero(self.to == FREE) < self._sizes[kind]:
            return False
        before = self.to.copy(), self.batches, self._filled.copy()
        one = np.zeros_like(self.batches)
        one[kind] = 1
        if not self._add(one).any():
            return True
        self.to, self.batches, self._filled = before
        return False

    def place_rest(self, size: int, turn: int) -> None:
        """Put the rows that are left into one short batch, of the kind that most of them fit.

        It becomes a kind of its own, the last.

        Args:
            size: How many examples it has at most.
            turn: Which of the kinds that equally many fit, counted round.
        """
        free = np.flatnonzero(self.to == FREE)
        fitting = [np.count_nonzero(self._fit(kind, free)) for kind in range(len(self.kinds))]
        most = np.flatnonzero(np.array(fitting) == max(fitting))
        self.kinds.append(self.kinds[most[turn % len(most)]])
        self.batches = np.append(self.batches, 1)
        self._sizes = np.append(self._sizes, size)
        self._filled = np.append(self._filled, 0)
        self._fill()
        self._augment()

    def rows(self, kind: int) -> Ints:
        """The rows that serve in a kind, in order of preference."""
        return np.flatnonzero(self.to == kind)

    def _add(self, more: Ints) -> Ints:
        """Add batches; returns how many of each kind could not be filled."""
        before = self.batches + more
        self.batches = before.copy()
        self._fill()
        self._augment()
        for kind in np.flatnonzero(self._room() > 0).tolist():
            self._give_back(kind)
        return before - self.batches

    def _room(self) -> Ints:
        return self.batches * self._sizes - self._filled

    def _fit(self, kind: int, rows: Ints | None = None) -> npt.NDArray[np.bool_]:
        if rows is None:
            return self.kinds[kind].allowed(self._queries, self._passages)
        return self.kinds[kind].allowed(self._queries[rows], self._passages[rows])

    def _fill(self) -> None:
        """Free rows go where there is room, the scarcest kind first."""
        free = self.rows(FREE)
        room = self._room()
        supply = {
            kind: np.count_nonzero(self._fit(kind, free)) / room[kind]
            for kind in np.flatnonzero(room > 0).tolist()
        }
        for kind in sorted(supply, key=lambda kind: (supply[kind], kind)):
            self._move(self._apart(kind, free[self._fit(kind, free)])[: room[kind]], kind)
            free = free[self.to[free] == FREE]

    def _apart(self, kind: int, rows: Ints) -> Ints:
        """Those of some rows that a kind can take: of a group no more than it has batches."""
        limit = self.batches[kind]
        if self._largest <= limit:
            return rows
        groups = self._groups[rows]
        crowded = np.flatnonzero(self._group_sizes[groups] > limit)
        there = np.bincount(self._groups[self.to == kind], minlength=len(self._group_sizes))
        ranks = rank_in_group(groups[crowded]) + there[groups[crowded]]
        keep = np.ones(len(rows), dtype=bool)
        keep[crowded[ranks >= limit]] = False
        return rows[keep]

    def _move(self, rows: Ints, kind: int) -> None:
        """Move rows of one kind, or free ones, to another."""
        if not len(rows):
            return
        source = int(self.to[rows[0]])
        self.to[rows] = kind
        for place, change in ((source, -len(rows)), (kind, len(rows))):
            if place >= 0:
                self._filled[place] += change

    def _augment(self) -> None:
        """Let rows change their kinds as long as that makes room for a free one."""
        closed: set[tuple[int, int]] = set()
        while chain := self._chain(closed):
            steps = []
            for source, kind in chain:
                there = self.rows(source)
                steps.append(self._apart(kind, there[self._fit(kind, there)]))
            most = min(self._room()[chain[-1][1]], *map(len, steps))
            if not most:
                closed.update(
                    step for step, rows in zip(chain, steps, strict=True) if not len(rows)
                )
            # From the end of the chain, so that groups leave before others of them come.
            for (_, kind), rows in reversed(list(zip(chain, steps, strict=True))):
                self._move(rows[:most], kind)

    def _chain(self, closed: set[tuple[int, int]]) -> list[tuple[int, int]]:
        """The shortest chain of moves from free rows to a kind with room, or none."""
        if not (self.to == FREE).any():
            return []
        toward: dict[int, int | None] = dict.fromkeys(np.flatnonzero(self._room() > 0).tolist())
        queue = list(toward)
        for kind in queue:
            found = np.bincount(self.to[self._fit(kind)] - WAITING, minlength=len(self.kinds) + 2)
            if found[FREE - WAITING] and (FREE, kind) not in closed:
                chain, place = [(FREE, kind)], kind
                while (onward := toward[place]) is not None:
                    chain.append((place, onward))
                    place = onward
                return chain
            for source in np.flatnonzero(found[-WAITING:]).tolist():
                if source not in toward and (source, kind) not in closed:
                    toward[source] = kind
                    queue.append(source)
        return []

    def _give_back(self, kind: int) -> None:
        """Keep only full batches of a kind; rows that fit no other kind stay in it."""
        rows = self.rows(kind)
        flexible = np.zeros(len(rows), dtype=bool)
        for other in range(len(self.kinds)):
            if other != kind:
                flexible |= self._fit(other, rows)
        rows = np.concatenate([rows[~flexible], rows[flexible]])
        groups = self._groups[rows]
        sizes = sizes_among(groups, self._group_sizes)
        batches = most_batches(sizes, int(self._sizes[kind]))
        ranks = rank_in_group(groups) if self._largest > batches else np.zeros_like(groups)
        keep = np.flatnonzero(ranks < batches)[: batches * self._sizes[kind]]
        self._move(np.delete(rows, keep), FREE)
        self.batches[kind] = batches
