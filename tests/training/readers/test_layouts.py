"""Data as they lie on the hub: dictionaries, bitexts, long form, streams; blank texts."""

import json
import logging

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset, DatasetDict, Features, IterableDataset, Translation, Value
from datasets.table import MemoryMappedTable
from tests.training.readers.test_readers import collection, message, texts

from mteb_hybrid.files import places
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.training.readers import stream
from mteb_hybrid.training.readers.checks import checked_count, checked_languages
from mteb_hybrid.training.readers.collection import from_collection
from mteb_hybrid.training.readers.dataset import from_dataset, from_pairs
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.dictionaries import from_translations
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.long import from_long


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "parallel"


# --- dictionaries by language


ROWS = [
    {"query": {"en": "q0", "pt_BR": "f0"}, "passage": {"en": "p0", "pt_BR": None}},
    {"query": {"en": None, "pt_BR": "f1"}, "passage": {"en": "p1", "pt_BR": "a1"}},
]
COLUMNS = [
    {"query_en": "q0", "query_pt-BR": "f0", "passage_en": "p0", "group": 0},
    {"query_pt-BR": "f1", "passage_en": "p1", "passage_pt-BR": "a1", "group": 1},
]


def test_dictionaries():
    dataset = Dataset.from_list(ROWS)
    assert texts(from_dataset(dataset)) == COLUMNS
    other = dataset.rename_columns({"query": "ask", "passage": "tell"})
    assert texts(from_dataset(other, query="ask", passage="tell")) == COLUMNS
    assert texts(from_dataset(dataset.select([1]))) == [COLUMNS[1] | {"group": 0}]
    corpus = from_dataset(dataset, languages=["pt-BR"])
    assert texts(corpus) == [{"query_pt-BR": "f1", "passage_pt-BR": "a1", "group": 1}]
    row = {"query": {"id": "apa?"}, "passage": {"id": "ini"}, "negatives": {"id": ["itu", "sana"]}}
    corpus = from_dataset(Dataset.from_list([row]), negatives=2)
    assert corpus.languages == ("id",) and corpus.negative_texts("id", 0) == ["itu", "sana"]


def test_dictionaries_stay_on_disk(tmp_path):
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "disk")
    dataset = Dataset.load_from_disk(tmp_path / "disk")
    corpus = from_dataset(dataset)
    assert texts(corpus) == COLUMNS
    theirs = dataset.data.column("query").chunks[0].field("en").buffers()[2].address
    assert corpus._table.column("query_en").chunks[0].buffers()[2].address == theirs


def test_bad_dictionaries():
    dataset = Dataset.from_list([{"query": {"English": "q"}, "passage": {"en": "p"}}])
    assert message(from_dataset, dataset).startswith(
        "dataset: column 'query' has the key 'English'; expected one short code"
    )
    dataset = Dataset.from_list([{"query": {"no": "q", "NO": "q"}, "passage": {"en": "p"}}])
    assert "has the key 'NO'; expected one short code" in message(from_dataset, dataset)
    dataset = Dataset.from_dict({"query": ["q"], "passage": ["p"]})
    assert message(from_dataset, dataset, query="query", passage="passage").startswith(
        "dataset: column 'query' holds string; expected dictionaries of texts by language"
    )


# --- translations


def bitext(rows, languages=("en", "de")):
    features = Features({"translation": Translation(languages)})
    columns = [dict(zip(languages, row, strict=True)) for row in rows]
    return Dataset.from_dict({"translation": columns}, features)


def test_translations_ask_in_turn(caplog):
    rows = [("one", "eins"), ("two", "zwei"), ("three", None), ("one", "eine"), ("eins", "uno")]
    corpus = from_translations(bitext(rows))
    assert sorted(corpus.languages) == ["de", "en"]
    sides = [{k: v for k, v in row.items() if k != "group"} for row in texts(corpus)]
    expected = []
    for n, (en, de) in enumerate(rows):
        if de is not None:
            asks, answers = (("de", de), ("en", en))[:: 1 if n % 2 == 0 else -1]
            expected.append({f"query_{asks[0]}": asks[1], f"passage_{answers[0]}": answers[1]})
    assert sides == expected
    # "one" asks in one row and answers in another; "eins" is a word of both languages.
    assert corpus.groups().tolist() == [0, 1, 0, 0]
    assert "1 rows left out that are in fewer than two languages" in caplog.text


def test_translations_are_never_monolingual_and_come_in_all_pairs():
    codes = ("en", "de", "th", "ar")
    rows = [
        tuple(f"{code} {n}" if (n >> place) % 3 else None for place, code in enumerate(codes))
        for n in range(400)
    ]
    data = ParallelDataset.from_translations(bitext(rows, codes))
    (corpus,) = data.corpora
    query, passage = (corpus.masks(role, codes) for role in ("query", "passage"))
    assert not (query & passage).any()
    assert len(corpus) == sum(sum(text is not None for text in row) >= 2 for row in rows)
    pairs = {(x, y) for x, y in data.counts().select(data.counts().columns[1:3]).iter_rows()}
    assert pairs == {(x, y) for x in codes for y in codes if x != y}
    found = [set(row.values()) - {row["group"]} for row in texts(corpus)]
    assert found == [
        {text for text in row if text} for row in rows if sum(text is not None for text in row) >= 2
    ]
    two = from_translations(bitext(rows, codes), languages=["th", "ar"])
    assert two.languages == ("th", "ar") and (two.masks("query", ["th"]) == 1).mean() > 0.2


def test_texts_are_strings():
    numbers = Dataset.from_list([{"translation": {"en": 1, "de": 2}}])
    assert "translations: column 'translation.en' holds int64; expected strings" in message(
        from_translations, numbers
    )
    en, de = (Dataset.from_dict({"id": [1], "query": [q], "passage": ["p"]}) for q in ("q", 2))
    assert "datasets, de: column 'query' holds int64; expected strings" in message(
        from_datasets, {"en": en, "de": de}
    )
    without = Dataset.from_dict({"id": [1], "query": [None], "passage": ["a"]})
    row = {"query_en": "q", "passage_en": "p", "passage_de": "a", "group": 1}
    assert texts(from_datasets({"en": en, "de": without})) == [row]


@pytest.mark.parametrize(
    ("rows", "options", "expected"),
    [
        ([("one", None), (None, "zwei")], {}, "none of the 2 rows is in two languages; ask"),
        ([("one", "eins"), ("two", " ")], {}, "row 1, column 'translation.de' is blank"),
        ([("one", "eins")], {"languages": ["en", "fr"]}, "no column 'translation.fr' among"),
        ([("one", "eins")], {"column": "text"}, "translations: no column 'text' among"),
    ],
)
def test_bad_translations(cache, rows, options, expected):
    assert expected in message(from_translations, bitext(rows), **options)
    assert not list(cache.glob("*"))


# --- long form


def long(rows, **columns):
    names = ("id", "language", "query", "passage")
    return Dataset.from_list([dict(zip(names, row, strict=True)) for row in rows])


LONG = [
    ("b", "en", "qb", "pb"),
    ("a", "de", "fa", "aa"),
    ("a", "en", "qa", "pa"),
    ("b", "DE", "fb", None),
    ("c", "de", "fc", "ac"),
]


def test_long_form_is_one_dataset_per_language():
    corpus = from_long(long(LONG))
    parts = {code: long([row for row in LONG if row[1].lower() == code]) for code in ("en", "de")}
    assert texts(corpus) == texts(from_datasets(parts))
    assert corpus.name == "long" and corpus.languages == ("en", "de") and len(corpus) == 3
    assert texts(corpus)[0] | {"group": 0} == {
        "query_en": "qb",
        "passage_en": "pb",
        "query_de": "fb",
        "group": 0,
    }
    shuffled = from_long(long(LONG).select([0, 4, 3, 2, 1]))
    assert sorted(map(str, texts(shuffled))) == sorted(map(str, texts(corpus)))


def test_bad_long_form():
    assert message(from_long, long([*LONG, ("d", "german", "q", "p")])).startswith(
        "long: row 5, column 'language' is 'german'; expected a short code such as 'en'"
    )
    assert "row 5, column 'language' is None" in message(
        from_long, long([*LONG, ("d", None, "q", "p")])
    )
    assert "no column 'lang' among" in message(from_long, long(LONG), language="lang")
    assert "have the same id 'b'" in message(from_long, long([*LONG, ("b", "en", "x", "y")]))
    assert "column 'language' holds int64" in message(from_long, long([("a", 1, "q", "p")]))


# --- streams


def streamed(rows, read=None):
    def generate():
        for row in rows:
            if read is not None:
                read.append(row)
            yield row

    return IterableDataset.from_generator(generate)


WIDE = [{"query_en": f"q{n}", "passage_en": None if n % 2 else f"p{n}", "passage_de": f"a{n}"}
        for n in range(3000)]  # fmt: skip


def test_a_stream_is_written_once_and_mapped(cache, monkeypatch):
    monkeypatch.setattr(stream, "_ROWS", 1000)
    read = []
    corpus = from_dataset(streamed(WIDE, read), name="web")
    assert [row["query_en"] for row in texts(corpus)] == [row["query_en"] for row in WIDE]
    assert texts(corpus) == texts(from_dataset(Dataset.from_list(WIDE)))
    parts = [part for row in corpus._table.blocks for part in row]
    assert all(isinstance(part, MemoryMappedTable) for part in parts)
    made = sorted(file.name.rpartition("-")[0] for file in cache.iterdir())
    assert made == ["web", "web-stream"]
    # Found again by its name, whatever the stream has by now; another name is another stream.
    read.clear()
    assert from_dataset(streamed(WIDE[:5], read), name="web").digest == corpus.digest
    assert len(read) < 5000 and not [row for row in read if row not in WIDE[:5]]
    assert len(from_dataset(streamed(WIDE[:5]), name="web 2")) == 5
    for file in cache.glob("web-stream*"):
        file.unlink()
    assert len(from_dataset(streamed(WIDE[:7]), name="web")) == 7


def test_a_stream_is_written_whole_or_not_at_all(cache):
    def broken():
        yield from WIDE[:2500]
        raise ConnectionError("the hub went away")

    with pytest.raises(ConnectionError):
        from_dataset(IterableDataset.from_generator(broken), name="web")
    assert not list(cache.glob("*"))
    assert len(from_dataset(streamed(WIDE), name="web")) == 3000


def test_streams_of_every_layout(cache):
    en, de = (Dataset.from_dict({"id": [1, 2], "query": [f"{c}1", f"{c}2"], "passage": ["x", "y"]})
              for c in "ab")  # fmt: skip
    languages = {"en": en, "de": de}
    both = from_datasets({c: d.to_iterable_dataset() for c, d in languages.items()}, name="two")
    assert texts(both) == texts(from_datasets(languages))
    pairs = Dataset.from_dict({"query": ["a"], "passage": ["b"]})
    assert texts(from_pairs(pairs.to_iterable_dataset(), name="p")) == texts(from_pairs(pairs))
    sentences = bitext([("one", "eins"), ("two", "zwei")])
    assert texts(from_translations(sentences.to_iterable_dataset(), name="t")) == texts(
        from_translations(sentences)
    )
    rows = long(LONG)
    assert texts(from_long(rows.to_iterable_dataset(), name="l")) == texts(from_long(rows))


@pytest.mark.parametrize("read", [from_dataset, from_pairs, from_translations, from_long])
def test_streams_need_a_name_and_splits_a_choice(read):
    said = message(read, streamed(WIDE))
    assert "an IterableDataset; it is written to disk once and found again by its name" in said
    said = message(read, DatasetDict(train=Dataset.from_list(WIDE)))
    assert "a DatasetDict; expected a datasets.Dataset, choose one of its splits ['train']" in said
    assert "a NoneType; expected a datasets.Dataset" in message(read, None)


def test_bad_streams(cache):
    rows = [{"query_en": "q", "passage_en": "p"}] * 1500 + [{"query_en": 3, "passage_en": "p"}]
    assert "web: among rows 1024 to" in message(from_dataset, streamed(rows), name="web")
    # Missing in the rows that types are told from.
    late = [{"query_en": "q", "passage_en": "p", "query_de": None}] * 1500
    late.append({"query_en": "q", "passage_en": "p", "query_de": "f"})
    said = message(from_dataset, streamed(late), name="web")
    assert said.startswith("web: among rows 1024 to 2047 is one of another type than the first (")
    assert said.endswith("; give all rows their types with IterableDataset.cast")
    assert not list(cache.glob("*"))
    text = Value("string")
    features = Features({"query_en": text, "passage_en": text, "query_de": text})
    corpus = from_dataset(streamed(late).cast(features), name="web")
    assert corpus.text("query", "de", 1500) == "f" and not corpus._has("query", "de", 0)
    assert "web: the dataset has no rows" in message(from_dataset, streamed([]), name="web")


# --- blank texts and odd values


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u3000", "\x1f"])
def test_blank_texts_are_refused_by_all_readers(tmp_path, cache, blank):
    rows = {"query_en": ["a", "b"], "passage_en": ["c", "d"], "passage_de": [None, blank]}
    assert message(from_dataset, Dataset.from_dict(rows)) == (
        "dataset: row 1, column 'passage_de' is blank; expected a text, make a missing translation "
        "null"
    )
    named = Dataset.from_dict({"en-q": ["a"], "en-p": [blank]})
    assert "row 0, column 'en-p' is blank" in message(
        from_dataset, named, query="{language}-q", passage="{language}-p"
    )
    Dataset.from_dict(rows).save_to_disk(tmp_path / "disk")
    on_disk = Dataset.load_from_disk(tmp_path / "disk")
    assert "row 1, column 'passage_de' is blank" in message(from_dataset, on_disk)
    # In a language that was not asked for, nobody sees it.
    assert len(from_dataset(on_disk, languages=["en"])) == 2
    pairs = Dataset.from_dict({"query": ["a", blank], "passage": ["c", "d"]})
    assert "pairs: row 1, column 'query' is blank" in message(from_pairs, pairs)
    side = [{"id": [1, 2], "query": ["a", "b"], "passage": ["c", p]} for p in ("d", blank)]
    languages = dict(zip(("en", "de"), map(Dataset.from_dict, side), strict=True))
    assert "datasets, de: id 2: column 'passage' is blank" in message(from_datasets, languages)
    assert "long, en: id 'a': column 'query' is blank" in message(
        from_long, long([("a", "en", blank, "p"), ("a", "de", "q", "p")])
    )
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"query": {"en": blank}, "passage": {"en": "p"}}) + "\n")
    assert message(read_json, file).startswith(f"{file}:1: 'query.en' is blank")
    if blank == "\x1f":  # a collection refuses the others itself
        toy = collection([("q", "a", "en", "1")], [("p", blank, "en", "1")], [("q", "p", 1)])
        assert "toy: row 0, column 'passage_en' is blank" in message(from_collection, toy)
    lists = rows | {"passage_de": ["e", "f"], "negatives_en": [["x"], ["y", blank]]}
    said = message(from_dataset, Dataset.from_dict(lists), negatives=1)
    assert "column 'negatives_en': row 1 has a negative that is null or blank" in said
    assert not list(cache.glob("*.part"))


def test_numbers_of_numpy_and_torch_are_numbers():
    for value in (2, np.int64(2), np.uint8(2), torch.tensor(2)):
        found = checked_count(value, "negatives", "x")
        assert found == 2 and type(found) is int
    bad = (True, np.True_, torch.tensor(True), 2.0, np.float64(2), "2", None, -1, [2])
    for value in bad:
        with pytest.raises(ParallelDataError, match=r"x: negatives=.*; expected an integer from 0"):
            checked_count(value, "negatives", "x")
    rows = {"query_en": ["a"], "passage_en": ["b"], "negatives_en": [["c", "d"]]}
    assert from_dataset(Dataset.from_dict(rows), negatives=np.int32(1)).negatives == 1


def test_languages_are_a_list_of_texts():
    assert checked_languages(np.array(["en", "de"]), "x") == ("en", "de")
    for value in ("en", None, 3, [None], [3], [], [b"en"]):
        with pytest.raises(ParallelDataError, match=r"x: languages=.*expected a list of short"):
            checked_languages(value, "x")
    assert "a list; expected datasets by short code" in message(from_datasets, [Dataset])
    assert "a str; expected a collection" in message(from_collection, "MLQAR")


def test_a_column_without_any_text_is_no_language():
    rows = {"query_en": ["a"], "passage_en": ["b"], "query_th": [None], "negatives_th": [[]]}
    corpus = from_dataset(Dataset.from_dict(rows))
    assert corpus.languages == ("en",)
    assert pa.types.is_null(Dataset.from_dict(rows).data.schema.field("query_th").type)


def test_readers_say_where_streams_lie(caplog, cache):
    with caplog.at_level(logging.INFO, logger="mteb_hybrid.training"):
        from_dataset(streamed(WIDE[:3]), name="web")
    (file,) = cache.glob("web-stream*")
    assert f"web: streamed data as they were written to {file}" in caplog.text


@pytest.mark.skipif(not hasattr(datasets, "Json"), reason="datasets reads no column as Json")
@pytest.mark.parametrize("given", [{}, {"query": "query", "passage": "passage"}])
def test_json_lines_that_datasets_read_are_sent_to_the_reader_of_json(tmp_path, given):
    rows = [
        {"query": {code: f"q {n} {code}"}, "passage": {code: f"p {n} {code}"}}
        for n, code in enumerate(["en", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh"])
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = datasets.Dataset.from_json(str(path), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ParallelDataError, match=r"type Json.*ParallelDataset\.from_json"):
        ParallelDataset.from_dataset(read, **given)
    rescued = ParallelDataset.from_dataset(datasets.Dataset.from_list(read.to_list()), **given)
    assert len(rescued) == len(ParallelDataset.from_json(path)) == len(rows)
