"""Rows of scores, sorted as far as ranks need it."""

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.judgments import Ints, in_rows
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ties import crowded

PIECE = 256
"""Scores that are sorted at once: so few numpy sorts in registers, many times faster than more."""

FEW = 16
"""Ranks per row up to which a look into every piece is faster than sorting the row as a whole."""


class SortedRows:
    """Rows of scores, each sorted as a whole, or in pieces where it is long and little is asked.

    What it answers is exact in either case.

    Args:
        scores: Shape (B, N). One in each row may be NaN: it is left out.
        length: N, or N - 1 where there is NaN.
        highest: How many of the highest scores will be asked for.
        wanted: For how many scores in each row ranks will be asked for, on average.
    """

    def __init__(
        self, scores: npt.NDArray[np.float32], length: int, highest: int, wanted: float
    ) -> None:
        rows, columns = scores.shape
        self._scores, self._length, self._highest = scores, length, highest
        whole = columns <= 4 * max(highest, PIECE) or wanted > FEW
        size = columns if whole else PIECE
        self._pieces = np.empty((rows, -(-columns // size), size), dtype=np.float32)
        flat = self._pieces.reshape(rows, -1)
        # Negated, so that the highest score is first and NaN, which also fills up, is last.
        np.negative(scores, out=flat[:, :columns])
        flat[:, columns:] = np.nan
        self._pieces.sort(axis=2)

    def highest(self) -> npt.NDArray[np.float32]:
        """Shape (B, highest), the highest scores of each row, in descending order."""
        rows, pieces, _ = self._pieces.shape
        best = self._pieces[:, 0]
        if pieces > 1:
            # The first of all pieces, together twice as many or more, tell a score that enough
            # others reach, and hardly any more.
            first = self._pieces[:, :, : -(-2 * self._highest // pieces)].reshape(rows, -1)
            last = np.partition(first, self._highest - 1, axis=1)[:, self._highest - 1]
            places, counts = reaching(self._scores, -last)
            best = in_rows(-self._scores.reshape(-1)[places], counts, np.inf)
            best.sort(axis=1)
        return -best[:, : self._highest]

    def ranks(self, row: Ints, scores: npt.NDArray[np.float32]) -> tuple[Ints, Ints]:
        """How many scores of its row are higher than a score, and how many equal it.

        Args:
            row: Shape (n,).
            scores: Shape (n,).

        Returns:
            Both of shape (n,).
        """
        _, pieces, size = self._pieces.shape
        start = (row[:, None] * pieces + np.arange(pieces)) * size
        wanted = np.broadcast_to(-scores[:, None], start.shape)
        higher = self._search(start, wanted, np.less)
        some = np.nonzero(self._pieces.take(higher, mode="clip") == wanted)
        through = self._search(start[some], wanted[some], np.less_equal)
        tied = np.bincount(some[0], through - higher[some], len(row)).astype(np.int64)
        return (higher - start).sum(axis=1), tied

    def _search(self, start: Ints, wanted: npt.NDArray[np.float32], before: np.ufunc) -> Ints:
        """Binary search in many pieces: where each one's first is that is not before a value."""
        flat, size = self._pieces.reshape(-1), self._pieces.shape[2]
        step = 1 << (size.bit_length() - 1)
        at = start + (size - step) * before(flat[start + step - 1], wanted)
        while step > 1:
            step //= 2
            at += step * before(flat[at + step - 1], wanted)
        return np.asarray(at + before(flat[at], wanted))

    def crowded(self) -> Floats:
        """Shape (B,), for each row what `mteb_hybrid.retrieval.ties.crowded` finds."""
        rows, pieces, _ = self._pieces.shape
        flat = self._pieces.reshape(rows, -1)
        # If more than `step` are equal, more than `step - pieces` follow one that is.
        step = max(1, self._length // 100)
        repeated = (flat[:, 1:] == flat[:, :-1]).sum(axis=1, dtype=np.int32)
        shares = np.zeros(rows)
        for row in np.flatnonzero(repeated > step - pieces):
            shares[row] = crowded(np.sort(flat[row])[: self._length])
        return shares


def reaching(scores: npt.NDArray[np.float32], bounds: npt.NDArray[np.float32]) -> tuple[Ints, Ints]:
    """Which scores are not below a bound.

    Args:
        scores: Shape (B, N).
        bounds: Shape (B,), of each row.

    Returns:
        Their places in the flat array, and shape (B,), how many each row has.
    """
    places = np.flatnonzero(scores >= bounds[:, None])
    ends = np.searchsorted(places, np.arange(1, len(scores) + 1) * scores.shape[1])
    return places, np.diff(ends, prepend=0)


def descending(scores: npt.NDArray[np.float32]) -> Ints:
    """Integers of 32 bits in the opposite order of scores; equal for 0 and -0."""
    bits = scores.view(np.int32).astype(np.int64)
    return np.where(bits < 0, bits & 0x7FFFFFFF, -bits)
