"""Encoding once, and when vectors are shared."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import mteb
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mteb.models import CompressionWrapper
from mteb.types import OutputDType, PromptType
from torch.utils.data import DataLoader

from conftest import HashEncoder
from mteb_hybrid.evaluation import texts as task_texts
from mteb_hybrid.models.load import load_model
from mteb_hybrid.retrieval import embeddings
from mteb_hybrid.retrieval.embeddings import TextVectors, probe_texts

SETTINGS = ("Monolingual", "Crosslingual", "Multilingual")


@pytest.fixture(autouse=True)
def nothing_shared():
    embeddings._shared.clear()


def lengths(texts):
    return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def test_each_unit_is_encoded_once_and_whole():
    asked = []

    def encode(texts):
        asked.append(texts)
        return lengths(texts)

    vectors, one, two = TextVectors(), ("a", "bbb"), ("cc", "a")
    assert vectors.get(["bbb", "bbb"], [one], encode).tolist() == [[3, 1], [3, 1]]
    assert vectors.get(["a", "cc", "bbb"], [one, two], encode).tolist() == [[1, 1], [2, 1], [3, 1]]
    assert vectors.get(["a"], [two], encode).tolist() == [[1, 1]]
    assert asked == [["bbb", "a"], ["cc", "a"]], "longest first"
    assert vectors.get(one, [one], encode) is vectors.get(one, [one], encode)


def test_calls_of_an_executor_are_made_beside_each_other_and_ahead(monkeypatch):
    """The same calls as one after another; the first two wait for each other."""
    monkeypatch.setattr(embeddings, "TEXTS_PER_CALL", 2)
    asked, together = [], threading.Barrier(2, timeout=20)

    def encode(texts):
        asked.append(texts)
        if {"a", "e"} & set(texts):
            together.wait()
        return lengths(texts)

    one, two = ("a", "bb", "ccc"), ("e", "ff")
    with ThreadPoolExecutor(2) as executor:
        vectors = TextVectors(executor=executor)
        vectors.begin([two], encode)
        assert vectors.get(["ccc", "a"], [one], encode).tolist() == [[3, 1], [1, 1]]
        assert vectors.get(["ff"], [two], encode).tolist() == [[2, 1]]
    assert sorted(map(sorted, asked)) == [["a", "bb"], ["ccc"], ["e", "ff"]]


def test_of_an_executor_a_call_that_fails_stops_those_to_come(monkeypatch):
    monkeypatch.setattr(embeddings, "TEXTS_PER_CALL", 1)
    asked, told = [], threading.Event()

    def encode(texts):
        asked.extend(texts)
        if texts == ["a"] and not told.is_set():
            raise LookupError("once")
        told.wait(20)
        return lengths(texts)

    many = tuple("abcdef")
    with ThreadPoolExecutor(1) as executor:
        vectors = TextVectors(executor=executor)
        with pytest.raises(LookupError, match="once"):
            vectors.get(many, [many], encode)
        told.set()
        assert vectors.get(many, [many], encode).tolist() == lengths(many).tolist()
    assert "".join(asked) in ("aabcdef", "ababcdef")


def test_vectors_left_by_a_task_are_used_by_one_with_another_executor():
    def encode(texts):
        return lengths(texts)

    how = (("model", "query"), ("a",), encode, encode)
    with ThreadPoolExecutor(1) as gone:
        vectors = embeddings.shared_vectors(*how, executor=gone)
        vectors.begin([("a", "bb")], encode)
    assert embeddings.shared_vectors(*how) is vectors
    assert vectors.get(["bb"], [("a", "bb")], encode).tolist() == [[2, 1]]


@given(st.data())
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_vectors_are_those_of_their_texts_whatever_was_asked_before(kind, data):
    """Of a model for which all texts of a call matter: repeats, any order, several units."""

    def encode(texts):
        return kind(np.array([[ord(text), hash(tuple(texts))] for text in texts]))

    units = [tuple(unit) for unit in ("abc", "d", "cbe")]
    some = st.lists(st.sampled_from(units), min_size=1, unique=True)
    used = TextVectors()
    for _ in range(data.draw(st.integers(1, 4))):
        of = data.draw(some)
        texts = data.draw(st.lists(st.sampled_from("".join(map("".join, of))), min_size=1))
        found = used.get(texts, of, encode)
        assert found[:, 0].tolist() == [ord(text) for text in texts]
        assert found.tolist() == TextVectors().get(texts, of, encode).tolist()


def test_a_model_that_pads_as_it_is_given_texts_pads_little():
    """Each batch of two costs as much as its longest text."""
    computed = []

    def encode(texts):
        batches = [texts[start : start + 2] for start in range(0, len(texts), 2)]
        computed.extend(len(batch) * max(map(len, batch)) for batch in batches)
        return lengths(texts)

    unit = ("a", "b" * 9, "c", "d" * 9, "e" * 8, "f")
    assert TextVectors().get(unit, [unit], encode)[:, 0].tolist() == [1, 9, 1, 9, 8, 1]
    assert sum(computed) == 18 + 16 + 2, "not 18 + 18 + 16"


def test_three_tasks_share_the_vectors(evaluate, encoder):
    for setting in SETTINGS:
        evaluate(encoder, f"HybridSample{setting}Retrieval")
    distinct = set(encoder.encoded)
    assert len(distinct) == 11 * 52 + 11 * 96
    # Each task encodes 5 probe texts in 2 subsets, for queries and for passages; the first, 2 of
    # them apart. These are encoded again in each subset that has a further language on either side.
    holds = 10 + (9 + 10) + 10
    assert len(encoder.encoded) == len(distinct) + 3 * 5 * 2 * 2 + 2 * 2 + holds * 2 * 2


@given(st.lists(st.text("ab", max_size=30), min_size=1))
def test_probes_are_the_longest_text_and_one_of_each_quarter(texts):
    probe = probe_texts(pl.Series(texts))
    assert probe == probe_texts(pl.Series(sorted(texts))) and len(set(probe)) == len(probe)
    ordered = sorted(set(texts), key=lambda text: (len(text), text))
    assert probe[0] == ordered[-1]
    if len(ordered) > 8:
        quarters = [ordered.index(text) * 4 // len(ordered) for text in probe[1:]]
        assert quarters == [3, 2, 1, 0]


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


@pytest.mark.parametrize("other", [False, True])
def test_a_task_that_is_evaluated_again_forgets_what_it_knew(encoder, other):
    """By the same model, trained on, or by another one; the same subset or another."""
    task = mteb.get_task("HybridSampleMonolingualRetrieval", hf_subsets=["en-en", "de-de"])

    def score(model, subset):
        return task.evaluate(model, subsets_to_run=[subset], encode_kwargs={})[subset]["map"]

    score(encoder, "en-en")
    changed = HashEncoderByLength(name="test/other") if other else encoder
    changed.vector = HashEncoderByLength().vector
    found = [score(changed, subset) for subset in ("de-de", "en-en")]
    task.unload_data()
    embeddings._shared.clear()
    assert found[-1] == score(HashEncoderByLength(), "en-en")
    assert found[0] == score(HashEncoderByLength(), "de-de")


class Biased(HashEncoder):
    """Whose vectors lie far apart by whether a text has letters of ASCII alone."""

    def vector(self, text, hf_subset, task_metadata):
        away = 9 if text.isascii() else 0
        return super().vector(text, hf_subset, task_metadata) + np.float32(away)


class SharedOut(CompressionWrapper):
    """Which parts large calls, unless it is told not to, as `RayEncoder` does."""

    encode_whole = CompressionWrapper.encode

    def encode(self, inputs, **options):
        texts, middle = inputs.dataset, len(inputs.dataset) // 2
        halves = (
            [range(middle), range(middle, len(texts))] if len(texts) > 9 else [range(len(texts))]
        )
        loaders = [DataLoader(texts.select(half), batch_size=32) for half in halves]
        return np.concatenate([super(SharedOut, self).encode(x, **options) for x in loaders])


def test_vectors_scaled_by_their_batch_are_as_on_the_path_of_mteb(evaluate):
    """Scaled language by language, the bias between languages would be gone."""
    name, subset = "HybridSampleMultilingualRetrieval", "en-multi"
    found, stock = (
        evaluate(made(Biased(), OutputDType.INT8), name, [subset], stock)[subset]
        for made, stock in ((SharedOut, False), (CompressionWrapper, True))
    )
    for measure in ("ndcg_at_10", "map_at_1000", "recall_at_100", "mrr_at_10"):
        assert found[measure] == pytest.approx(stock[measure], abs=1e-5)
    assert found["rank_distance"] == pytest.approx(stock["rank_distance"], rel=0.02)


class Padded(HashEncoder):
    """Whose vectors move a little with the size of the call, as those of quantised layers do."""

    def encode(self, inputs, **kwargs):
        vectors = super().encode(inputs, **kwargs)
        if len(vectors) % 2:
            vectors[:, 0] += 0.15 * np.linalg.norm(vectors, axis=1)
        return vectors


def test_vectors_that_padding_moves_are_shared(evaluate):
    encoder = Padded()
    evaluate(encoder, "HybridSampleMultilingualRetrieval", ["en-multi", "de-multi"])
    assert max(Counter(encoder.encoded).values()) <= 5, "probes four times, and once with the rest"


@pytest.fixture
def tiny(tiny_model):
    return load_model(str(tiny_model))


def shorten(model):
    model.model.max_seq_length = 20


def pool(model):
    model.model[1].pooling_mode = "max"


def prompt(model):
    model.model.prompts["query"] = "query: "
    model.model_prompts = {"query": "query: ", "document": ""}


def truncate(model):
    model.model.truncate_dim = 8


def halve(model):
    model.model.to(torch.bfloat16)


def train(model):
    """Only on words that few texts have."""
    weight = model.model[0].model.embeddings.word_embeddings.weight
    token = model.model.tokenizer.convert_tokens_to_ids("##z")
    weight.data[token] += 1


@pytest.mark.parametrize(
    "change",
    [
        *(prompt, truncate, train),
        *(pytest.param(other, marks=pytest.mark.soak) for other in (shorten, pool, halve)),
    ],
)
def test_a_model_that_was_changed_in_between_is_encoded_anew(evaluate, tiny, tiny_model, change):
    """The scores are those of a process that never saw the model as it was."""
    tasks = "HybridSampleMonolingualRetrieval", "HybridSampleCrosslingualRetrieval"
    evaluate(tiny, tasks[0], ["en-en"])
    change(tiny)
    found = evaluate(tiny, tasks[1], ["en-es"])
    embeddings._shared.clear()
    other = load_model(str(tiny_model))
    change(other)
    assert json.dumps(found) == json.dumps(evaluate(other, tasks[1], ["en-es"]))
    evaluate(load_model(str(tiny_model)), tasks[0], ["en-en"])


def test_what_a_model_says_of_itself_parts_what_no_probe_would(evaluate, tiny, monkeypatch):
    """As where only a text that is no probe is longer than the model reads."""
    monkeypatch.setattr(task_texts, "probe_texts", lambda texts: ("a",))
    for change in (shorten, pool, prompt, truncate, halve):
        before = set(embeddings._shared)
        evaluate(tiny, "HybridSampleMonolingualRetrieval", ["en-en"])
        assert not before & set(embeddings._shared)
        change(tiny)


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
        SETTINGS, (["en-en", "de-de"], ["en-de", "zh-vi"], ["en-multi", "de-multi"]), strict=True
    ):
        name = f"HybridSample{setting}Retrieval"
        fast, stock = (evaluate(encoder, name, subsets, stock=stock) for stock in (False, True))
        for subset in fast:
            assert fast[subset]["ndcg_at_10"] == stock[subset]["ndcg_at_10"]
            assert fast[subset]["map_at_100"] == stock[subset]["map_at_100"]


class ReadsOtherSide(HashEncoder):
    """As "find a German passage" for a query; of some languages alone, like a router."""

    routed: frozenset[str]

    def encode(self, inputs, *, hf_subset, prompt_type=None, **kwargs):
        language = hf_subset.split("-")[prompt_type is PromptType.query]
        texts = [text for batch in inputs for text in batch["text"]]
        if language in self.routed:
            texts = [f"{language} {text}" for text in texts]
        return super().encode(
            [{"text": texts}], hf_subset=hf_subset, prompt_type=prompt_type, **kwargs
        )


MANY = ["en-de", "en-zh", "de-zh", "zh-en", "zh-de"]
LAST = ["ar-vi", "zh-en", "zh-vi"]
"""With the last of the task, whose passages are the first's."""


@pytest.mark.parametrize(
    ("routed", "subsets"),
    [
        (["de"], MANY),
        (["ar", "de", "en", "vi", "zh"], LAST),
        pytest.param(["zh"], MANY, marks=pytest.mark.soak),
        pytest.param(["zh"], LAST, marks=pytest.mark.soak),
        pytest.param(["de"], LAST, marks=pytest.mark.soak),
        pytest.param(["ar", "de", "en", "vi", "zh"], MANY, marks=pytest.mark.soak),
    ],
)
def test_a_model_that_reads_the_languages_of_the_other_side(routed, subsets, evaluate):
    encoder, name = ReadsOtherSide(dimensions=8), "HybridSampleCrosslingualRetrieval"
    encoder.routed = frozenset(routed)
    together = evaluate(encoder, name, subsets)
    for subset, stock in evaluate(encoder, name, subsets, stock=True).items():
        alone = evaluate(encoder, name, [subset])[subset]
        for score in ("ndcg_at_10", "map_at_100"):
            assert together[subset][score] == alone[score] == stock[score]
    pools = ["en-multi", "zh-multi", "de-multi"]
    name = "HybridSampleMultilingualRetrieval"
    together = evaluate(encoder, name, pools)
    for subset, stock in evaluate(encoder, name, pools, stock=True).items():
        assert together[subset]["ndcg_at_10"] == stock["ndcg_at_10"]


class ReadsOwnSide(HashEncoder):
    """Has a prompt for texts of some languages, which it knows by the subset's name."""

    routed: frozenset[str]

    def encode(self, inputs, *, hf_subset, prompt_type=None, **kwargs):
        language = hf_subset.split("-")[prompt_type is not PromptType.query]
        texts = [text for batch in inputs for text in batch["text"]]
        if language in self.routed:
            texts = [f"{language} {text}" for text in texts]
        return super().encode(
            [{"text": texts}], hf_subset=hf_subset, prompt_type=prompt_type, **kwargs
        )


@pytest.mark.parametrize(
    "routed",
    [["de", "vi"], *(pytest.param([one], marks=pytest.mark.soak) for one in ("zh", "en"))],
)
def test_a_model_that_reads_the_language_of_its_own_side(routed, evaluate, caplog):
    encoder = ReadsOwnSide(dimensions=8)
    encoder.routed = frozenset(routed)
    asked = {
        "Crosslingual": ["en-de", "en-zh", "de-zh", "zh-en", "vi-zh"],
        "Multilingual": ["en-multi", "zh-multi", "de-multi"],
        "Monolingual": ["en-en", "zh-zh", "vi-vi"],
    }
    for order in (asked, dict(reversed(asked.items()))):
        embeddings._shared.clear()
        for setting, subsets in order.items():
            name = f"HybridSample{setting}Retrieval"
            found = evaluate(encoder, name, subsets)
            for subset, stock in evaluate(encoder, name, subsets, stock=True).items():
                for score in ("ndcg_at_10", "map_at_100"):
                    assert found[subset][score] == stock[score], (subset, score)


class ReadsSubsetALittle(HashEncoder):
    """As where the prompt names the languages, and the text is long."""

    def vector(self, text, hf_subset, task_metadata):
        vector = super().vector(text, hf_subset, task_metadata)
        return vector + 0.001 * super().vector(hf_subset, hf_subset, task_metadata)


def test_a_model_that_reads_the_subset_is_no_noisy_one(evaluate):
    encoder = ReadsSubsetALittle()
    evaluate(encoder, "HybridSampleMonolingualRetrieval", ["en-en", "de-de"])
    assert not embeddings._shared


class ReadsBatch(HashEncoder):
    """Its vectors depend a little on all texts of a call, and on their order."""

    def encode(self, inputs, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        together = super().vector("\0".join(texts), "", None)
        return super().encode([{"text": texts}], **kwargs) + 0.01 * together


@pytest.mark.parametrize("reads", ["batches", "words"])
def test_scores_do_not_depend_on_what_was_evaluated_before(evaluate, reads, tiny_model):
    """A run that was killed and goes on, or chooses subsets, or another order: bit for bit."""
    runs = {
        "Multilingual": ["en-multi", "de-multi"],
        "Monolingual": ["en-en", "de-de", "es-es"],
        "Crosslingual": ["de-en", "en-de", "es-en"],
    }

    def model():
        embeddings._shared.clear()
        return ReadsBatch() if reads == "batches" else load_model(str(tiny_model))

    whole, alone = model(), {}
    for setting, subsets in runs.items():
        name = f"HybridSample{setting}Retrieval"
        alone |= {(name, x): json.dumps(evaluate(model(), name, [x])[x]) for x in subsets}
    embeddings._shared.clear()
    for setting, subsets in reversed(runs.items()):
        name = f"HybridSample{setting}Retrieval"
        for subset, scores in evaluate(whole, name, subsets[::-1]).items():
            assert json.dumps(scores) == alone[name, subset]


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
    # Two tasks, queries and passages: 5 probe texts in 2 subsets, and once more in the first;
    # the first task, 2 of them apart, and again in its second subset.
    assert len(encoder.encoded) == 2 * (52 + 96) + 2 * 2 * 5 * 3 + 2 * 2 * 2


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ([0, 0], True),
        ([1e-6, 0], True),
        ([1e-6, 1e-6], False),
        ([1, 0], False),
        ([0.03, 0.03 + 1e-9], False),  # depends on the subset, and hardly on chance
    ],
)
def test_vectors_hold_where_a_change_is_chance(changes, holds):
    left = list(changes)
    vectors = TextVectors(probe=(("a",), np.ones((1, 2)), 0.0))
    assert vectors.hold(lambda texts: np.ones((1, 2)) + left.pop(0)) is holds


def test_options_that_change_vectors_are_kept_apart(encoder):
    for options in ({"show_progress_bar": False}, {"batch_size": 8}, {"precision": "int8"}, {}):
        task = mteb.get_task("HybridSampleMonolingualRetrieval", hf_subsets=["en-en"])
        mteb.evaluate(encoder, task, cache=None, encode_kwargs=dict(options))
    # Without a choice of its own, MTEB gives a batch size.
    assert min(Counter(encoder.encoded).values()) == 3


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, lambda v: v])
def test_vectors_of_any_kind(kind):
    vectors = TextVectors()
    for texts in (("a", "bb"), ("bb", "a")):
        got = vectors.get(texts, [("a",), ("bb",)], lambda texts: kind(lengths(texts).tolist()))
    assert np.asarray(got).tolist() == [[2, 1], [1, 1]]
