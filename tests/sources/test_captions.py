"""Captions as Crossmodal-3600 publishes them: what is relevant, what is refused, and the size."""

import gzip
import hashlib
import io
import json
import re
import zipfile

import pytest

from mteb_hybrid.cards.card import CardError, TaskCard, read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import card_settings, task_views
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting, View, view_queries
from mteb_hybrid.sources import load_collection

CODES = {"en": "eng-Latn", "de": "deu-Latn", "bn": "ben-Beng"}
IMAGES = {
    "00a": {"en": ["a cat", "a cat asleep"], "de": ["Katze", "Katze", "Kater"], "bn": ["x"]},
    "00b": {"en": ["a dog", "a cat"], "de": ["Hund"], "bn": ["y"]},
}


def image(key, captions):
    """A line in exactly the published layout."""
    languages = {
        code: {
            "caption": texts,
            "caption/tokenized": [f"{text} ." for text in texts],
            "caption/tokenized/lowercase": [f"{text} .".lower() for text in texts],
        }
        for code, texts in captions.items()
    }
    return json.dumps({"image/key": key, "image/locale": "bn", **languages}, ensure_ascii=False)


def lines(images=IMAGES):
    return "".join(f"{image(*item)}\n" for item in images.items()).encode()


def zipped(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def captions_card(sample_card, folder, content, file="captions.jsonl", empty=("bn-bn",)):
    (folder / "toy").mkdir(exist_ok=True)
    (folder / "toy" / file).write_bytes(content)
    source = {"format": "captions", "path": "toy", "repository": "toy/toy", "revision": "1.0.0"}
    source["captions"] = {"file": file, "sha256": hashlib.sha256(content).hexdigest()}
    source["empty_subsets"] = empty
    languages = {short: {"code": code} for short, code in CODES.items()}
    fields = {"name": "Toy", "title": "toy", "source": source, "languages": languages}
    card = TaskCard.model_validate(sample_card.model_dump() | fields)
    card._file = folder / "toy.toml"
    return card


@pytest.fixture
def made(tmp_path, sample_card):
    def make(content=None, file="captions.jsonl"):
        content = lines() if content is None else content
        return load_collection(captions_card(sample_card, tmp_path, content, file))

    return make


def test_captions_are_queries_and_passages(made):
    collection = made()
    assert collection.queries is collection.passages
    assert collection.passages.rows() == [
        ("en:00a.0", "a cat", "en", "00a"),
        ("en:00a.1", "a cat asleep", "en", "00a"),
        ("en:00b.0", "a dog", "en", "00b"),
        ("en:00b.1", "a cat", "en", "00b"),
        ("de:00a.0", "Katze", "de", "00a"),
        ("de:00a.2", "Kater", "de", "00a"),
        ("de:00b.0", "Hund", "de", "00b"),
        ("bn:00a.0", "x", "bn", "00a"),
        ("bn:00b.0", "y", "bn", "00b"),
    ]


def test_what_is_relevant(made):
    collection = made()
    _, within = view_queries(collection, View("de", ("de",)))
    assert within == {"de:00a.0": {"de:00a.2": 1}, "de:00a.2": {"de:00a.0": 1}}
    queries, across = view_queries(collection, View("bn", ("en",)))
    assert across == {"bn:00a.0": {"en:00a.0": 1, "en:00a.1": 1}} | {
        "bn:00b.0": {"en:00b.0": 1, "en:00b.1": 1}
    }
    assert queries["id"].to_list() == ["bn:00a.0", "bn:00b.0"]
    _, pooled = view_queries(collection, View("en", ("en", "de", "bn")))
    assert pooled["en:00b.0"] == {"en:00b.1": 1, "de:00b.0": 1, "bn:00b.0": 1}
    assert sorted(pooled) == ["en:00a.0", "en:00a.1", "en:00b.0", "en:00b.1"]


def test_the_judgments_written_out_are_those_of_the_views(made):
    collection = made()
    everything = collection.judged(collection.queries, collection.passages)
    groups = dict(collection.passages.select("id", "group").iter_rows())
    expected = {(q, p) for q in groups for p in groups if q != p and groups[q] == groups[p]}
    assert set(everything.select("query_id", "passage_id").iter_rows()) == expected
    assert len(everything) == len(expected)


def test_as_published_in_a_zip_file(made):
    """The bytes of a caption are kept, whatever they are; other keys and files are not read."""
    odd = {"00c": {"en": [" a\u2028b\t"], "de": ["ä\\n"], "bn": ["বিড়াল"], "fr": ["chat"]}}
    content = zipped(**{"captions__jsonl": lines(odd), "MAC/__captions__jsonl": "", "a__md": ""})
    texts = made(content, "captions.zip").passages["text"].to_list()
    assert texts == [" a\u2028b\t", "ä\\n", "বিড়াল"]


LINE = lines().splitlines()[0].decode()


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (LINE[:100], r"captions\.jsonl:2: invalid JSON: .*seems to be cut off"),
        ("[]", r"captions\.jsonl:2: is no object; expected a line such as \{"),
        ("", r"captions\.jsonl:2: invalid JSON"),
        (LINE, r":2: repeats the image '00a' of line 1; expected it once.*Get the published"),
        (LINE.replace("00a", ""), r":2: 'image/key' is ''; expected the image's key"),
        (LINE.replace('"00a"', "3"), ":2: 'image/key' is 3"),
        (LINE.replace("00a", "00b").replace('"bn": {', '"xx": {'), ":2: no captions in 'bn'"),
        (image("00b", IMAGES["00b"] | {"de": []}), ":2: no captions in 'de'; expected"),
        (image("00b", IMAGES["00b"] | {"de": ["Hund", " "]}), r"'de\.caption\[1\]' is ' '"),
        (image("00b", IMAGES["00b"]).replace('["a dog", "a cat"]', "3"), "no captions in 'en'"),
        (image("00b", IMAGES["00b"]).replace('["a dog", "a cat"]', "[3]"), r"'en\.caption\[0\]'"),
    ],
)
def test_bad_lines_are_refused(made, second, said):
    with pytest.raises(DataError, match=said):
        made(f"{LINE}\n{second}".encode() + (b"\n" if not second else b""))


def test_bad_files_are_refused(made):
    with pytest.raises(DataError, match=r"captions\.jsonl:1: not UTF-8 .*convert"):
        made(lines().decode().encode("utf-16"))
    with pytest.raises(DataError, match=r"captions\.jsonl: is empty; expected lines such as"):
        made(b"")
    with pytest.raises(DataError, match=r"captions\.zip: cannot be unpacked"):
        made(b"PK\x03\x04" + lines(), "captions.zip")
    with pytest.raises(DataError, match=r"captions\.zip: cannot be unpacked"):
        made(zipped(captions__jsonl=lines() * 50).replace(b"\x00a", b"\x01a")[:200], "captions.zip")
    with pytest.raises(DataError, match="expected one file of JSON lines"):
        made(zipped(a__jsonl=lines(), b__jsonl=lines()), "captions.zip")
    with pytest.raises(DataError, match="expected one file of JSON lines"):
        made(zipped(captions__gz=gzip.compress(lines())), "captions.zip")


def test_the_settings_of_xm3600():
    card = task_cards()["XM3600"]
    assert card_settings(card) == tuple(Setting)
    assert [len(task_views(card, setting)) for setting in Setting] == [35, 36 * 35, 36]
    assert "bn-bn" not in task_views(card, Setting.MONOLINGUAL)
    assert "bn-multi" in task_views(card, Setting.MULTILINGUAL)


def test_a_subset_that_is_empty_must_be_named(made):
    with pytest.raises(ValueError, match=r"view bn-bn is empty.*source\.empty_subsets"):
        view_queries(made(), View("bn", ("bn",)))


def test_an_unknown_empty_subset_is_refused(tmp_path):
    text = task_cards()["XM3600"].file.read_text(encoding="utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(re.sub('"bn-bn"', '"bn-xx"', text), encoding="utf-8")
    with pytest.raises(CardError, match=r"source\.empty_subsets: there is no subset 'bn-xx'"):
        read_card(file)


def test_without_the_file_the_error_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"xm3600/captions\.zip: no such file\. Put the published"):
        load_collection(task_cards()["XM3600"])
