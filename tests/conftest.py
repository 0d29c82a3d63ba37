"""Shared fixtures. The tests need no network, no GPU, and no data beside the embedded sample."""

import hashlib
import os
from pathlib import Path

# Before anything imports huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# One thread for each of the processes that run tests side by side, and for those that they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Models that whoever runs the tests has registered are not the tests' business.
os.environ["MTEB_HYBRID_MODELS"] = os.devnull
# Nor are their cards, translated and rewritten queries, which would give more subsets and tasks:
# what needs data asks for the fixture `real_data`. Worker processes are told by the other variable.
os.environ.pop("MTEB_HYBRID_TASKS", None)
os.environ["XDG_DATA_HOME"] = os.devnull
os.environ.setdefault("TESTS_MTEB_HYBRID_DATA", os.environ.pop("MTEB_HYBRID_DATA", ""))

import mteb
import numpy as np
import pytest
import torch
from mteb.models.search_wrappers import SearchEncoderWrapper

from mteb_hybrid import plugin
from mteb_hybrid.cards.card import read_card
from mteb_hybrid.cards.catalogue import card_folder, task_cards

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ["TESTS_MTEB_HYBRID_DATA"] or ROOT.parent / "shared" / "data")
torch.set_num_threads(1)
plugin.register()


class HashEncoder:
    """An MTEB encoder whose vectors depend on the text alone.

    With `levels` given, components are small integers, so that many scores tie exactly.
    """

    def __init__(self, dimensions: int = 16, levels: int | None = None, name: str = "test/hash"):
        self.dimensions, self.levels = dimensions, levels
        self.mteb_model_meta = mteb.models.ModelMeta.create_empty(
            {"name": name, "revision": f"{dimensions}-{levels}"}
        )
        self.encoded: list[tuple[str, str]] = []

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        self.encoded += [(prompt_type.value, text) for text in texts]
        return np.stack([self.vector(text, hf_subset, task_metadata) for text in texts])

    def vector(self, text, hf_subset, task_metadata):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        random = np.random.default_rng(seed)
        if self.levels is None:
            return random.standard_normal(self.dimensions).astype(np.float32)
        return random.integers(0, self.levels, self.dimensions).astype(np.float32)

    def similarity(self, first, second):
        return torch.as_tensor(first) @ torch.as_tensor(second).T

    def similarity_pairwise(self, first, second):
        return (torch.as_tensor(first) * torch.as_tensor(second)).sum(-1)


@pytest.fixture(autouse=True)
def environment_as_it_was():
    """Commands hand their options on by variables, which end with a process and not with a test."""
    before = {name: said for name, said in os.environ.items() if name.startswith("MTEB_HYBRID_")}
    yield
    for name in [name for name in os.environ if name.startswith("MTEB_HYBRID_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture(scope="session")
def sample_card():
    return task_cards()["HybridSample"]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data, where it is at hand: a folder laid out as MTEB_HYBRID_DATA expects."""
    if not (DATA / "lareqa").is_dir():
        pytest.skip("needs XQuAD-R and MLQA-R: set MTEB_HYBRID_DATA")
    return DATA


@pytest.fixture
def real_data(data_folder, monkeypatch) -> Path:
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(data_folder))
    return data_folder


@pytest.fixture
def evaluate():
    """Evaluate a model on a task (or its name) through MTEB; returns ``{subset: scores}``."""

    def run(model, task, subsets=None, stock=False):
        if isinstance(task, str):
            task = mteb.get_task(task, hf_subsets=subsets)
        if stock:  # search models take MTEB's own path
            model = SearchEncoderWrapper(model)
        result = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
        (scores,) = result.task_results[0].scores.values()
        return {row["hf_subset"]: row for row in scores}

    return run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder with a minute untrained sentence-transformers model."""
    return write_tiny_model(tmp_path_factory.mktemp("models"))


def write_tiny_model(folder) -> Path:
    """Write that model, below a folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    characters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{c}" for c in characters)]
    tokenizer = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]"
    ).save_pretrained(folder / "bert")
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
        )
    ).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    model = SentenceTransformer(modules=[transformer, Pooling(16, "mean")], device="cpu")
    model.save_pretrained(str(folder / "tiny"))
    return folder / "tiny"


@pytest.fixture
def beir_card(tmp_path, monkeypatch):
    """Writes a card of format beir, and its folder, where MTEB_HYBRID_TASKS points."""

    def make(files, name="Toy", source=""):
        card = write_beir_card(tmp_path / "cards", files, name, source)
        monkeypatch.setenv("MTEB_HYBRID_TASKS", str(card.parent))
        monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
        return read_card(card)

    return make


def write_beir_card(cards, files, name="Toy", source="") -> Path:
    """Write that card, into a folder, and its files beside it."""
    sample = (card_folder() / "sample.toml").read_text(encoding="utf-8")
    metadata = sample[sample.index("[metadata]") : sample.index("[languages.en]")]
    folder = cards / name.lower()
    cards.mkdir(exist_ok=True)
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    card = cards / f"{name.lower()}.toml"
    card.write_text(
        f'name = "{name}"\ntitle = "{name}"\nkind = "benchmark"\ndescription = "A toy."\n'
        f'[source]\nformat = "beir"\npath = "{name.lower()}"\nrepository = "toy/toy"\n'
        f'revision = "1.0.0"\n{source}\n{metadata}\n[languages.en]\ncode = "eng-Latn"\n',
        encoding="utf-8",
    )
    return card


CODES = {
    **{"en": "eng-Latn", "de": "deu-Latn", "fa": "fas-Arab", "ru": "rus-Cyrl"},
    "zh": "zho-Hans",
}


def write_mixed_card(folder, files, languages, source="", name="Mixed"):
    """Write a card of format mixed and its files: ``corpus/XX.jsonl`` are in the language XX."""
    sample = (card_folder() / "sample.toml").read_text(encoding="utf-8")
    metadata = sample[sample.index("[metadata]") : sample.index("[languages.en]")]
    tables = ""
    for file, content in files.items():
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        kind = file.split("/")[0].split(".")[0]
        sha256 = hashlib.sha256(place.read_bytes()).hexdigest()
        tables += f'[[source.{kind}]]\nfile = "{file}"\nsha256 = "{sha256}"\n'
        if kind == "corpus" and place.name.split(".")[0] in CODES:
            tables += f'language = "{place.name.split(".")[0]}"\n'
    card = folder / f"{name.lower()}.toml"
    card.write_text(
        f'name = "{name}"\ntitle = "{name}"\nkind = "benchmark"\ndescription = "A toy."\n'
        f'[source]\nformat = "mixed"\npath = "."\nrepository = "toy/toy"\n'
        f'revision = "1.0.0"\n{source}\n{tables}\n{metadata}\n'
        + "".join(f'[languages.{x}]\ncode = "{CODES[x]}"\n' for x in languages),
        encoding="utf-8",
    )
    return read_card(card)
