"""Vectors that lie in several pieces, such as the mapped files of a store: read where needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from mteb_hybrid.retrieval.judgments import Ints

Vectors: TypeAlias = Any
"""A numpy array or torch tensor, whichever the model returns, of shape (texts, dimensions); a list
of vectors of any kind; or `Parts`."""


@dataclass(frozen=True)
class Parts:
    """Vectors of N texts, as rows of pieces that lie one after another. Nothing is copied.

    Attributes:
        pieces: Arrays, tensors, or what else gives such for a slice or an array of places; of one
            kind and width.
        rows: Shape (N,), the row of each text, counted through all pieces.
    """

    pieces: Sequence[Vectors]
    rows: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self), int(self.pieces[0].shape[1])

    @cached_property
    def _bounds(self) -> Ints:
        return np.cumsum([0, *map(len, self.pieces)])

    def take(self, places: Ints) -> Vectors:
        """The vectors of some texts: shape (n, D), of the kind that the pieces have.

        Args:
            places: Shape (n,), positions in `rows`.
        """
        rows = self.rows[places]
        found = _empty(self.pieces[0][:0], len(rows))
        piece_of = np.searchsorted(self._bounds, rows, side="right") - 1
        for number in np.unique(piece_of):
            here = np.flatnonzero(piece_of == number)
            found[_slice(here)] = self.pieces[number][_slice(rows[here] - self._bounds[number])]
        return found


def take(vectors: Vectors, places: Ints) -> Vectors:
    """Some vectors: shape (n, D), or a list of n; no copy where they lie side by side.

    Args:
        vectors: Those of N texts.
        places: Shape (n,), which of them.
    """
    if isinstance(vectors, Parts):
        return vectors.take(places)
    if isinstance(vectors, list | tuple):
        return [vectors[place] for place in places.tolist()]
    return vectors[_slice(places)]


def _slice(places: Ints) -> Any:
    """The same places as a slice, where they are one."""
    first, count = int(places[0]) if len(places) else 0, len(places)
    if np.array_equal(places, np.arange(first, first + count)):
        return slice(first, first + count)
    return places


def _empty(like: Vectors, count: int) -> Vectors:
    if hasattr(like, "detach"):
        return like.new_empty((count, like.shape[1]))
    return np.empty((count, like.shape[1]), dtype=like.dtype)
