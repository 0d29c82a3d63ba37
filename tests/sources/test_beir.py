"""Folders in BEIR's layout: read as MTEB and beir read them, and strictly."""

import gzip
import hashlib
import json
import zipfile

import mteb
import numpy as np
import pytest
from beir.datasets.data_loader import GenericDataLoader
from beir.retrieval.evaluation import EvaluateRetrieval
from beir.retrieval.models.util import extract_corpus_sentences
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from mteb._create_dataloaders import _corpus_to_dict
from mteb.abstasks.retrieval import AbsTaskRetrieval

from conftest import HashEncoder
from mteb_hybrid.cards.card import CardError, read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import card_settings
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import beir, load_collection

HEAD = "query-id\tcorpus-id\tscore\n"
CORPUS = """\
{"_id": "d1", "title": "Cats", "text": " purr. ", "metadata": {"url": "x"}}
{"_id": "d2", "title": "", "text": " Dogs bark. "}
{"_id": "d3", "title": "Only a title", "text": ""}
{"_id": "d4", "text": "No title."}
{"_id": "d5", "title": null, "text": "A title that is null."}
"""
QUERIES = """\
{"_id": "q1", "text": "Who purrs?", "metadata": {}}
{"_id": "q2", "text": "Who barks?"}
{"_id": "unjudged", "text": "Who else?"}
"""
QRELS = f"{HEAD}q1\td1\t2\nq1\td2\t0\nq2\td2\t1\nq2\td3\t-1\n"


def files(corpus=CORPUS, queries=QUERIES, qrels=QRELS):
    return {"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels/test.tsv": qrels}


def test_what_is_read(beir_card):
    collection = load_collection(beir_card(files()))
    assert collection.languages == ("en",)
    assert collection.passages.rows() == [
        ("en:d1", "Cats  purr.", "en", "en:d1"),
        ("en:d2", "Dogs bark.", "en", "en:d2"),
        ("en:d3", "Only a title", "en", "en:d3"),
        ("en:d4", "No title.", "en", "en:d4"),
        ("en:d5", "A title that is null.", "en", "en:d5"),
    ]
    assert collection.queries.rows() == [
        ("en:q1", "Who purrs?", "en", "en:q1"),
        ("en:q2", "Who barks?", "en", "en:q2"),
    ]
    assert collection.qrels.rows() == [
        ("en:q1", "en:d1", 2),
        ("en:q1", "en:d2", 0),
        ("en:q2", "en:d2", 1),
        ("en:q2", "en:d3", 0),
    ]


def test_the_one_setting(beir_card):
    card = beir_card(files())
    assert card_settings(card) == (Setting.MONOLINGUAL,)
    assert task_cards()["Toy"] == card


def test_other_ways_to_write_the_same(beir_card, monkeypatch):
    """Compressed, with the line ends of Windows, and judgments said twice."""
    monkeypatch.setattr(beir, "BATCH", 2)
    expected = load_collection(beir_card(files()))
    qrels = (QRELS + "q1\td1\t2\n").replace("\n", "\r\n")
    written = files(CORPUS.replace("\n", "\r\n"), QUERIES.rstrip(), qrels)
    found = load_collection(beir_card(written, "Other"))
    packed = {f"{name}.gz": gzip.compress(written[name].encode()) for name in list(written)[:2]}
    compressed = load_collection(beir_card({**packed, "qrels/test.tsv": qrels}, "Packed"))
    for other in (found, compressed):
        assert other.passages.equals(expected.passages)
        assert other.queries.equals(expected.queries)
        assert other.qrels.equals(expected.qrels)


@given(st.text(), st.text())
def test_title_and_text_are_joined_as_mteb_joins_them(title, text):
    document = beir._Document.model_validate({"_id": "d", "title": title, "text": text})
    theirs = _corpus_to_dict({"id": "d", "title": title, "text": text})
    assert document.whole == theirs["text"]


def test_documents_without_a_word_are_left_out(beir_card, caplog):
    empty = '{"_id": "none", "title": " ", "text": "\\n"}\n'
    collection = load_collection(beir_card(files(CORPUS + empty)))
    assert len(collection.passages) == 5
    assert "corpus.jsonl: 1 document(s) without title and text left out" in caplog.text


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("corpus", '"d2"', '"d1"', r"jsonl:2: repeats the _id 'd1' of line 1.*Remove one"),
        ("corpus", '"_id": "d2", ', "", r"jsonl:2: key '_id': Field required; expected an object"),
        ("corpus", '"d2"', "2", r"jsonl:2: key '_id': Input should be a valid string"),
        ("corpus", '"d2"', '""', r"jsonl:2: key '_id': .*at least 1 character"),
        ("corpus", '" Dogs bark. "', "null", r"jsonl:2: key 'text': .*valid string"),
        ("corpus", '"title": "Only', '"title": 3, "x": "Only', r"jsonl:3: key 'title': "),
        ("corpus", '{"_id": "d3"', '"d3"', r"jsonl:3: invalid JSON: "),
        ("corpus", CORPUS, "[1]", r"jsonl:1: .*valid dictionary.*'_id', 'text', 'title'"),
        ("corpus", '{"_id": "d3"', '\n{"_id": "d3"', r"jsonl:3: invalid JSON: .*remove the line"),
        ("corpus", 'is null."}\n', "is nu", r"jsonl:5: invalid JSON: .*seems to be cut off"),
        ("corpus", "bark", b"b\xe4rk", r"jsonl:2: not UTF-8 .*convert the file"),
        ("corpus", CORPUS, "", r"corpus\.jsonl: is empty"),
        ("queries", '"q2"', '"q1"', r"queries\.jsonl:2: repeats the _id 'q1'"),
        ("queries", "text", "query", r"queries\.jsonl:1: key 'text': Field required"),
        ("qrels", "q2\td2", "q2\td9", r"test\.tsv:4: 'd9' is not in .*corpus\.jsonl \(1 such"),
        ("qrels", "q2\td2", "q9\td2", r"test\.tsv:4: 'q9' is not in .*queries\.jsonl"),
        ("qrels", HEAD, "", r"tsv:1: \['q1', 'd1', '2'\]; expected the head"),
        ("qrels", "q1\td1\t2", "q1\t0\td1\t2", r"tsv:2: .*expected query id, document id"),
        ("qrels", "q1\td1\t2", "q1 d1 2", r"tsv:2: \['q1 d1 2'\]; expected query id"),
        ("qrels", "q1\td1\t2", "q1\td1\t2.0", r"tsv:2: .*and an integer"),
        ("qrels", "q1\td1\t2", "q1\td1\t1000000", r"tsv:2: .*an integer of up to six digits"),
        ("qrels", "q1\td2", "q1\td1", r"tsv:3: judges .* otherwise than line 2"),
        ("qrels", "q1\td1", b"q\xff\td1", r"tsv:2: not UTF-8"),
        ("qrels", QRELS, HEAD, r"no judgments"),
        ("qrels", QRELS, "", r"no judgments"),
    ],
)
def test_bad_lines_are_refused(beir_card, file, old, new, said):
    name = {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "qrels": "qrels/test.tsv"}[file]
    written = files()
    new = new.encode() if isinstance(new, str) else new
    written[name] = written[name].encode().replace(old.encode(), new, 1)
    with pytest.raises(DataError, match=said):
        load_collection(beir_card(written))


@pytest.mark.parametrize(
    ("corpus", "queries", "said"),
    [
        ('{"_id": "d1", "text": " "}', QUERIES, r"tsv:2: 'd1' has no text in .*corpus"),
        (CORPUS, QUERIES.replace("Who purrs?", ""), r"tsv:2: 'q1' has no text in .*queries"),
    ],
)
def test_judged_texts_without_a_word_are_refused(beir_card, corpus, queries, said):
    with pytest.raises(DataError, match=said):
        load_collection(beir_card(files(corpus, queries, f"{HEAD}q1\td1\t1\n")))


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_missing_files(beir_card, missing):
    written = files()
    written["qrels/dev.tsv"] = written.pop(missing) if missing.startswith("qrels") else HEAD
    written.pop(missing, None)
    with pytest.raises(DataError, match=rf"{missing}: no such file") as refused:
        load_collection(beir_card(written))
    if missing.startswith("qrels"):
        assert "splits there: dev" in str(refused.value)


def test_no_folder(beir_card):
    with pytest.raises(DataError, match=r"cards/toy: no such folder; .*correct .*toy\.toml"):
        load_collection(beir_card({}))


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"x" + b, lambda b: b + b"x"])
def test_damaged_compressed_files(beir_card, damage):
    packed = damage(gzip.compress(CORPUS.encode()))
    written = {**files(), "corpus.jsonl.gz": packed}
    del written["corpus.jsonl"]
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz:\d: .*(cut off|gzip)"):
        load_collection(beir_card(written))


@pytest.fixture
def published(beir_card, tmp_path, monkeypatch):
    """A card whose folder is an archive in the data folder."""
    monkeypatch.setattr(beir, "cache_folder", lambda: tmp_path / "cache")

    def make(inside="toy", written=None):
        data = tmp_path / "data" / "toy" / "toy.zip"
        data.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in (written or files()).items():
                archive.writestr(f"{inside}/{name}", content)
        sha256 = hashlib.sha256(data.read_bytes()).hexdigest()
        archive = f'[source.archive]\nfile = "toy.zip"\nsha256 = "{sha256}"'
        return beir_card({}, source=f'url = "https://example.org/"\n{archive}'), data

    return make


def test_a_published_archive(published, beir_card):
    card, data = published()
    expected = load_collection(beir_card(files(), "Folder"))
    assert load_collection(card).passages.equals(expected.passages)
    data.unlink()
    assert len(beir.read(card).passages) == 5, "unpacked once"


def test_bad_archives_are_refused(published, tmp_path):
    card, _ = published(inside="other")
    with pytest.raises(DataError, match=r"no such folder; .* a folder of its own name"):
        load_collection(card)
    card, _ = published(inside="../toy")
    with pytest.raises(DataError, match="lies outside of the folder"):
        load_collection(card)
    card, data = published()
    data.write_bytes(data.read_bytes() + b" ")
    with pytest.raises(DataError, match=r"toy\.zip: altered or cut short"):
        load_collection(card)
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[languages.en]", '[languages.de]\ncode = "deu-Latn"\n[languages.en]', "at most 1 lang"),
        ("[languages.en]", '[languages.en]\nfile = "en"', "languages.en.file: this format has no"),
        ('path = "toy"', 'path = "toy"\nurl = "https://example.org/"', "url and archive belong"),
        ('path = "toy"', 'path = "toy"\ncandidates = "document"', "unknown key"),
    ],
)
def test_bad_cards_are_refused(beir_card, old, new, said):
    file = beir_card({}).file
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(CardError, match=rf"toy\.toml: .*{said}"):
        read_card(file)


@pytest.fixture
def larger():
    """40 documents, some without a title or a text of their own, and 12 queries."""
    chance = np.random.default_rng(0)
    corpus = [
        {"_id": f"d{n}", "title": ["", f"Title {n} "][n % 3 > 0], "text": f" text {n}" * (n % 5)}
        for n in range(1, 41)
    ]
    corpus = [row for row in corpus if (row["title"] + row["text"]).strip()]
    queries = [{"_id": f"q{n}", "text": f" query {n} "} for n in range(12)]
    qrels = [
        f"q{n}\t{corpus[column]['_id']}\t{grade}"
        for n in range(11)
        for column, grade in zip(chance.permutation(len(corpus)), (2, 1, 1, 0), strict=False)
    ]
    lines = ["".join(json.dumps(row) + "\n" for row in rows) for rows in (corpus, queries)]
    return files(*lines, HEAD + "\n".join(qrels) + "\n")


def with_titles(folder):
    """The folder as MTEB's own task has it: title and text in columns, joined by MTEB."""
    corpus, queries, qrels = GenericDataLoader(str(folder)).load(split="test")
    rows = [{"id": id_, **row} for id_, row in corpus.items()]

    class Stock(AbsTaskRetrieval):
        metadata = mteb.get_task("SciFact").metadata.model_copy(update={"name": "Stock"})

        def load_data(self, *args, **kwargs):
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": Dataset.from_list(rows),
                        "queries": Dataset.from_dict(
                            {"id": [*queries], "text": [*queries.values()]}
                        ),
                        "relevant_docs": qrels,
                        "top_ranked": None,
                    }
                }
            }
            self.data_loaded = True

    return Stock()


def scores_of(task, encoder):
    result = mteb.evaluate(encoder, task, cache=None, show_progress_bar=False)
    ((scores,),) = result.task_results[0].scores.values()
    return scores


def test_the_scores_are_those_of_mteb_and_of_beir(beir_card, larger):
    card = beir_card(larger)
    encoder = HashEncoder(dimensions=8)
    (task,) = task_classes({"Toy": card})
    ours = scores_of(task(), encoder)
    stock = scores_of(with_titles(card.file.parent / "toy"), encoder)
    standard = [key for key in stock if key.startswith(("ndcg_at", "recall_at", "map_at", "mrr"))]
    assert len(standard) == 4 * 7
    same = pytest.approx({key: stock[key] for key in standard}, rel=0, abs=0, nan_ok=True)
    assert {key: ours[key] for key in standard} == same
    assert 0.1 < ours["ndcg_at_10"] < 0.9

    corpus, queries, qrels = GenericDataLoader(str(card.file.parent / "toy")).load(split="test")
    passages = extract_corpus_sentences(list(corpus.values()), sep=" ")
    vectors = np.stack([encoder.vector(text, None, None) for text in passages])
    run = {
        id_: dict(zip(corpus, (vectors @ encoder.vector(text, None, None)).tolist(), strict=True))
        for id_, text in queries.items()
    }
    ndcg, map_, _, _ = EvaluateRetrieval.evaluate(qrels, run, [10, 100])
    assert ours["ndcg_at_10"] == pytest.approx(ndcg["NDCG@10"], abs=1e-5)
    assert ours["map_at_100"] == pytest.approx(map_["MAP@100"], abs=1e-5)


def test_real_scifact(data_folder, beir_card):
    folder = data_folder / "beir" / "scifact"
    if not folder.is_dir():
        pytest.skip("needs SciFact in BEIR's layout below MTEB_HYBRID_DATA")
    names = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    collection = load_collection(beir_card({name: (folder / name).read_bytes() for name in names}))
    assert (len(collection.passages), len(collection.queries)) == (5183, 300)
    assert len(collection.qrels) == 339
    text = dict(collection.passages.select("id", "text").iter_rows())
    assert text["en:4983"].startswith(
        "Microstructural development of human newborn cerebral white matter assessed in vivo by "
        "diffusion tensor magnetic resonance imaging. Alterations of the architecture"
    )
