"""Scores of a view, in tiles of one shape.

In its last bits a score depends on the shape of the product that it is part of. So all who rank a
view, in memory, by streaming or on several machines, ask for the very same products: their shape
depends on how many queries and distinct passage vectors there are, and how long these are; on
nothing else. Sides are multiples of `ROUND`, padded, since the last rows and columns of other
shapes are often left to other kernels, which sum in another order.

Equal passage vectors are scored once, and tie whatever the kernel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.checked import EncoderError
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import Vectors, take
from mteb_hybrid.retrieval.ties import crowded, fingerprints, warn_if_crowded

Scores: TypeAlias = npt.NDArray[np.float32]

Similarity: TypeAlias = Callable[[Vectors, Vectors], Vectors]
"""A model's own: vectors (B, D) and (N, D) to scores (B, N)."""

QUERIES, PASSAGES = 512, 8192
"""Sides of a tile at most. Its scores, 16 MB, are read again while they lie in a cache; numpy
compares long rows faster than short ones."""

NUMBERS = 2**23
"""In the vectors of its passages at most, 32 MB, where these are longer than 1,024."""

WHOLE = 2**24
"""Scores of a view that is left as it is, unless its vectors are long."""

ROUND = 64


@dataclass(frozen=True)
class Layout:
    """Which scores stand in which tile. It can be pickled, and is the same in all processes.

    Attributes:
        first: Shape (n,), positions of the distinct passage vectors, where each occurs first.
        source: Shape (N,), the place of each passage's vector in `first`.
        positions: Shape (N,), the passages in the order of tiles; in each, those that have a column
            of their own, then those whose vector is that of another.
        height: Queries of a tile.
        width: Distinct passages of a tile.
    """

    first: Ints
    source: Ints
    positions: Ints
    height: int
    width: int

    @classmethod
    def of(cls, queries: int, prints: Ints, dimensions: int = 1) -> Self:
        """The layout of a view.

        Args:
            queries: How many there are.
            prints: Shape (N,), the `fingerprints` of passage vectors.
            dimensions: How long these are.
        """
        _, some, inverse = np.unique(prints, return_index=True, return_inverse=True)
        order = np.argsort(some)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        first, source = some[order], place[inverse]
        height, width = _shape(queries, len(first), dimensions)
        later = first[source] != np.arange(len(source))
        return cls(first, source, np.lexsort((source, later, source // width)), height, width)

    @cached_property
    def bounds(self) -> Ints:
        """Shape (columns of tiles + 1,), where the passages of each begin in `positions`."""
        return np.append(0, np.bincount(self.source // self.width).cumsum())

    @cached_property
    def places(self) -> Ints:
        """Shape (N,), where each passage stands in `positions`."""
        found = np.empty(len(self.positions), dtype=np.int64)
        found[self.positions] = np.arange(len(found))
        return found


def _shape(queries: int, passages: int, dimensions: int) -> tuple[int, int]:
    """Sides of a tile. A view that is small is one tile."""
    if queries * passages <= WHOLE and passages * dimensions <= 4 * NUMBERS:
        return queries, passages
    most = min(PASSAGES, max(ROUND, NUMBERS // dimensions // ROUND * ROUND))
    return _side(queries, QUERIES), _side(passages, most)


def _side(length: int, most: int) -> int:
    tiles = -(-length // most)
    return -(-length // tiles // ROUND) * ROUND


@dataclass(frozen=True)
class Tiles:
    """The scores of Q queries and N passages.

    Attributes:
        queries: Vectors of Q queries.
        passages: Vectors of N passages.
        similarity: The model's own.
        layout: What `Layout.of` returned for them.
    """

    queries: Vectors
    passages: Vectors
    similarity: Similarity
    layout: Layout

    @classmethod
    def of(cls, queries: Vectors, passages: Vectors, similarity: Similarity) -> Self:
        """Lay out the scores of a view; every vector is read once.

        Warns:
            TieWarning: If more than a few per cent of the vectors of a side coincide.
        """
        sides = [fingerprints(vectors) for vectors in (queries, passages)]
        for prints, side in zip(sides, ("query", "passage"), strict=True):
            warn_if_crowded(crowded(np.sort(prints)), f"{side} vectors coincide")
        dimensions = 1 if isinstance(passages, list | tuple) else int(passages.shape[1])
        return cls(queries, passages, similarity, Layout.of(len(queries), sides[1], dimensions))

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, N)."""
        return len(self.queries), len(self.passages)

    @property
    def query_blocks(self) -> list[slice]:
        """The queries of each row of tiles."""
        count, step = len(self.queries), self.layout.height
        return [slice(start, min(start + step, count)) for start in range(0, count, step)]

    @property
    def passage_blocks(self) -> int:
        """How many columns of tiles there are."""
        return -(-len(self.layout.first) // self.layout.width)

    def read(self, block: int) -> "Stripe":
        """The passages of one column of tiles, read once for all queries."""
        layout, start = self.layout, block * self.layout.width
        end = min(start + layout.width, len(layout.first))
        before, after = layout.bounds[block : block + 2].tolist()
        positions = layout.positions[before:after]
        vectors = take(self.passages, _padded(layout.first[start:end], layout.width))
        return Stripe(self, before, positions, layout.source[positions] - start, vectors)

    @cached_property
    def alike(self) -> Ints:
        """Shape (width,), a number for each column of a tile: equal where the kernel sums alike.

        Had from a tile whose passages are all the same one.
        """
        vectors = take(self.passages, np.zeros(self.layout.width, dtype=np.int64))
        columns = self.scores(self.query_blocks[0], vectors).T
        found: Ints = np.unique(fingerprints(np.ascontiguousarray(columns)), return_inverse=True)[1]
        return found

    def gathered(self, queries: slice, positions: Ints) -> Iterator[tuple[Ints, Scores]]:
        """Scores of a block of queries and any passages, a tile at a time.

        Bit for bit what the tiles of the passages hold, if the kernel sums alike in the columns
        that `alike` says; they are to be compared where that matters.

        Args:
            queries: One of `query_blocks`.
            positions: Shape (n,), distinct.

        Yields:
            Which of `positions`, n' of them, and their scores: shape (B, n').

        Raises:
            EncoderError: As `scores`; or if one is NaN.
        """
        layout = self.layout
        source = layout.source[positions]
        kinds, slots = self.alike[source % layout.width], np.empty(len(source), dtype=np.int64)
        for kind in np.unique(kinds).tolist():
            columns, mine = np.flatnonzero(self.alike == kind), np.flatnonzero(kinds == kind)
            tile, place = np.divmod(np.arange(len(mine)), len(columns))
            slots[mine] = tile * layout.width + columns[place]
        for start in range(0, int(slots.max(initial=-1)) + 1, layout.width):
            some = np.flatnonzero((slots >= start) & (slots < start + layout.width))
            filled = np.full(layout.width, layout.first[source[some[0]]])
            filled[slots[some] - start] = layout.first[source[some]]
            scores = self.scores(queries, take(self.passages, filled))[:, slots[some] - start]
            refuse_nan(scores)
            yield some, scores

    def scores(self, queries: slice, passages: Vectors) -> Scores:
        """One tile, without the padding of its rows.

        Raises:
            EncoderError: If the scores have the wrong shape. Who uses them is to `refuse_nan`.
        """
        rows = np.arange(queries.start, queries.stop)
        block = take(self.queries, _padded(rows, self.layout.height))
        scores = self.similarity(block, passages)
        if hasattr(scores, "detach"):
            scores = scores.detach().cpu().float().numpy()
        scores = np.asarray(scores, dtype=np.float32)
        if scores.shape != (len(block), len(passages)):
            raise EncoderError(
                f"the model's similarity returned scores of shape {scores.shape} for {len(block)} "
                f"queries and {len(passages)} passages; expected ({len(block)}, {len(passages)})."
            )
        return scores[: len(rows)]


def refuse_nan(scores: Scores) -> None:
    """Raise an `EncoderError` if a score is NaN."""
    if scores.size and np.isnan(scores.max()):  # the largest of numbers and NaN is NaN
        raise EncoderError(
            f"the model's similarity returned NaN for {int(np.isnan(scores).sum())} pairs of "
            "query and passage. Check its similarity function and its vectors."
        )


@dataclass(frozen=True)
class Stripe:
    """A column of tiles.

    Attributes:
        tiles: Which it is part of.
        start: Where its passages begin in `Layout.positions`.
        positions: Shape (n,), its passages; at least one for each distinct vector.
        columns: Shape (n,), the column of each in the tiles.
        vectors: Of the distinct passages, padded.
    """

    tiles: Tiles
    start: int
    positions: Ints
    columns: Ints
    vectors: Vectors

    def scores(self, queries: slice) -> Iterator[tuple[slice, Scores]]:
        """Scores of a block of queries, some passages at a time.

        Args:
            queries: One of `Tiles.query_blocks`.

        Yields:
            Which of `positions`, n' of them, and their scores: shape (B, n').
        """
        tile, width = self.tiles.scores(queries, self.vectors), self.tiles.layout.width
        distinct = int(self.columns.max()) + 1
        yield slice(0, distinct), tile[:, :distinct]
        for start in range(distinct, len(self.columns), width):
            some = slice(start, min(start + width, len(self.columns)))
            yield some, tile[:, self.columns[some]]


def _padded(places: Ints, length: int) -> Ints:
    """As many places; the last one again where there are fewer."""
    return np.pad(places, (0, length - len(places)), mode="edge")
