"""Faults of published collections: strict by default, left out and named where a card says so."""

import gzip
import hashlib
import io
import json
import logging
import zipfile

import datasets
import pytest

from conftest import HashEncoder
from evaluation.test_task_miracl import toy_card, write_language
from hub_layout import card_of, point, write
from mteb_hybrid.cards.card import CardError, TaskCard, read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.known_faults import KnownFaults
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.sources import beir, load_collection
from mteb_hybrid.sources.mteb_task import read as read_mteb

URL = "https://example.org/"
CORPUS = '{"_id": "d1", "text": "Cats purr."}\n{"_id": "d2", "text": "Dogs bark."}\n'
QUERIES = '{"_id": "q1", "text": "Who purrs?"}\n{"_id": "q2", "text": "Who barks?"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n"


@pytest.fixture
def published(beir_card, tmp_path, monkeypatch):
    """Reads a published archive in BEIR's layout, with more lines, and a table of known faults."""
    monkeypatch.setattr(beir, "cache_folder", lambda: tmp_path / "cache")

    def make(corpus="", qrels="", **faults):
        files = {
            "corpus.jsonl": CORPUS + corpus,
            "queries.jsonl": QUERIES,
            "qrels/test.tsv": QRELS + qrels,
        }
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"toy/{name}", content)
        file = tmp_path / "data" / "toy" / "toy.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(stream.getvalue())
        sha256 = hashlib.sha256(stream.getvalue()).hexdigest()
        table = "".join(f"{kind} = {count}\n" for kind, count in faults.items())
        return beir_card(
            {},
            source=f'url = "{URL}"\n[source.known_faults]\n{table}'
            f'[source.archive]\nfile = "toy.zip"\nsha256 = "{sha256}"',
        )

    return make


BEIR_FAULTS = {
    "judged_unknown": {"qrels": "q1\tghost\t1\n"},
    "judged_empty": {"corpus": '{"_id": "d3", "text": " "}\n', "qrels": "q1\td3\t1\n"},
    "judged_twice": {"qrels": "q1\td1\t2\n"},
    "repeated_ids": {"corpus": '{"_id": "d1", "text": "Other."}\n'},
}


@pytest.mark.parametrize("kind", BEIR_FAULTS)
def test_faults_of_beir(published, kind, caplog):
    changes = BEIR_FAULTS[kind]
    expected = load_collection(published())
    with pytest.raises(DataError) as strict:
        load_collection(published(**changes))
    assert "The card" not in str(strict.value)
    found = load_collection(published(**changes, **{kind: 1}))
    for part in ("passages", "queries", "qrels"):
        assert getattr(found, part).equals(getattr(expected, part)), part
    assert "Toy: left out, as the card lists: 1 " in caplog.text
    assert ".jsonl:3" in caplog.text or ".tsv:4" in caplog.text, "where the first one is"


@pytest.mark.parametrize("kind", ["judged_unknown", "repeated_ids"])
def test_one_more_than_the_card_lists_is_refused(published, kind):
    changes = {part: text + text.replace('d1"', 'd2"').replace("q1", "q2")
               for part, text in BEIR_FAULTS[kind].items()}  # fmt: skip
    with pytest.raises(DataError, match=r"The card knows of at most 1 .*; there are more\."):
        load_collection(published(**changes, **{kind: 1}))
    assert len(load_collection(published(**changes, **{kind: 2})).qrels) == 2
    assert len(load_collection(published(**changes, **{kind: 9})).qrels) == 2


def test_what_is_said_of_them_needs_no_data(published, tmp_path):
    card = published(judged_unknown=1, repeated_ids=2)
    (tmp_path / "data" / "toy" / "toy.zip").unlink()
    (task,) = task_classes({"Toy": card})
    assert task.metadata.description.endswith(
        "Left out, as known faults of the source: at most 1 judgment(s) of a text that is not "
        "there; at most 2 text(s) with the id of an earlier one."
    )
    revision = task.metadata.dataset["revision"]
    assert revision == f"1.0.0+left-out-{card.source.known_faults.digest}"
    (other,) = task_classes({"Toy": published(judged_unknown=2)})
    assert other.metadata.dataset["revision"] not in (revision, "1.0.0")
    (strict,) = task_classes({"Toy": published()})
    assert strict.metadata.dataset["revision"] == "1.0.0"
    assert str(KnownFaults()) == "" and "Left out" not in strict.metadata.description


def test_a_query_that_lost_all_its_answers_is_left_out(published, evaluate):
    card = published('{"_id": "d1", "text": "Other."}\n', "q2\tghost\t1\n",
                     judged_unknown=1, repeated_ids=1)  # fmt: skip
    (task,) = task_classes({"Toy": card})
    scores = evaluate(HashEncoder(), task())
    assert 0 < scores["en-en"]["map"] <= 1


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("judged_unknown = -1", r"key 'source\.known_faults\.judged_unknown'"),
        ("judged = 1", r"key 'source\.known_faults\.judged': unknown key"),
        ("blank_texts = 1", "known_faults.blank_texts: this format leaves out judged_unknown, "),
        ("repeated_ids = 1", "these files lie beside the card, so correct"),
    ],
)
def test_bad_tables_are_refused(published, beir_card, table, said):
    if "beside the card" in said:
        with pytest.raises(CardError, match=said):
            beir_card({}, source=f"[source.known_faults]\n{table}")
        return
    file = published(judged_twice=1).file
    file.write_text(file.read_text().replace("judged_twice = 1", table))
    with pytest.raises(CardError, match=said):
        read_card(file)


def captions_card(sample_card, folder, lines, faults):
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (folder / "data" / "toy").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "toy" / "captions.jsonl").write_bytes(content)
    entry = {"file": "captions.jsonl", "sha256": hashlib.sha256(content).hexdigest()}
    source = {"format": "captions", "path": "toy", "url": URL, "repository": "a/b"}
    source |= {"revision": "1.0.0", "captions": entry, "known_faults": faults}
    languages = {"en": {"code": "eng-Latn"}, "de": {"code": "deu-Latn"}}
    fields = {"name": "Toy", "title": "toy", "source": source, "languages": languages}
    card = TaskCard.model_validate(sample_card.model_dump() | fields)
    card._file = folder / "toy.toml"
    return card


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path


def captions(key, en, de):
    return {"image/key": key, "en": {"caption": en}, "de": {"caption": de}}


def test_faults_of_captions(sample_card, data):
    good = [captions("a", ["cat", "a cat"], ["Katze"]), captions("b", ["dog"], ["Hund", "Köter"])]
    bad = [
        captions("a", ["cat", "a cat", " "], ["Katze"]),
        good[1],
        captions("a", ["x"], ["y"]),
    ]
    expected = load_collection(captions_card(sample_card, data, good, {}))
    faults = {"blank_texts": 1, "repeated_ids": 1}
    found = load_collection(captions_card(sample_card, data, bad, faults))
    assert found.passages.equals(expected.passages)
    for kind in faults:
        with pytest.raises(DataError, match=r"captions\.jsonl:[13]: "):
            load_collection(captions_card(sample_card, data, bad, faults | {kind: 0}))


def test_a_blank_line_keeps_the_others_in_line(sample_card, data):
    (data / "data" / "toy").mkdir(parents=True)
    languages = {}
    for short, code, content in (
        ("en", "eng-Latn", b"a\nb\nc\n"),
        ("de", "deu-Latn", b"A\n \nC\n"),
    ):
        (data / "data" / "toy" / f"{short}.txt").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        languages[short] = {"code": code, "file": f"{short}.txt", "sha256": sha256}
    source = {"format": "lines", "path": "toy", "url": URL, "repository": "a/b"}
    source |= {"revision": "1.0.0", "known_faults": {"blank_texts": 1}}
    fields = {"name": "Toy", "title": "toy", "source": source, "languages": languages}
    card = TaskCard.model_validate(sample_card.model_dump() | fields)
    card._file = data / "toy.toml"
    found = load_collection(card)
    assert found.passages["id"].to_list() == ["en:1", "en:2", "en:3", "de:1", "de:3"]
    assert ("en:3", "de:3", 1) in found.qrels.rows()


def test_faults_of_miracl(data, caplog):
    folder = data / "data" / "miracl"
    write_language(folder, "yo")
    toy = toy_card(data, ["yo"])
    parts = sorted((folder / "miracl-corpus-v1.0-yo").iterdir())
    hub = task_cards()["MIRACL"].source.passages.model_copy(update={"files": {"yo": len(parts)}})

    def listing(**faults):
        changes = {"passages": hub, "known_faults": KnownFaults(**faults)}
        card = toy.model_copy(update={"source": toy.source.model_copy(update=changes)})
        card._file = data / "toy.toml"
        return card

    expected = load_collection(listing())
    with (folder / "qrels" / "qrels.miracl-v1.0-yo-dev.tsv").open("a") as stream:
        stream.write("0\tQ0\tghost#0\t1\n0\tQ0\t7#0\t0\n")
    with gzip.open(parts[-1], "at") as stream:
        stream.write(json.dumps({"docid": "7#0", "title": "", "text": "again"}) + "\n")
    faults = {"judged_unknown": 1, "judged_twice": 1, "repeated_ids": 1}
    found = load_collection(listing(**faults))
    assert found.qrels.equals(expected.qrels) and found.passages.equals(expected.passages)
    assert caplog.text.count("left out, as the card lists: 1 ") == 3
    for kind in faults:
        with pytest.raises(DataError, match=r"(tsv|gz): line \d+"):
            load_collection(listing(**faults | {kind: 0}))


SCIFACT = {
    "corpus": [
        {"_id": "1", "title": "", "text": "They were given sugar."},
        {"_id": "2", "title": "", "text": " "},
    ],
    "queries": [{"_id": "7", "text": "Sugar helps."}],
    "default": [
        {"query-id": "7", "corpus-id": "1", "score": 1},
        {"query-id": "7", "corpus-id": "2", "score": 1},
        {"query-id": "7", "corpus-id": "ghost", "score": 1},
    ],
}


def test_faults_of_mteb(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    caplog.set_level(logging.WARNING)
    write(tmp_path / "hub", SCIFACT, "test")
    point(monkeypatch, "SciFact", tmp_path / "hub")
    card = card_of("SciFact", tmp_path / "hub", ("en",))
    with pytest.raises(
        DataError, match=r"1 text\(s\) of white space alone, such as passage 'en:2'"
    ):
        read_mteb(card)
    faults = KnownFaults(blank_texts=1, judged_unknown=1)
    source = card.source.model_copy(update={"known_faults": faults})
    listed = card.model_copy(update={"source": source})
    listed._file = card.file
    found = read_mteb(listed)
    assert found.passages["id"].to_list() == ["en:1"]
    assert found.qrels.rows() == [("en:7", "en:1", 1)]
    assert caplog.text.count("left out, as the card lists") == 2
