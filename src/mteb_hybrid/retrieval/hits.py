"""What a search looks at of a block of scores."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.tiles import Scores

SORT_FROM = 8
"""Scores from which a row is sorted once rather than compared with each."""

SCORES_AT_ONCE = 2**20
"""Scores that are compared at once: 4 MB in float32, small enough for a cache."""


def counts_of(scores: Scores, wanted: Scores) -> Ints:
    """How many scores are higher than each that is wanted, and how many equal: shape (2, n)."""
    if len(wanted) < SORT_FROM:
        more = [(np.count_nonzero(scores > x), np.count_nonzero(scores == x)) for x in wanted]
        return np.array(more).T
    ordered = np.sort(scores)
    above, least = (len(scores) - ordered.searchsorted(wanted, side) for side in ("right", "left"))
    return np.stack([above, least - above])


def counts_in_rows(scores: Scores, row: Ints, wanted: Scores) -> Ints:
    """The same for scores of several rows at once: shape (2, n).

    Args:
        scores: Shape (B, N).
        row: Shape (n,), ascending, the row in which each wanted score is looked for.
        wanted: Shape (n,).
    """
    found = np.empty((2, len(row)), dtype=np.int64)
    often = np.bincount(row, minlength=len(scores))
    for one in np.flatnonzero(often >= SORT_FROM).tolist():
        these = slice(*np.searchsorted(row, [one, one + 1]).tolist())
        found[:, these] = counts_of(scores[one], wanted[these])
    rest = np.flatnonzero(often[row] < SORT_FROM)
    at_once = max(1, SCORES_AT_ONCE // scores.shape[1])
    for start in range(0, len(rest), at_once):
        some = rest[start : start + at_once]
        mine, limits = scores[row[some]], wanted[some, None]
        for kind, compare in enumerate((np.greater, np.equal)):
            bits = np.packbits(compare(mine, limits), axis=1)
            found[kind, some] = np.bitwise_count(bits).sum(axis=1)
    return found


@dataclass(frozen=True)
class Hits:
    """Scores that are high enough to be looked at, one query's after another's.

    Attributes:
        rows: Shape (B,), the queries.
        row: Shape (n,), ascending, which of `rows` each is of.
        scores: Shape (n,).
        places: Shape (n,), positions of their passages.
        first: Shape (B + 1,), where each query's begin, and the end.
    """

    rows: Ints
    row: Ints
    scores: Scores
    places: Ints
    first: Ints

    @classmethod
    def of(cls, rows: Ints, scores: Scores, positions: Ints, low: Scores) -> Self:
        """Scores, shape (B, n), that are not below `low`, shape (B,); NaN is among them."""
        lower = scores < low[:, None]
        flat = np.flatnonzero(np.logical_not(lower, out=lower))
        first = np.searchsorted(flat, np.arange(len(rows) + 1) * len(positions))
        row = np.repeat(np.arange(len(rows)), np.diff(first))
        column = flat - row * len(positions)
        return cls(rows, row, scores.ravel()[flat], positions[column], first)

    def chosen(self, some: npt.NDArray[np.bool_]) -> Self:
        """Some of them: shape (n,)."""
        row = self.row[some]
        first = np.searchsorted(row, np.arange(len(self.rows) + 1))
        return type(self)(self.rows, row, self.scores[some], self.places[some], first)
