"""Teachers' labels: what the teacher says, resumable, and as the losses take them."""

import json
import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.training.precompute.mine import mine
from mteb_hybrid.training.precompute.model import TextModel
from mteb_hybrid.training.precompute.search import Choice
from mteb_hybrid.training.precompute.source import read_source
from mteb_hybrid.training.precompute.teach import teach_scores, teach_vectors
from mteb_hybrid.training.precompute.work import PrecomputeError
from training.precompute.reference import linked


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("mteb_hybrid.training.precompute.work.PART", 7)


@pytest.fixture
def mined(write, parallel_rows, hash_model, tmp_path):
    source = read_source(str(write(parallel_rows())))
    mine(source, hash_model(), tmp_path / "mined.jsonl", "same", Choice(3))
    return read_source(str(tmp_path / "mined.jsonl"))


@pytest.fixture(scope="module")
def cross_encoder(tiny_model, tmp_path_factory):
    """A folder with a minute untrained cross-encoder, whose scores pass through a sigmoid."""
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross-encoder")
    config = BertConfig.from_pretrained(tiny_model, num_labels=1)
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder / "plain")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder / "plain")
    CrossEncoder(str(folder / "plain"), device="cpu").save_pretrained(str(folder / "saved"))
    return folder


def test_vectors_are_the_teachers_in_the_one_language(mined, hash_model, tmp_path):
    output, model = tmp_path / "vectors.parquet", hash_model()
    count = teach_vectors(mined, model, output, "de")
    data = Dataset.from_parquet(str(output), cache_dir=str(tmp_path / "hub"))
    rows = [row for row in mined.rows() if "de" in row.query and "de" in row.passage]
    assert count == len(data) == len(rows) < len(mined.corpus)
    assert data["id"] == [row.id for row in rows]
    labels = np.array(data["label"], dtype=np.float32)
    for row, label in zip(rows, labels, strict=True):
        assert np.array_equal(label[0], model.vector(row.query["de"], "query"))
        assert np.array_equal(label[1], model.vector(row.passage["de"], "document"))
    assert len(model.encoded) == len(set(model.encoded))
    corpus = ParallelDataset.from_dataset(data).corpora[0]
    assert corpus.text("query", "en", 3) == rows[3].query["en"]
    # Rows left out by the teacher still connect others, as they do in the file.
    component = linked([row.content for row in mined.rows()])
    expected = [component(row.query["de"]) for row in rows]
    pairs = set(zip(corpus.groups().tolist(), expected, strict=True))
    assert len(pairs) == len(set(corpus.groups().tolist())) == len(set(expected)) < len(rows)


def test_mse_loss_takes_the_vectors(mined, tiny_model, tmp_path):
    from sentence_transformers.sentence_transformer.losses import MSELoss

    teach_vectors(mined, TextModel(str(tiny_model)), tmp_path / "vectors.parquet", "en")
    data = Dataset.from_parquet(str(tmp_path / "vectors.parquet"), cache_dir=str(tmp_path / "hub"))
    student = SentenceTransformer(str(tiny_model), device="cpu").eval()
    some = data.select(range(5))
    features = [student.preprocess(list(some[column])) for column in ("query_en", "passage_en")]
    labels = torch.tensor(some["label"])
    assert labels.shape == (5, 2, 16) and labels.dtype == torch.float32
    # The student is the teacher itself.
    assert MSELoss(student)(features, labels).item() == pytest.approx(0, abs=1e-10)
    assert MSELoss(student)(features, labels.flip(1)).item() > 1e-6


def test_scores_are_of_the_passage_and_its_negatives(mined, hash_model, tmp_path):
    output, model = tmp_path / "scores.jsonl", hash_model()
    count = teach_scores(mined, model, output, "de", 2)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert count == len(rows)
    assert {row["id"] for row in rows} == {
        row.id for row in mined.rows() if "de" in row.query and "de" in row.passage
    }
    passages = {row.passage["de"]: row.passage for row in mined.rows() if "de" in row.passage}
    for row in rows:
        texts = [row["passage"]["de"], *row["negatives"]["de"]]
        assert len(texts) == 3
        # The scores hold in every language: the negatives there are translations of these.
        for code in row["passage"]:
            translations = [passages[text].get(code) for text in texts[1:]]
            assert row["negatives"].get(code) == (translations if all(translations) else None)
        query = model.vector(row["query"]["de"], "query")
        expected = [float(query @ model.vector(text, "document")) for text in texts]
        assert row["label"] == pytest.approx(expected, rel=1e-6)
        assert row["title"] == "kept"
    counts = ParallelDataset.from_json(output, negatives=2).counts()
    assert set(counts["query_language"]) == set(counts["passage_language"]) == {"en", "de", "th"}


@pytest.mark.parametrize("kind", ["plain", "saved"])
def test_a_cross_encoder_gives_its_logits(mined, cross_encoder, kind, tmp_path):
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = cross_encoder / kind
    teacher = TextModel(str(folder))
    assert teacher.is_cross_encoder
    teach_scores(mined, teacher, tmp_path / "scores.jsonl", "en", 2)
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row in rows[:3]:
        texts = [row["passage"]["en"], *row["negatives"]["en"]]
        features = tokenizer([row["query"]["en"]] * 3, texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            logits = model(**features).logits[:, 0]
        assert row["label"] == pytest.approx(logits.tolist(), abs=1e-5)
    with pytest.raises(PrecomputeError, match="is a cross-encoder, which has no vectors"):
        teach_vectors(mined, teacher, tmp_path / "vectors.parquet", "en")


def test_a_cross_encoder_is_checked_like_any_model(cross_encoder, tmp_path):
    folder = shutil.copytree(cross_encoder / "plain", tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged or cut short"):
        TextModel(str(folder))
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights.* CrossEncoder as M"):
        TextModel(str(folder))
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        TextModel(str(folder))


@pytest.mark.parametrize("kind", ["vectors", "scores"])
def test_goes_on_after_a_kill_and_notices_another_teacher(mined, hash_model, tmp_path, kind):
    def teach(model, output, language="en"):
        if kind == "vectors":
            teach_vectors(mined, model, output, language)
        else:
            teach_scores(mined, model, output, language, 2)

    whole = hash_model()
    teach(whole, tmp_path / "whole.parquet")
    output, encoded = tmp_path / "out.parquet", []
    for calls in (2, 4):
        killed = hash_model(calls)
        with pytest.raises(KeyboardInterrupt):
            teach(killed, output)
        assert not output.exists() and killed.encoded
        encoded += killed.encoded
    with pytest.raises(PrecomputeError, match=r"model .* and now it is .*other"):
        teach(hash_model(name="other"), output)
    with pytest.raises(PrecomputeError, match="language 'en', and now it is 'de'"):
        teach(hash_model(), output, "de")
    last = hash_model()
    teach(last, output)
    assert encoded + last.encoded == whole.encoded
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not (tmp_path / "out.parquet.work").exists()


def test_scores_take_the_place_of_other_labels(write, hash_model, tmp_path):
    row = {"query": {"en": "q"}, "passage": {"en": "p"}, "negatives": {"en": ["n"]}, "score": 1}
    teach_scores(read_source(str(write([row]))), hash_model(), tmp_path / "out.jsonl", "en", 1)
    made = json.loads((tmp_path / "out.jsonl").read_text())
    assert [*made] == ["query", "passage", "negatives", "label"]


def test_refuses_what_cannot_be_labelled(write, hash_model, tmp_path):
    rows = [{"query": {"en": "q"}, "passage": {"en": "p"}}]
    source = read_source(str(write(rows)))
    with pytest.raises(PrecomputeError, match="no row has a question and a passage in 'de'"):
        teach_vectors(source, hash_model(), tmp_path / "a.parquet", "de")
    with pytest.raises(PrecomputeError, match=r"with 2 negatives, in 'en' .*mine"):
        teach_scores(source, hash_model(), tmp_path / "a.jsonl", "en", 2)
    for bad, said in (("x", "'negatives' is 'x'"), ({"en": "x"}, "'negatives.en' is 'x'")):
        source = read_source(str(write([{**rows[0], "negatives": bad}])))
        with pytest.raises(PrecomputeError, match=rf"pairs.jsonl:1: {said}"):
            teach_scores(source, hash_model(), tmp_path / "a.jsonl", "en", 1)


def test_command_writes_what_its_options_say(write, parallel_rows, tiny_model, tmp_path):
    file = write(parallel_rows(9))
    start = ["teach", str(file), "-m", str(tiny_model), "-l", "en", "-o"]
    done = CliRunner().invoke(app, [*start, str(tmp_path / "v.parquet")], catch_exceptions=False)
    assert "9 rows with labels; 0 left out" in done.output
    with pytest.raises(ValueError, match=r"vectors go to a file called \.parquet"):
        CliRunner().invoke(app, [*start, str(tmp_path / "v.jsonl")], catch_exceptions=False)
