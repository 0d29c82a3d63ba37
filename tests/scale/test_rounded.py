"""Vectors in fewer bits: how near they stay, how they are kept, and what is said of the loss."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation import rounding
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.rounding import Side, rounding_loss
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import STORE_VARIABLE, VECTORS_VARIABLE
from mteb_hybrid.models.encoding import Backend, encoding_as
from mteb_hybrid.retrieval import embeddings
from mteb_hybrid.retrieval.parts import Parts
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.scale.rounded import Rounded
from mteb_hybrid.scale.shard import StoreError
from mteb_hybrid.scale.store import EmbeddingStore, opened

ABOUT = {"model": "a/model", "revision": "1", "prompt_type": "query", "options": "", "says": ""}
TASKS = select_tasks(["HybridSampleMultilingualRetrieval"], query_languages=["en"])


@pytest.fixture(autouse=True)
def nothing_shared():
    embeddings._shared.clear()


@given(arrays(np.float32, (3, 4), elements=st.floats(-6e4, 6e4, width=32)))
def test_rounding_is_no_further_than_its_bits(rows):
    near = Rounded.of(rows, "float16")[:]
    assert near.dtype == np.float32
    # Half a unit in the last of 11 bits; below the normal range, half the smallest number.
    assert (np.abs(near - rows) <= np.abs(rows) * 2.0**-11 + 2.0**-25).all()
    largest = np.abs(rows).max(axis=1, keepdims=True)
    by_scale = Rounded.of(rows, "int8")[:]
    assert (np.abs(by_scale - rows) <= largest / 127 * 0.5001 + 1e-30).all()


def test_what_float16_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="7e\\+04, too large for float16; keep vectors as"):
        Rounded.of(np.array([[7e4, 1]], np.float32), "float16")


def test_numbers_at_the_ends_of_float32():
    small = np.array([[2.7e-43, -2.7e-43], [0, 0]], np.float32)
    assert np.abs(Rounded.of(small, "int8")[:] - small).max() < 1e-38
    for precision in ("int8", "float16"):
        with pytest.raises(ValueError, match="no finite number of float32"):
            Rounded.of(np.array([[1e300, 1]]), precision)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_store_keeps_them_apart(tmp_path, kind, precision):
    rows = kind(np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32))
    store, texts = EmbeddingStore(tmp_path / "s"), ("a", "b", "c")
    exact = store.keeper(ABOUT, ["p"], rows[:1])(texts, lambda: rows)
    keep = store.keeper(ABOUT, ["p"], rows[:1], precision)
    for _ in range(2):
        kept = keep(texts, lambda: rows)
        taken = Parts([kept], np.array([2, 0])).take(np.array([0, 1]))
        assert type(taken) is type(rows) and taken.dtype == rows.dtype
        expected = Rounded.of(rows, precision)[[2, 0]]
        assert np.array_equal(np.asarray(taken), np.asarray(expected))
        assert not kept.values.flags.owndata  # they stay in the file
    assert np.array_equal(np.asarray(exact), np.asarray(rows))
    dtypes = {space.about["dtype"] for space in opened(store.folder).spaces}
    assert dtypes == {"float32", f"float32, kept as {precision}"}


def test_a_flipped_bit_of_a_scale_is_found(tmp_path):
    rows = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    texts = tuple(map(str, range(40)))
    keep = EmbeddingStore(tmp_path / "s").keeper(ABOUT, ["p"], rows[:1], "int8")
    scales = keep(texts, lambda: rows).scales
    (file,) = tmp_path.glob("s/*/*.arrow")
    content = bytearray(file.read_bytes())
    content[content.index(np.asarray(scales).tobytes())] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreError, match="checksum"):
        keep(texts, lambda: rows)


def run(folder, encoder, monkeypatch, precision):
    embeddings._shared.clear()
    monkeypatch.setenv(STORE_VARIABLE, str(folder / "store"))
    monkeypatch.setenv(VECTORS_VARIABLE, precision)
    found = evaluate(encoder, TASKS, folder / precision)
    (file,) = found.glob("**/HybridSample*.json")
    (scores,) = json.loads(file.read_bytes())["scores"]["test"]
    return scores


def test_the_loss_is_that_of_the_view(tmp_path, monkeypatch):
    """The sample that is measured on is this whole view."""
    encoder = HashEncoder(6)
    exact = run(tmp_path, encoder, monkeypatch, "float32")
    encoded = len(encoder.encoded)
    rounded = run(tmp_path, encoder, monkeypatch, "int8")
    assert len(encoder.encoded) - encoded < 40  # probes; the store has the exact ones
    assert rounded["map"] != exact["map"]
    assert rounded["rounding_map"] == pytest.approx(rounded["map"] - exact["map"], abs=1e-12)
    assert rounded["rounding_rank_distance"] == pytest.approx(
        rounded["rank_distance"] - exact["rank_distance"], abs=1e-9
    )
    assert 0 < rounded["rounding_mean_score_error"] < rounded["rounding_score_error"] < 0.5
    assert not any(key.startswith("rounding_") for key in exact)


@pytest.mark.parametrize("names_itself", [False, True])
def test_what_is_kept_unrounded_is_not_encoded_again(tmp_path, monkeypatch, names_itself):
    """Beyond the first call too, whether or not the model has a name of its own then."""
    monkeypatch.setattr(embeddings, "TEXTS_PER_CALL", 40)
    encoder = HashEncoder(6)
    run(tmp_path, encoder, monkeypatch, "float32")
    encoded = len(encoder.encoded)
    if names_itself:
        encoder = encoding_as(encoder, Backend.TORCH, None, "int8")
    assert run(tmp_path, encoder, monkeypatch, "int8")["rounding_queries"] > 0
    assert len(encoder.encoded) - encoded < 40  # probes
    (name,) = {
        space.about["model"]
        for space in opened(tmp_path / "store").spaces
        if "int8" in space.about["dtype"]
    }
    assert name == ("test/hash (vectors=int8)" if names_itself else "test/hash")


def test_what_float16_holds_loses_nothing(tmp_path, monkeypatch):
    encoder = HashEncoder(levels=3)
    exact = run(tmp_path, encoder, monkeypatch, "float32")
    rounded = run(tmp_path, encoder, monkeypatch, "float16")
    loss = {key: rounded.pop(key) for key in list(rounded) if key.startswith("rounding_")}
    assert rounded == exact
    assert loss.pop("rounding_queries") > 0 and set(loss.values()) == {0.0} and len(loss) == 4


def test_bad_precisions_say_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv(VECTORS_VARIABLE, "int4")
    with pytest.raises(DataError, match=r"'int4' is no precision.*float32, float16, int8"):
        evaluate(HashEncoder(), TASKS, tmp_path)
    monkeypatch.setenv(VECTORS_VARIABLE, "int8")
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    with pytest.raises(DataError, match=f"--store or {STORE_VARIABLE}"):
        evaluate(HashEncoder(), TASKS, tmp_path)
    with pytest.raises(ValueError, match="in which store"):
        CliRunner().invoke(
            app, ["run", "-m", "m", "sample", "--vectors", "int8"], catch_exceptions=False
        )


@pytest.mark.parametrize("told", ["by option", "by variable"])
def test_results_of_rounded_vectors_are_filed_apart(told, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv(VECTORS_VARIABLE, "int8" if told == "by variable" else "")
    command = ["run", "-m", str(tiny_model), "sample", "--setting", "monolingual", "-o"]
    command += [str(tmp_path), "--query-language", "en"]
    option = ["--vectors", "int8"] if told == "by option" else []
    CliRunner().invoke(app, [*command, *option], catch_exceptions=False)
    monkeypatch.setenv(VECTORS_VARIABLE, "float32")
    CliRunner().invoke(app, command, catch_exceptions=False)
    found = sorted(file.parent for file in tmp_path.rglob("*MonolingualRetrieval.json"))
    (plain, apart) = found
    assert apart == plain / "experiments" / "vectors_int8"


def test_rounded_vectors_are_exported_not_the_exact_ones_beside_them(
    tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    command = ["run", "-m", str(tiny_model), "sample", "--setting", "multilingual", "-o"]
    for kept in ("int8", "float32"):
        monkeypatch.setenv(VECTORS_VARIABLE, kept)
        CliRunner().invoke(app, [*command, str(tmp_path)], catch_exceptions=False)
    store, name = str(tmp_path / "store"), f"local/{tiny_model.name}"
    for model, out in ((name, "exact"), (f"{name} (vectors=int8)", "rounded")):
        export = ["store", "export", store, "sample", "-m", model, "-o", str(tmp_path / out)]
        CliRunner().invoke(app, export, catch_exceptions=False)
    exact, rounded = (np.load(tmp_path / x / "passages.npy") for x in ("exact", "rounded"))
    scale = np.abs(exact).max(axis=1, keepdims=True) / 127
    assert np.abs(exact - rounded).max() > 0 and (np.abs(exact - rounded) <= scale).all()


def test_what_was_encoded_before_a_store_was_named_is_kept_in_it(tmp_path, monkeypatch):
    """Vectors are shared in a process only where they are kept alike."""
    encoder = HashEncoder()
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    evaluate(encoder, TASKS, tmp_path / "without")
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    evaluate(encoder, TASKS, tmp_path / "with")
    assert len(opened(tmp_path / "store").spaces) == 2


def test_the_loss_where_queries_are_passages_leaves_each_query_out():
    exact = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.4]])
    kept = exact[[0, 2, 1]]
    pool = Pool(["q", "answer", "other"], ["en", "de", "de"], ("en", "de"))
    asking = Side(["q"], exact[:1], np.array([0]), exact[:1])
    answering = Side(pool.ids, kept, np.arange(3), exact)
    loss = rounding_loss(
        *(asking, answering, pool, {"q": {"answer": 1}}, "en", lambda a, b: a @ b.T),
        ignore_identical_ids=True,
    )
    assert loss["rounding_map"] == pytest.approx(1 / 2 - 1)


def test_the_loss_where_a_query_answers_another_leaves_each_out():
    """As captions of one image do: "q" and "r", which both answer it."""
    exact = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])
    kept = exact[[0, 2, 1]]
    pool = Pool(["q", "r", "other"], ["en", "en", "de"], ("en", "de"))
    asking = Side(["q", "r"], exact[:2], np.arange(2), exact[:2])
    answering = Side(pool.ids, kept, np.arange(3), exact)
    qrels = {"q": {"r": 1}, "r": {"q": 1}}
    loss = rounding_loss(
        *(asking, answering, pool, qrels, "en", lambda a, b: a @ b.T), ignore_identical_ids=True
    )
    # Alone, "r" rises to the first place for "q" by kept vectors, and "q" stays second for "r".
    assert loss["rounding_map"] == pytest.approx((1 + 1 / 2) / 2 - (1 / 2 + 1 / 2) / 2)


def test_the_loss_is_measured_on_passages_of_every_language(monkeypatch):
    monkeypatch.setattr(rounding, "PASSAGES", 7)
    languages = ["en"] * 12 + ["de"] * 12
    pool = Pool([f"{i:02}" for i in range(24)], languages, ("en", "de"))
    vectors = np.ones((24, 2))
    asking, answering = (
        Side(["q"], vectors[:1], np.array([0]), vectors[:1]),
        Side(pool.ids, vectors, np.arange(24), vectors),
    )
    searched = []
    counter = rounding.RankCounter
    monkeypatch.setattr(
        *(rounding, "RankCounter"),
        lambda some, *a, **b: searched.append(some) or counter(some, *a, **b),
    )
    view = asking, answering, pool, {"q": {"00": 1}}, "en"
    assert rounding_loss(*view, lambda a, b: a @ b.T, True)["rounding_queries"] == 1
    assert searched[0].passage_languages == ["en"] * 4 + ["de"] * 3


class ReadsSubset(HashEncoder):
    def vector(self, text, hf_subset, task_metadata):
        return super().vector(f"{hf_subset} {text}", hf_subset, task_metadata)


def test_vectors_that_are_not_kept_are_rounded_all_the_same(tmp_path, monkeypatch):
    """Results are filed as of rounded vectors."""

    class Rounding(ReadsSubset):
        def encode(self, *args, **options):
            return Rounded.of(super().encode(*args, **options).astype(np.float32), "int8")[:]

    expected = run(tmp_path / "own", Rounding(6), monkeypatch, "float32")
    found = run(tmp_path / "ours", ReadsSubset(6), monkeypatch, "int8")
    assert found == expected
    assert found["map"] != run(tmp_path / "exact", ReadsSubset(6), monkeypatch, "float32")["map"]


class NeverAlike(HashEncoder):
    """Whose probes differ each time, and whose calls are made ahead, as on Ray."""

    calls = 0

    def __init__(self, dimensions):
        super().__init__(dimensions)
        self.executor = ThreadPoolExecutor(1)

    def encode(self, *args, **options):
        self.calls += 1
        vectors = super().encode(*args, **options)
        return vectors * (1 + self.calls % 5 / 100 * (len(vectors) <= 5))


def test_vectors_that_are_not_kept_but_made_ahead_are_rounded_too(tmp_path, monkeypatch):
    assert "rounding_queries" not in run(tmp_path, NeverAlike(6), monkeypatch, "int8")
    for shared in embeddings._shared.values():
        for vectors in shared.vectors._units.values():
            assert np.allclose(vectors, Rounded.of(vectors, "int8")[:], rtol=1e-5)
