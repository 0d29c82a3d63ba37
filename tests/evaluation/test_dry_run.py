"""What a run would take, before it is run."""

import re

import pytest
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.cards.catalogue import collections, task_cards
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation import dry_run as module
from mteb_hybrid.evaluation.dry_run import Encoder, count_tokens, dry_run, find_encoder
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.evaluation.to_encode import counted
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.sources import load_collection


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Nothing but the sample is at hand."""
    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)


@pytest.fixture
def prompted(tiny_model, tmp_path):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.prompts = {"query": "ask ", "document": ""}
    model.max_seq_length = 40
    model.save_pretrained(str(tmp_path / "prompted"))
    return tmp_path / "prompted"


def test_it_says_what_a_run_takes_and_leaves_nothing(prompted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    done = CliRunner().invoke(
        app, ["run", "-m", str(prompted), "sample", "--dry-run", "--store", "vectors"]
    )
    assert done.exit_code == 0, done.output
    assert set(tmp_path.rglob("*")) == before
    collection, model = load_collection(collections()["sample"]), load_model(str(prompted)).model
    tokens = texts = 0
    for side, prompt in (("queries", "ask "), ("passages", "")):
        distinct = getattr(collection, side).unique(["language", "text"])["text"].to_list()
        texts += len(distinct)
        for text in distinct:
            ids = model.tokenizer(prompt + text, truncation=True, max_length=40)["input_ids"]
            tokens += len(ids)
    said = " ".join(done.output.split())
    assert "sample: 572 queries and 1,056 passages that differ, at hand" in said
    assert f"about {tokens:,} with prompts, by its tokenizer time" in said
    assert f"{texts * (16 * 4 + 32) / 1e6:,.0f} MB of vectors with --store" in said
    assert f"({texts:,} texts, 16 numbers each)" in said
    speed = float(re.search(r"([\d,]+) tokens a second", said)[1].replace(",", ""))
    beside = sum(p.numel() for name, p in model.named_parameters() if "word_embeddings" not in name)
    work, rate = map(float, re.search(r"(\S+) FLOP, .* did (\S+) a second", said).groups())
    assert work == pytest.approx(2 * beside * tokens, rel=0.05)
    assert rate == pytest.approx(2 * beside * speed, rel=0.05)


def test_passages_that_collections_share_count_once(tiny_model, monkeypatch):
    card = task_cards()["HybridSample"]
    asked = {"queries": {"en"}, "passages": {"en", "de"}}
    rewritten = [
        part._replace(texts=3, characters=9, some=part.some[:3]) if part.side == "queries" else part
        for part in counted(card, asked)
    ]
    own = {"sample": counted(card, asked), "other": rewritten}
    monkeypatch.setattr(module, "languages", lambda _: own)
    monkeypatch.setattr(module, "collections", lambda: {name: name for name in own})
    monkeypatch.setattr(module, "counted", lambda name, parts: parts)
    encoder = Encoder(load_model(str(tiny_model), device="cpu"))
    said = dict(dry_run(encoder, {"HybridSampleMonolingualRetrieval": ["en-en"]}))
    texts = sum(part.texts for part in own["sample"]) + 3
    assert f"({texts:,} texts, 16 numbers each)" in said["disk"]


def test_tokens_are_those_that_are_computed(tiny_model):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    texts = ["a", "a b c", "d " * 100] * 20
    alone = sum(len(model.tokenizer(text)["input_ids"]) for text in texts)
    assert count_tokens(model, texts, None) == alone, "padding is not counted"
    model.max_seq_length = 10
    cut = sum(min(10, len(model.tokenizer(text)["input_ids"])) for text in texts)
    assert count_tokens(model, texts, None) == cut


def test_what_is_not_at_hand_is_taken_from_statistics(tiny_model):
    encoder = Encoder(load_model(str(tiny_model), device="cpu"))
    selected = select_tasks(["MIRACLMonolingualRetrieval", "tico-19"])
    lines = list(dry_run(encoder, selected))
    texts = [how for what, how in lines if what == "texts"]
    assert texts[0].startswith("miracl: 13,495 queries and 106,332,152 passages, by its statistics")
    assert texts[1].startswith("tico-19: not known how many, as its files are not at hand")
    said = dict(lines)
    assert "billion with prompts" in said["tokens"] and "from the number of char" in said["tokens"]
    assert said["disk"].startswith(f"{106345647 * 96 / 1e9:,.1f} GB of vectors")


def test_another_kind_of_model_is_not_probed():
    lines = dict(dry_run(Encoder(HashEncoder()), select_tasks(["sample"])))
    assert lines.keys() == {"texts", "time"} and lines["time"].startswith("not known: it is no")


def test_a_model_that_is_not_at_hand_is_known_by_its_size(tiny_model, monkeypatch):
    def load(name, revision, device):
        if name != MODEL_NAME:
            raise ModelError(f"{name}: is not there")
        return load_model(str(tiny_model), device="cpu")

    monkeypatch.setattr(module, "load_model", load)
    found = find_encoder("intfloat/multilingual-e5-large", None, None)
    assert found.slower > 10 and found.dimensions == 1024
    said = dict(dry_run(found, select_tasks(["sample"])))
    assert "taken to be 13.8 times" in said["model"] and "1024 numbers each" in said["disk"]
    assert "by the offline encoder's tokenizer" in said["tokens"]
    with pytest.raises(ModelError, match="no/model: is not there"):
        find_encoder("no/model", None, None)
