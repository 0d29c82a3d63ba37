"""From vectors to ranks: by whole rows of the score matrix, or by streaming over the passages."""

import math
from collections.abc import Callable

import numpy as np

from mteb_hybrid.retrieval.checked import EncoderError
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import Vectors, as_slice
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.streaming import NEAR, ROOM, Asked, Partial, search
from mteb_hybrid.retrieval.tiles import Scores, Similarity, Tiles, refuse_nan

MEMORY = 2**32
"""Bytes that ranking may take beside vectors, unless told: 4 GiB."""

SAMPLE = 4096
"""Passages by which it is told whether many scores of a query tie."""

Search = Callable[[Tiles, Asked], Partial]
"""What searches all passages: `search`, or what asks several machines and merges their answers."""


def count_ranks(
    counter: RankCounter,
    queries: Vectors,
    passages: Vectors,
    similarity: Similarity,
    calibrate: Callable[[Scores, int], Scores] | None = None,
    *,
    memory: int | None = None,
    by: Search | None = None,
) -> None:
    """Rank a pool for all queries, in bounded memory.

    Ranks come from the same scores, bit for bit, whether the score matrix is made whole, row by
    row, or a tile at a time; the latter is chosen for large pools.

    Args:
        counter: Takes ranks.
        queries: Shape (Q, D).
        passages: Shape (N, D).
        similarity: The model's own.
        calibrate: From a block of scores (B, N) and the place of its first query to the scores
            that are ranked. Needs whole rows.
        memory: Bytes for scores and what is kept of them; `MEMORY` unless given.
        by: Streams, where that is chosen; `search` unless given, which also has it chosen.

    Raises:
        EncoderError: If the scores have the wrong shape, a score is NaN, or `calibrate` needs more
            than `memory`.
        ValueError: If there are not as many vectors as the counter has queries and passages.

    Warns:
        TieWarning: If more than a few per cent of the vectors of a side coincide.
    """
    if (len(queries), len(passages)) != counter.shape:
        raise ValueError(
            f"{len(queries)} vectors of queries and {len(passages)} of passages; expected "
            f"{counter.shape[0]} and {counter.shape[1]}, one for each query that is judged and "
            "each passage of the pool"
        )
    if not len(queries):
        return
    tiles, memory = Tiles.of(queries, passages, similarity), memory or MEMORY
    # A row is copied a few times: sorted, calibrated, compared.
    rows = max(1, memory // 8 // (4 * len(passages)))
    streams = by is not None or (len(queries) > rows and tiles.passage_blocks > 1)
    if calibrate is not None and 32 * len(passages) > memory:
        raise EncoderError(
            f"merging needs all scores of a query at once: {32 * len(passages) / 1e9:.1f} GB for "
            f"{len(passages):,} passages, and {memory / 1e9:.1f} GB may be taken. Allow more by "
            "--memory or MTEB_HYBRID_MEMORY, or leave the merging out"
        )
    if calibrate is not None or not streams:
        # Blocks are of like size, so that none is left with few queries.
        for some in np.array_split(np.arange(len(queries)), -(-len(queries) // rows)):
            scores = _whole_rows(tiles, some)
            counter.add(scores if calibrate is None else calibrate(scores, int(some[0])))
        return
    wanted = counter.wanted
    group = max(1, memory // 4 // (8 * ROOM * counter.best + 64 * wanted.shape[1]))
    step = max(1, group // tiles.layout.height)
    for start in range(0, len(tiles.query_blocks), step):
        blocks = tiles.query_blocks[start : start + step]
        found = (by or search)(tiles, _asked(counter, tiles, blocks, wanted))
        found.finish()
        first = blocks[0].start
        counter.put(first, found)
        for some in _groups(first + np.flatnonzero(found.open), rows):
            counter.put_whole(some, _whole_rows(tiles, some))


def _whole_rows(tiles: Tiles, rows: Ints) -> Scores:
    """Scores of some queries, in ascending order, against the whole pool: shape (B, N)."""
    found = np.empty((len(rows), tiles.shape[1]), dtype=np.float32)
    for number in range(tiles.passage_blocks):
        stripe = tiles.read(number)
        order = np.argsort(stripe.positions)
        where, columns = as_slice(stripe.positions[order]), as_slice(stripe.columns[order])
        for block in tiles.query_blocks:
            start, end = np.searchsorted(rows, [block.start, block.stop]).tolist()
            if start == end:
                continue
            some = as_slice(rows[start:end] - block.start)
            mine: Scores = tiles.scores(block, stripe.vectors)[some]
            refuse_nan(mine)
            if isinstance(columns, slice):
                mine = mine[:, columns]
            else:
                mine = np.take(mine, columns, axis=1)
            if mine.shape == found.shape:
                return mine  # of one tile, and most often a view of it
            found[start:end, where] = mine
    return found


def _asked(counter: RankCounter, tiles: Tiles, blocks: list[slice], wanted: Ints) -> Asked:
    """What a search is asked for: scores are had from tiles of the wanted passages and a sample."""
    pool = tiles.shape[1]
    sample = np.random.default_rng(0).permutation(pool)[:SAMPLE]
    # A score that a hundredth of the pool has is in a sample that often, but for one case in 10^11.
    often = max(1, len(sample) // 800 if len(sample) < pool else (pool - 1) // 100)
    # As many of the sample are among the best: six standard deviations, and some more, off.
    mean = counter.best * len(sample) / pool
    likely = math.ceil(mean + 6 * mean**0.5 + 8) if len(sample) < pool else counter.best
    kept = slice(blocks[0].start, blocks[-1].stop)
    positions = wanted[kept]
    scores = np.full(positions.shape, np.nan, dtype=np.float32)
    floor = np.full(len(positions), -np.inf, dtype=np.float32)
    near = floor.copy()
    open_ = np.zeros(len(positions), dtype=bool)
    for block in blocks:
        rows = slice(block.start - kept.start, block.stop - kept.start)
        mine = positions[rows]
        row, place = np.nonzero(mine >= 0)
        distinct, needed = np.unique(np.append(mine[row, place], sample), return_inverse=True)
        asked, sampled = needed[: len(row)], needed[len(row) :]
        of_sample = np.empty((len(mine), len(sample)), dtype=np.float32)
        for some, tile in tiles.gathered(block, distinct):
            column = np.full(len(distinct), -1)
            column[some] = np.arange(len(some))
            here = np.flatnonzero(column[asked] >= 0)
            scores[rows][row[here], place[here]] = tile[row[here], column[asked[here]]]
            in_it = np.flatnonzero(column[sampled] >= 0)
            of_sample[:, in_it] = tile[:, column[sampled[in_it]]]
        ordered = np.sort(of_sample)
        open_[rows] = (ordered[:, often:] == ordered[:, :-often]).any(axis=1)
        if likely <= len(sample):
            floor[rows] = ordered[:, -likely]
            near[rows] = ordered[:, -max(likely, len(sample) // NEAR)]
    return Asked(blocks, positions, scores, counter.tie_order, counter.best, floor, near, open_)


def _groups(rows: Ints, size: int) -> list[Ints]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
