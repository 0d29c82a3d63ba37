"""Rows of one kind into its batches, so that none meets what would be a false negative."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mteb_hybrid.training.batches.assignment import Rows
from mteb_hybrid.training.batches.serving import Links, Serving
from mteb_hybrid.training.corpus import Ints

TRIES = 500
"""Exchanges that are tried for a row before it is given up."""


def deal(rows: Rows, serving: Serving, batches: int, random: np.random.Generator) -> Rows:
    """Deal rows round, group by group, so that no two of a group come into one batch.

    Args:
        rows: Shape (batches * size,), in random order, no more than `batches` of one group.
        serving: All rows.
        batches: How many batches.
        random: Source of chance.

    Returns:
        Shape (batches, size).
    """
    together = serving.group_sizes[serving.groups[rows]] > 1
    _, groups, counts = np.unique(
        serving.groups[rows[together]], return_inverse=True, return_counts=True
    )
    # Numbers of groups say what lies near each other in the data; those must be able to meet.
    names = random.permutation(len(counts))[groups]
    order = np.lexsort((names, -counts[groups]))
    dealt = np.concatenate([rows[together][order], rows[~together]])
    places = _places(serving.groups[dealt].reshape(-1, batches), random)
    table = np.empty((batches, places.shape[0]), dtype=rows.dtype)
    table[places, np.arange(places.shape[0])[:, None]] = dealt.reshape(-1, batches)
    random.permuted(table, axis=1, out=table)
    return table


def _places(groups: Rows, random: np.random.Generator) -> Ints:
    """The batch of each row of every round, at random but never one that has its group.

    Args:
        groups: Shape (size, batches), the groups of the rows of each round. A group may begin in
            one round and end in the next.
        random: Source of chance.

    Returns:
        Shape (size, batches), a permutation of the batches for each round.
    """
    places = random.permuted(np.tile(np.arange(groups.shape[1]), (groups.shape[0], 1)), axis=1)
    for number in np.flatnonzero(groups[1:, 0] == groups[:-1, -1]).tolist():
        group, own = groups[number, -1], places[number + 1]
        met = np.isin(own, places[number][groups[number] == group])
        come = np.flatnonzero(~met)[: np.count_nonzero(groups[number + 1] == group)]
        places[number + 1] = np.concatenate([own[come], np.delete(own, come)])
    return places


def clashes(table: Rows, groups: Rows, links: Links) -> Ints:
    """Which examples have a hard negative that is of the group of another in their batch.

    Args:
        table: Shape (batches, size), rows.
        groups: Groups of all rows.
        links: Their hard negatives.

    Returns:
        Shape (N, 2): batch and place, each once.
    """
    found = []
    block = max(1, 2**20 // table.shape[1])  # a bound on memory
    for start in range(0, len(table), block):
        rows = table[start : start + block].ravel()
        batch = np.arange(len(rows)) // table.shape[1]
        span = int(groups.max()) + 1
        places, negatives = links.of_all(rows)
        meets = np.isin(batch[places] * span + negatives, batch * span + groups[rows])
        found.append(np.unique(places[meets]) + start * table.shape[1])
    return np.stack(np.divmod(np.concatenate(found), table.shape[1]), axis=1)


def part(
    table: Rows,
    kinds: Ints,
    spare: Rows,
    serving: Serving,
    links: Links,
    random: np.random.Generator,
) -> Ints:
    """Exchange examples until none meets a passage of its hard negatives.

    Args:
        table: Shape (batches, size), rows; changed in place.
        kinds: Shape (batches,), their kinds.
        spare: Rows in no batch, which may come in.
        serving: The rows.
        links: Their hard negatives.
        random: Source of chance.

    Returns:
        Shape (N, 2): batch and place of examples for which no exchange was found; without them,
        all is well.
    """
    state = _Batches(table, serving.groups, links)
    spares = spare.tolist()

    def move(batch: int, place: int) -> bool:
        row = table[batch, place]
        mine = np.array([kind.allowed(*serving.languages(row)) for kind in serving.kinds])
        others, theres = random.integers(table.shape, size=(TRIES, 2)).T
        fit = serving.kinds[kinds[batch]].allowed(*serving.languages(table[others, theres]))
        fit &= mine[kinds[others]]
        for other, there in zip(others[fit].tolist(), theres[fit].tolist(), strict=True):
            if state.exchange(batch, place, other, there):
                return True
        fit = serving.kinds[kinds[batch]].allowed(*serving.languages(np.array(spares, dtype=int)))
        for number in np.flatnonzero(fit)[:TRIES].tolist():
            if state.replace(batch, place, spares[number]):
                spares[number] = int(row)
                return True
        return False

    for batch, place in clashes(table, serving.groups, links).tolist():
        while met := state.met(batch, place):
            # The one with fewer ties is easier to place, and less is lost if it cannot be placed.
            if not move(batch, place) and not move(batch, met[0]):
                state.drop(batch, place if len(met) > 1 else met[0])
    return np.array(sorted(state.dropped), dtype=np.int64).reshape(-1, 2)


@dataclass
class _Batches:
    """Batches with the groups and the hard negatives in them, counted where somebody looked."""

    table: Rows
    groups: Rows
    links: Links

    def __post_init__(self) -> None:
        self._held: dict[int, tuple[Counter[Any], Counter[Any]]] = {}
        self.dropped: set[tuple[int, int]] = set()

    def _counts(self, batch: int) -> tuple[Counter[Any], Counter[Any]]:
        if batch not in self._held:
            rows = self.table[batch]
            negatives = self.links.of_all(rows)[1]
            self._held[batch] = Counter(self.groups[rows].tolist()), Counter(negatives.tolist())
        return self._held[batch]

    def met(self, batch: int, place: int) -> list[int]:
        """The places of a batch that hold a passage of an example's hard negatives."""
        groups, _ = self._counts(batch)
        negatives = set(self.links.of(int(self.table[batch, place])).tolist())
        if (batch, place) in self.dropped or not any(groups[group] for group in negatives):
            return []
        return [
            other
            for other, group in enumerate(self.groups[self.table[batch]].tolist())
            if group in negatives and (batch, other) not in self.dropped
        ]

    def drop(self, batch: int, place: int) -> None:
        """Take an example out."""
        self._change(batch, int(self.table[batch, place]), -1)
        self.dropped.add((batch, place))

    def _change(self, batch: int, row: int, by: int) -> None:
        """Count a row that comes (1) or leaves (-1)."""
        groups, negatives = self._counts(batch)
        groups[int(self.groups[row])] += by
        for group in self.links.of(row).tolist():
            negatives[group] += by

    def _is_free(self, batch: int, row: int, leaving: int) -> bool:
        """Whether a row may stand in a batch once another has left it."""
        self._change(batch, leaving, -1)
        groups, negatives = self._counts(batch)
        own = int(self.groups[row])
        free = not groups[own] and not negatives[own]
        free = free and not any(groups[group] for group in self.links.of(row).tolist())
        self._change(batch, leaving, 1)
        return free

    def replace(self, batch: int, place: int, row: int) -> bool:
        """Put another row in the place of an example if it is well there."""
        leaving = int(self.table[batch, place])
        if not self._is_free(batch, row, leaving):
            return False
        self._change(batch, leaving, -1)
        self._change(batch, row, 1)
        self.table[batch, place] = row
        return True

    def exchange(self, batch: int, place: int, other: int, there: int) -> bool:
        """Exchange two examples if both are well where they come to."""
        if batch == other or (other, there) in self.dropped:
            return False
        one, two = int(self.table[batch, place]), int(self.table[other, there])
        if not (self._is_free(batch, two, one) and self._is_free(other, one, two)):
            return False
        for where, row, by in (
            (batch, one, -1),
            (batch, two, 1),
            (other, two, -1),
            (other, one, 1),
        ):
            self._change(where, row, by)
        self.table[batch, place], self.table[other, there] = two, one
        return True
