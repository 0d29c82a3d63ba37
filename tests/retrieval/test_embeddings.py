"""Encoding once, when vectors are shared, and models whose vectors cannot be ranked."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers.util import cos_sim, euclidean_sim

from conftest import HashEncoder
from mteb_hybrid.retrieval import embeddings as retrieval
from mteb_hybrid.retrieval.embeddings import EncoderError, TextVectors, checked_vectors
from mteb_hybrid.retrieval.rank_counter import RankCounter, count_ranks
from mteb_hybrid.retrieval.ties import TieWarning
from retrieval.test_ranks import pool_of

SETTINGS = ("Monolingual", "Crosslingual", "Multilingual")


@pytest.fixture(autouse=True)
def nothing_shared():
    retrieval._shared.clear()


def lengths(texts):
    return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def test_each_text_is_encoded_once():
    asked = []

    def encode(texts):
        asked.append(texts)
        return lengths(texts)

    vectors = TextVectors()
    assert vectors.get(["a", "bbb", "a"], encode).tolist() == [[1, 1], [3, 1], [1, 1]]
    assert vectors.get(["cc", "bbb"], encode).tolist() == [[2, 1], [3, 1]]
    assert vectors.get(["a"], encode).tolist() == [[1, 1]]
    assert asked == [["a", "bbb"], ["cc"]]


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=5))
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_vectors_are_those_of_their_texts_whatever_was_asked_before(kind, requests):
    """Repeats, any order, and texts of several requests together."""
    vectors, encoded = TextVectors(), []

    def encode(texts):
        encoded.extend(texts)
        return kind(np.array([[ord(text), 1.0] for text in texts]))

    for texts in requests:
        found = vectors.get(texts, encode)
        assert found[:, 0].tolist() == [ord(text) for text in texts]
    assert len(encoded) == len(set(encoded))


def test_three_tasks_share_the_vectors(evaluate, encoder):
    for setting in SETTINGS:
        evaluate(encoder, f"HybridSample{setting}Retrieval")
    distinct = set(encoder.encoded)
    assert len(distinct) == 11 * 52 + 11 * 96
    # Each task encodes 2 probe texts in 2 subsets, for queries and for passages.
    assert len(encoder.encoded) == len(distinct) + 3 * 2 * 2 * 2


def test_another_model_starts_anew(evaluate):
    first, second = HashEncoder(), HashEncoder(name="test/other")
    for encoder in (first, second, first):
        evaluate(encoder, "HybridSampleMonolingualRetrieval", ["en-en", "de-de"])
    assert len(second.encoded) >= 2 * (52 + 96)
    assert len(first.encoded) >= 2 * len(second.encoded)


def test_a_model_that_was_trained_in_between_is_encoded_anew(evaluate, encoder):
    name = "HybridSampleMonolingualRetrieval"
    before = evaluate(encoder, name, ["en-en"])["en-en"]["map"]
    encoder.vector = lambda text, *_: np.array([len(text), -1.0])
    after = evaluate(encoder, name, ["en-en"])["en-en"]["map"]
    assert after == evaluate(HashEncoderByLength(), name, ["en-en"])["en-en"]["map"] != before


class HashEncoderByLength(HashEncoder):
    def vector(self, text, hf_subset, task_metadata):
        return np.array([len(text), -1.0])


class ReadsSubset(HashEncoder):
    """Puts the subset's name before every text."""

    def vector(self, text, hf_subset, task_metadata):
        return super().vector(f"{hf_subset} {text}", hf_subset, task_metadata)


class ReadsTask(HashEncoder):
    """Has a prompt of its own for every task."""

    def vector(self, text, hf_subset, task_metadata):
        return super().vector(f"{task_metadata.name} {text}", hf_subset, task_metadata)


@pytest.mark.parametrize("model", [ReadsSubset, ReadsTask])
def test_vectors_that_depend_on_the_subset_or_the_task_are_not_shared(model, evaluate):
    encoder = model(dimensions=8)
    for setting, subsets in zip(
        SETTINGS, (["en-en", "de-de"], ["en-de", "zh-vi"], None), strict=True
    ):
        name = f"HybridSample{setting}Retrieval"
        fast, stock = (evaluate(encoder, name, subsets, stock=stock) for stock in (False, True))
        for subset in fast:
            assert fast[subset]["ndcg_at_10"] == stock[subset]["ndcg_at_10"]
            assert fast[subset]["map_at_100"] == stock[subset]["map_at_100"]


class Noisy(HashEncoder):
    """Never answers twice alike."""

    random = np.random.default_rng(0)

    def vector(self, text, hf_subset, task_metadata):
        vector = super().vector(text, hf_subset, task_metadata)
        return vector * (1 + 0.001 * self.random.standard_normal(self.dimensions))


def test_a_noisy_model_is_encoded_once_all_the_same(evaluate):
    encoder = Noisy()
    evaluate(encoder, "HybridSampleMonolingualRetrieval", ["en-en", "de-de"])
    evaluate(encoder, "HybridSampleCrosslingualRetrieval", ["en-de"])
    assert len(encoder.encoded) == 2 * (52 + 96) + 2 * 2 * 2 * 2


def test_options_that_change_vectors_are_kept_apart(encoder):
    import mteb

    for options in ({"batch_size": 8}, {"batch_size": 16}, {"precision": "int8"}):
        task = mteb.get_task("HybridSampleMonolingualRetrieval", hf_subsets=["en-en"])
        mteb.evaluate(encoder, task, cache=None, encode_kwargs=dict(options))
    assert encoder.encoded.count(encoder.encoded[-1]) == 2


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros(3), r"shape \(3,\) for 3 texts; expected \(3, dimensions\)"),
        (np.zeros((2, 4)), r"shape \(2, 4\)"),
        (torch.zeros(3, 4, 5), r"shape \(3, 4, 5\)"),
        (np.array([[0, 1], [np.nan, 1], [0, 1]]), "infinity for 1 of 3 texts; the first is 'b'"),
        (torch.tensor([[0, 1], [0, 1], [torch.inf, 1]]), "the first is 'c'"),
        (torch.full((3, 2), torch.nan, dtype=torch.bfloat16), "3 of 3 texts"),
    ],
)
def test_bad_vectors_are_refused(vectors, said):
    with pytest.raises(EncoderError, match=said):
        checked_vectors(vectors, ["a", "b", "c"])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, lambda v: v])
def test_vectors_of_any_kind(kind):
    vectors = TextVectors()
    for text in ("a", "bb"):
        got = vectors.get([text, "a"], lambda texts: kind(lengths(texts).tolist()))
    assert np.asarray(got).tolist() == [[2, 1], [1, 1]]


def test_blocks_of_scores_give_the_same_ranks(monkeypatch):
    random = np.random.default_rng(0)
    queries, passages = random.integers(0, 3, (7, 4)), random.integers(0, 3, (20, 4))
    ids = [f"p{i}" for i in range(20)]
    qrels = {f"q{i}": {"p3": 1, f"p{i + 5}": 1} for i in range(7)}
    results = []
    for limit in (1, 85, 10**6):
        monkeypatch.setattr(retrieval, "SCORES_IN_MEMORY", limit)
        counter, sizes = RankCounter(pool_of(ids), qrels), []

        def similarity(q, p, sizes=sizes):
            sizes.append(len(q))
            return q @ p.T

        count_ranks(counter, queries, passages, similarity)
        results.append(counter.result()[0].ranks.tolist())
        assert sizes == {1: [3, 4], 85: [3, 4], 10**6: [7]}[limit]
    assert results[0] == results[1] == results[2]


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
        count_ranks(counter, np.ones((2, 4)), np.ones((3, 4)), similarity)


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
    scores = np.array([[0.1, 0.5, 0.2], [0.3, 0.1, 0.4]], dtype=np.float32)
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
