"""Reading passages and queries, and what is said of those that cannot be read."""

import logging

import pytest

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.probe.corpus import read_mixed
from probe.conftest import write_lines

PASSAGES = [
    {"_id": "a", "title": "A title", "text": "and text", "language": "EN"},
    {"_id": "b", "text": " ein Text ", "language": "de"},
    {"_id": "c", "text": "another", "language": "en"},
]
QUERIES = [
    {"_id": "1", "text": "one", "language": "en", "group": 7},
    {"_id": "2", "text": "eins", "language": "deu", "group": "7"},
    {"_id": "7", "text": "two", "language": "en"},
]


def read(folder, passages=PASSAGES, queries=QUERIES):
    return read_mixed(
        write_lines(folder / "corpus.jsonl", passages),
        write_lines(folder / "queries.jsonl", queries),
    )


def test_what_is_read(tmp_path):
    found = read(tmp_path)
    assert found.passages.rows() == [
        ("a", "A title and text", "en"), ("b", "ein Text", "de"), ("c", "another", "en"),
    ]  # fmt: skip
    assert found.queries["language"].to_list() == ["en", "de", "en"]
    first, second, alone = found.queries["group"]
    assert first == second != alone, "a query without a group is not in the one of its id"
    assert found.pool.languages == ("de", "en")


def test_ids_and_languages_may_stand_where_tasks_new_takes_them(tmp_path):
    def other(rows):
        for number, row in enumerate(rows):
            rest = {key: row[key] for key in row if key not in ("_id", "language")}
            yield {"id": number, "metadata": {"language": row["language"]}, **rest}

    found, plain = read(tmp_path, list(other(PASSAGES)), list(other(QUERIES))), read(tmp_path)
    assert found.passages["id"].to_list() == ["0", "1", "2"]
    for table, same in ((found.passages, plain.passages), (found.queries, plain.queries)):
        assert table.select("text", "language").equals(same.select("text", "language"))


def test_passages_without_words_are_left_out(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found = read(tmp_path, [*PASSAGES, {"_id": "d", "text": " ", "language": "fr"}])
    assert found.pool.languages == ("de", "en")
    assert "1 passage(s) without title and text left out" in caplog.text


def changed(rows, number, **fields):
    return [row | fields if place == number else row for place, row in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"language": ""}, "corpus.jsonl:2: no 'language'; expected its code, such as de"),
        ({"language": None}, "corpus.jsonl:2: no 'language'"),
        ({"text": 5}, "corpus.jsonl:2: key 'text': found '5'; expected an object with"),
        ({"_id": ""}, "corpus.jsonl:2: the id is ''; expected an object"),
        ({"_id": "a"}, "corpus.jsonl:2: repeats the id 'a' of .*corpus.jsonl:1; expected"),
        ({"language": "en"}, r"corpus.jsonl: 3 passages in 1 language\(s\) \(en\); bias"),
    ],
)
def test_passages_that_cannot_be_read(tmp_path, fields, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, changed(PASSAGES, 2, **fields))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": " "}, "queries.jsonl:3: the query '7' is empty. Remove the line"),
        ({"language": " "}, "queries.jsonl:3: no 'language'"),
        ({"group": 7}, "queries.jsonl:3: a second query of the group '7' in en, after .*:1"),
        ({"group": [7]}, "queries.jsonl:3: key 'group': found"),
        ({"_id": "1"}, "queries.jsonl:3: repeats the id '1'"),
    ],
)
def test_queries_that_cannot_be_read(tmp_path, fields, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, queries=changed(QUERIES, 3, **fields))


def test_corpora_without_languages(tmp_path):
    passages = [{key: row[key] for key in ("_id", "text")} for row in PASSAGES]
    with pytest.raises(DataError, match=r"corpus.jsonl:1: no 'language'.*Add it"):
        read(tmp_path, passages)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file(tmp_path, content):
    (tmp_path / "empty.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"empty.jsonl: is empty"):
        read_mixed(tmp_path / "empty.jsonl", tmp_path / "empty.jsonl")


def test_a_line_that_is_no_object(tmp_path):
    with pytest.raises(DataError, match=r"corpus.jsonl:1: .*expected an object"):
        read(tmp_path, [["a", "b"]])
