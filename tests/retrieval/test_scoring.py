"""From vectors to ranks, by whole rows: blocks, ties of equal vectors, and bad scores."""

import warnings

import numpy as np
import pytest
import torch
from mteb.similarity_functions import cos_sim, euclidean_sim

from mteb_hybrid.retrieval.checked import EncoderError
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.ties import TieWarning
from retrieval.test_ranks import pool_of


@pytest.mark.parametrize("memory", [1, 32 * 85, None])
def test_blocks_of_scores_give_the_same_ranks(memory):
    random = np.random.default_rng(0)
    queries, passages = random.integers(0, 3, (7, 4)), random.integers(0, 3, (20, 4))
    ids = [f"p{i}" for i in range(20)]
    qrels = {f"q{i}": {"p3": 1, f"p{i + 5}": 1} for i in range(7)}
    counter, sizes = RankCounter(pool_of(ids), qrels), []
    add = counter.add
    counter.add = lambda scores: (sizes.append(len(scores)), add(scores))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TieWarning)
        count_ranks(counter, queries, passages, dots, memory=memory)
    expected = RankCounter(pool_of(ids), qrels)
    expected.add((queries @ passages.T).astype(np.float32))
    assert counter.result()[0].ranks.tolist() == expected.result()[0].ranks.tolist()
    assert sizes == {1: [1] * 7, 32 * 85: [4, 3], None: [7]}[memory]


@pytest.mark.parametrize(("queries", "passages"), [(1, 3), (3, 3), (2, 2), (0, 3)])
def test_too_few_vectors_are_refused(queries, passages):
    """Not ranked beside what happens to be in memory."""
    counter = RankCounter(pool_of(["a", "b", "c"]), {"q": {"a": 1}, "r": {"b": 1}})
    said = f"{queries} vectors of queries and {passages} of passages; expected 2 and 3"
    with pytest.raises(ValueError, match=said):
        count_ranks(counter, np.ones((queries, 2)), np.ones((passages, 2)), dots)


@pytest.mark.parametrize(
    ("similarity", "said"),
    [
        (lambda q, p: np.full((len(q), len(p)), np.nan), "NaN for 6 pairs"),
        (lambda q, p: (q @ p.T).T, r"scores of shape \(3, 2\) for 2 queries and 3 passages"),
    ],
)
def test_bad_scores_are_refused(similarity, said):
    counter = RankCounter(pool_of(["a", "b", "c"]), {"q": {"a": 1}, "r": {"b": 1}})
    with pytest.raises(EncoderError, match=said):
        count_ranks(counter, np.ones((2, 4)), np.eye(3, 4), similarity)


def dots(q, p):
    return q @ p.T


@pytest.mark.parametrize("similarity", [dots, euclidean_sim, cos_sim])
@pytest.mark.parametrize("queries", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, lambda v: torch.as_tensor(v).half()])
def test_equal_vectors_tie_in_blocks_of_any_size(similarity, queries, kind):
    """A matrix product of a few rows or columns sums some of its columns in another order."""
    random = np.random.default_rng(0)
    asked = kind(random.standard_normal((queries, 384)).astype(np.float32))
    distinct = random.standard_normal((61, 384)).astype(np.float32)
    passages = kind(distinct[np.arange(305) % 61])
    ids = [f"p{i:03}" for i in range(305)]
    counter = RankCounter(pool_of(ids), {f"q{i}": dict.fromkeys(ids, 1) for i in range(queries)})
    if isinstance(asked, np.ndarray) and similarity is not dots:
        asked, passages = torch.as_tensor(asked), torch.as_tensor(passages)
    count_ranks(counter, asked, passages, similarity)
    ranks = counter.result()[0].tied_ranks.reshape(queries, 5, 61)
    assert (ranks == ranks[:, :1]).all()
    for dimensions in (5, 16, 384):
        vectors = [kind(random.standard_normal((n, dimensions))) for n in (queries, 7)]
        vectors[1][:] = vectors[1][0]
        counter = RankCounter(pool_of(ids[:7]), {f"q{i}": {ids[0]: 1} for i in range(queries)})
        with pytest.warns(TieWarning, match="100% of passage vectors"):
            count_ranks(counter, *vectors, dots)
        assert (counter.result()[0].tie_sizes == 7).all()


def test_lists_of_vectors_tie_where_they_are_the_same():
    vectors = [torch.ones(3), torch.zeros(3)]
    counter = RankCounter(pool_of(["a", "b", "c"]), {"q": {"a": 1}, "r": {"b": 1}})
    scores = np.array([[0.1, 0.5], [0.3, 0.1]], dtype=np.float32)
    scores.flags.writeable = False
    passages = [vectors[0], vectors[1], vectors[0]]
    count_ranks(counter, vectors, passages, lambda q, p: scores)
    assert counter.result()[0].tied_ranks.tolist() == [[2.5], [3]]


@pytest.mark.parametrize("collapsed", ["query", "passage"])
def test_a_warning_where_vectors_coincide(collapsed):
    random = np.random.default_rng(0)
    sides = {side: random.standard_normal((200, 8)) for side in ("query", "passage")}
    ids = [f"p{i}" for i in range(200)]
    qrels = {f"q{i}": {"p0": 1} for i in range(200)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", TieWarning)
        sides[collapsed][:9] = 0  # texts that repeat, or read alike
        count_ranks(RankCounter(pool_of(ids), qrels), *sides.values(), dots)
    sides[collapsed][:30] = 0
    with pytest.warns(TieWarning, match=f"14% of {collapsed} vectors coincide"):
        count_ranks(RankCounter(pool_of(ids), qrels), *sides.values(), dots)


def test_merging_that_needs_more_than_it_may_take_is_refused():
    counter = RankCounter(pool_of(["a", "b", "c"]), {"q": {"a": 1}})
    with pytest.raises(EncoderError, match=r"for 3 passages.*--memory"):
        count_ranks(
            counter, np.ones((1, 4)), np.eye(3, 4), dots, lambda scores, _: scores, memory=95
        )


def test_a_view_of_one_tile_is_one_product():
    """Of vectors as they are, not padded; and where there are no queries, there is none."""
    asked, passages, calls = np.eye(3, 4), np.eye(4) * 2, []

    def similarity(q, p):
        calls.append((q.tolist(), p.tolist()))
        return dots(q, p)

    count_ranks(
        RankCounter(pool_of("abcd"), {q: {"a": 1} for q in "xyz"}), asked, passages, similarity
    )
    assert calls == [(asked.tolist(), passages.tolist())]
    count_ranks(RankCounter(pool_of("abcd"), {}), asked[:0], passages, similarity)
    assert len(calls) == 1
