"""How many batches a pass has, against a slow search over all counts of kinds."""

import os
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow

from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.assignment import most_batches, rank_in_group
from mteb_hybrid.training.batches.factory import make_sampler
from training.conftest import tagged_corpus

EXAMPLES = 400 if os.environ.get("MTEB_HYBRID_SOAK") else 40


def placed(fits, groups, batches, size):
    """Most rows that find a place: a flow from rows to groups within kinds to kinds."""
    rows, kinds = fits.shape
    inner = rows + 1 + np.arange((groups.max() + 1) * kinds).reshape(-1, kinds)
    outer = inner[-1, -1] + 1 + np.arange(kinds)
    edges = [(0, row + 1, 1) for row in range(rows)]
    edges += [(row + 1, inner[groups[row], kind], 1) for row, kind in np.argwhere(fits)]
    for kind, count in enumerate(batches):
        edges += [(own[kind], outer[kind], count) for own in inner]
        edges.append((outer[kind], outer[-1] + 1, count * size))
    starts, ends, room = (np.array(part, dtype=np.int32) for part in zip(*edges, strict=True))
    shape = (outer[-1] + 2,) * 2
    graph = coo_array((room, (starts, ends)), shape=shape).tocsr()
    return maximum_flow(graph, 0, shape[0] - 1).flow_value


def splits(count: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (count,)
        return
    for first in range(count + 1):
        for rest in splits(count - first, parts - 1):
            yield (first, *rest)


def most(fits, groups, size):
    for count in range(len(fits) // size, 0, -1):
        for batches in splits(count, fits.shape[1]):
            if placed(fits, groups, batches, size) == count * size:
                return count
    return 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(6, 28),
    languages=st.integers(1, 3),
    size=st.integers(2, 5),
    missing=st.sampled_from([0.1, 0.5, 0.8]),
    share=st.sampled_from([0.3, 0.7, 1.0]),
    alpha=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
def test_an_epoch_has_about_as_many_batches_as_can_be(
    seed, rows, languages, size, missing, share, alpha
):
    chance = np.random.default_rng(seed)
    has = {
        code: tuple(chance.random((2, rows)) >= missing) for code in ("en", "de", "th")[:languages]
    }
    groups = chance.integers(0, max(1, int(share * rows)), rows)
    data = ParallelDataset([tagged_corpus(has, groups=groups)])
    try:
        sampler = make_sampler(data, BatchPlan(alpha=alpha), batch_size=size, drop_last=True)
    except ParallelDataError:
        return
    if sampler.summary[0].size < size:
        return  # smaller ones
    codes = list(has)
    fits = [has[code][0] & has[code][1] for code in codes if alpha > 0]
    pairs = np.zeros(rows, dtype=bool)
    for x in codes:
        for y in codes:
            pairs |= has[x][0] & has[y][1] & (x != y)
    if alpha < 1:
        fits.append(pairs)
    if not pairs.any():
        fits = [has[code][0] & has[code][1] for code in codes]
    best = most(np.stack(fits, axis=1), np.unique(groups, return_inverse=True)[1], size)
    assert best - 1 <= len(sampler) <= best
    for epoch in range(3):
        sampler.set_epoch(epoch)
        batches = [[data.example(key) for key in keys] for keys in sampler]
        assert len(batches) == len(sampler)
        every = [row for batch in batches for row, _, _ in batch]
        assert len(set(every)) == len(every) == size * len(batches)
        for batch in batches:
            assert len({groups[row] for row, _, _ in batch}) == size
            assert all(has[codes[x]][0][row] and has[codes[y]][1][row] for row, x, y in batch)
            assert len({x == y for _, x, y in batch}) == 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 6))
def test_most_batches_is_the_last_count_that_groups_can_fill(sizes, size):
    fits = [
        sum(min(own, count) for own in sizes) >= count * size for count in range(sum(sizes) + 1)
    ]
    assert most_batches(np.array(sizes), size) == max(np.flatnonzero(fits))


@given(st.lists(st.integers(0, 5), max_size=40))
def test_rank_in_group_counts_what_came_before(groups):
    ranks = rank_in_group(np.array(groups, dtype=np.int32))
    assert ranks.tolist() == [groups[:place].count(own) for place, own in enumerate(groups)]
