"""Streaming against the whole score matrix: the same bits, for any split, ties and own passages."""

import dataclasses
import os
import pickle
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.retrieval import hits, scoring, tiles
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.streaming import search
from mteb_hybrid.retrieval.tiles import Layout, Tiles

LANGUAGES = ("de", "en", "xx")


def dots(q, p):
    return q @ p.T


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "QUERIES", 8)
    monkeypatch.setattr(tiles, "PASSAGES", 32)
    monkeypatch.setattr(tiles, "ROUND", 4)
    monkeypatch.setattr(tiles, "WHOLE", 512)


def problem(seed, passages, queries, levels, repeats, own, relevant=3, width=6):
    """Vectors of small integers, whose products are exact in any order, so that many tie."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-levels, levels + 1, (passages, width)).astype(np.float32)
    again = random.integers(0, passages, (2, repeats))
    vectors[again[0]] = vectors[again[1]]
    languages = [LANGUAGES[i] for i in random.integers(0, 3, passages)]
    ids = [f"{language}-{i}" for language, i in zip(languages, random.permutation(passages))]  # noqa: B905
    if own:
        asking = np.flatnonzero(np.array(languages) == "en")[:queries]
        asked, names = vectors[asking], [ids[i] for i in asking]
    else:
        asked = random.integers(-levels, levels + 1, (queries, width)).astype(np.float32)
        names = [f"q{i}" for i in range(queries)]
    qrels = {
        name: {
            ids[i]: int(random.integers(0, 3))
            for i in random.choice(passages, random.integers(1, relevant + 1), replace=False)
            if ids[i] != name
        }
        for name in names
    }
    return Pool(ids, languages, LANGUAGES), asked, vectors, qrels


def counter_of(pool, qrels, own, highest=9, depth=7):
    return RankCounter(pool, qrels, "en", highest, ignore_identical_ids=own, depth=depth)


def whole(pool, asked, vectors, qrels, own, **kept):
    """Ranks of the matrix that integers give, made at once and by nothing that is tested here."""
    counter = counter_of(pool, qrels, own, **kept)
    counter.add((asked.astype(np.int64) @ vectors.astype(np.int64).T).astype(np.float32))
    return counter.result()


def assert_same(found, expected):
    for field in dataclasses.fields(expected[0]):
        ours, theirs = (getattr(ranks, field.name) for ranks in (found[0], expected[0]))
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype, field.name
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
        else:
            assert ours == theirs, field.name
    np.testing.assert_array_equal(found[1], expected[1])


def split(cuts, order, opened=None):
    """A search of ranges of tiles, each by what could be another process, merged in some order."""

    def by(view, asked):
        bounds = sorted({0, view.passage_blocks, *(cut % view.passage_blocks for cut in cuts)})
        ranges = [range(*pair) for pair in pairwise(bounds)]
        there = pickle.loads(pickle.dumps(asked))  # noqa: S301
        found = [pickle.loads(pickle.dumps(search(view, there, some))) for some in ranges]  # noqa: S301
        found = [found[place] for place in np.random.default_rng(order).permutation(len(found))]
        for other in found[1:]:
            found[0].merge(other)
        if opened is not None:
            opened.append(found[0].open)
        return found[0]

    return by


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    passages=st.integers(40, 500),
    queries=st.integers(1, 20),
    levels=st.sampled_from([0, 1, 4, 30, 300]),
    repeats=st.sampled_from([0, 3, 60]),
    own=st.booleans(),
    relevant=st.sampled_from([1, 3, 40]),
    cuts=st.lists(st.integers(0, 20)),
    memory=st.sampled_from([1, 20_000, None]),
    kept=st.sampled_from([(9, 7), (3, 20), (1, 1), (1000, 30)]),
)
def test_any_split_is_the_whole(
    seed, passages, queries, levels, repeats, own, relevant, cuts, memory, kept
):
    pool, asked, vectors, qrels = view = problem(
        seed, passages, queries, levels, repeats, own, relevant
    )
    if not len(asked):
        return
    highest, depth = kept
    counter = counter_of(pool, qrels, own, highest, depth)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hits, "SORT_FROM", 3)
        patch.setattr("mteb_hybrid.retrieval.tiles.warn_if_crowded", lambda *_: None)
        by = split(cuts, seed)
        count_ranks(counter, asked, vectors, dots, memory=memory, by=by)
    assert_same(counter.result(), whole(*view, own, highest=highest, depth=depth))


@pytest.mark.parametrize("own", [False, True])
def test_hardly_a_query_needs_whole_rows(own, monkeypatch):
    """Else the property above would hold of nothing."""
    view = problem(1, 2000, 60, 900, 20, own)
    pool, asked, vectors, qrels = view
    counter, opened = counter_of(pool, qrels, own), []
    count_ranks(counter, asked, vectors, dots, by=split([3, 9, 10], 0, opened))
    assert np.concatenate(opened).mean() < 0.1
    assert_same(counter.result(), whole(*view, own))


def last_columns_differ(q, p):
    scores = dots(q, p)
    scores[:, -3:] *= np.float32(1 + 2**-20)
    return scores


def some_passages_differ(q, p):
    """As no column does: by what else is in the tile."""
    odd = np.float32(1 + 2**-20) if p[:, 0].sum() % 2 else np.float32(1)
    return dots(q, p) * odd


@pytest.mark.parametrize("kernel", [last_columns_differ, some_passages_differ])
def test_a_kernel_that_rounds_otherwise(kernel, monkeypatch):
    """A passage's score is that of its tile: had from a like column, or else by whole rows."""
    pool, asked, vectors, qrels = problem(2, 300, 60, 500, 0, False)
    monkeypatch.setattr(scoring, "SAMPLE", 8)
    results, opened = [], []
    for by in (split([2, 5], 1, opened), None):
        counter = counter_of(pool, qrels, False)
        count_ranks(counter, asked, vectors, kernel, by=by)
        results.append(counter.result())
    assert_same(*results)
    assert np.concatenate(opened).any() == (kernel is some_passages_differ)


def test_floats_of_a_real_product(monkeypatch):
    """Scores that are rounded: streaming and rows in blocks of any size agree.

    They agree with one product too, as far as its kernel rounds all columns alike.
    """
    monkeypatch.undo()
    monkeypatch.setattr(tiles, "QUERIES", 64)
    monkeypatch.setattr(tiles, "PASSAGES", 1024)
    random = np.random.default_rng(3)
    vectors = random.standard_normal((5000, 96), dtype=np.float32)
    vectors[4000:4100] = vectors[:100]
    asked = vectors[random.integers(0, 5000, 200)] + random.standard_normal((200, 96)) / 2
    asked = asked.astype(np.float32)
    pool, _, _, qrels = problem(3, 5000, 200, 1, 0, False)
    results, opened = [], []
    for by, memory in ((split([1, 3], 1, opened), None), (None, None), (None, 2**22)):
        counter = counter_of(pool, qrels, False, 100, 50)
        count_ranks(counter, asked, vectors, dots, by=by, memory=memory)
        results.append(counter.result())
    assert_same(results[0], results[1])
    assert_same(results[2], results[1])
    # Some processors round the last columns otherwise, and whole rows are ranked then.
    assert np.concatenate(opened).mean() < 0.5
    counter = counter_of(pool, qrels, False, 100, 50)
    scores = asked @ vectors.T
    scores[:, 4000:4100] = scores[:, :100]
    counter.add(scores)
    ranks, product = results[0][0], counter.result()[0]
    assert np.mean(ranks.top == product.top) > 0.99


def test_large_pools_are_streamed_by_themselves(monkeypatch):
    view = problem(4, 400, 30, 900, 0, False)
    pool, asked, vectors, qrels = view
    counter, asked_for = counter_of(pool, qrels, False), []
    monkeypatch.setattr(scoring, "search", lambda *them: (asked_for.append(them), search(*them))[1])
    count_ranks(counter, asked, vectors, dots, memory=2**20)  # all scores fit
    assert not asked_for
    counter = counter_of(pool, qrels, False)
    count_ranks(counter, asked, vectors, dots, memory=2**15)
    assert asked_for
    assert_same(counter.result(), whole(*view, False))


def test_nan_is_refused_where_it_is_met():
    pool, asked, vectors, qrels = problem(5, 200, 12, 9, 0, False)
    vectors[150, 2] = np.nan
    with pytest.raises(ValueError, match="NaN for"):
        count_ranks(counter_of(pool, qrels, False), asked, vectors, dots, by=search)


def test_tiles_of_long_vectors_are_narrow(monkeypatch):
    monkeypatch.undo()
    shapes = {
        dimensions: Layout.of(9000, np.arange(300_000), dimensions)
        for dimensions in (1, 384, 1024, 4096, 10**9)
    }
    widths = {dimensions: layout.width for dimensions, layout in shapes.items()}
    assert widths == {1: 8128, 384: 8128, 1024: 8128, 4096: 2048, 10**9: 64}
    assert {layout.height for layout in shapes.values()} == {512}
    small = Layout.of(1000, np.arange(10_000), 384)
    assert (small.height, small.width) == (1000, 10_000)  # as a product of all would be


def test_a_range_reads_its_passages_once():
    _, asked, vectors, _ = problem(6, 300, 30, 9, 0, False)
    view = Tiles.of(asked, vectors, dots)
    read = [view.read(block).positions for block in range(view.passage_blocks)]
    assert sorted(np.concatenate(read)) == list(range(300))


def test_memory_does_not_grow_with_what_is_asked_for():
    """The scores of 256 queries and of all that any of them asks for would take 40 MB."""
    random = np.random.default_rng(0)
    count, queries, each = 40_000, 256, 150
    vectors = random.standard_normal((count, 8), dtype=np.float32)
    ids = [f"p{i}" for i in range(count)]
    relevant = random.permutation(count)[: queries * each].reshape(queries, each).tolist()
    qrels = {f"q{n}": {ids[i]: 1 for i in some} for n, some in enumerate(relevant)}
    counter = RankCounter(Pool(ids, ["en"] * count, ("en",)), qrels, "en", highest=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "WHOLE", 1)
        view = Tiles.of(vectors[:queries], vectors, dots)
        tracemalloc.start()
        found = scoring._asked(counter, view, view.query_blocks, counter.wanted)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    np.testing.assert_allclose(
        found.scores, np.einsum("qd,qrd->qr", vectors[:queries], vectors[relevant]), atol=1e-4
    )
    assert peak < 32e6


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from mteb_hybrid.retrieval.parts import Parts
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.scoring import count_ranks

file, memory = Path(sys.argv[1]), int(sys.argv[2])
passages = np.load(file, mmap_mode="r")
count = len(passages)
pool = Pool([f"p{i:06}" for i in range(count)], ["en"] * count, ("en",))
asked = passages[:300] + np.float32(0.5) * passages[300:600]
counter = RankCounter(pool, {f"q{i}": {pool.ids[i]: 1, pool.ids[-1 - i]: 1} for i in range(300)})
asked @ asked.T  # what the product library takes once
(used,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
limit = int(used.split()[1]) * 1024 + 2**28
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
pieces = [passages[start : start + 8192] for start in range(0, count, 8192)]
parts = Parts(pieces, np.arange(count))
count_ranks(counter, asked, parts, lambda q, p: q @ p.T, memory=memory)
print(counter.result()[0].ranks[:, 0].max())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_beside_the_file_is_bounded(tmp_path):
    """256 MiB do for a file of 205 MB, and do not for its scores."""
    random = np.random.default_rng(0)
    np.save(tmp_path / "p.npy", random.standard_normal((200_000, 256), dtype=np.float32))
    done = {
        memory: subprocess.run(
            (sys.executable, "-c", LIMITED, tmp_path / "p.npy", str(memory)),
            env=os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS")},
            capture_output=True,
            text=True,
            check=False,
        )
        for memory in (2**28, 2**36)
    }
    assert done[2**28].stdout.split() == ["1.0"], done[2**28].stderr
    assert "MemoryError" in done[2**36].stderr
