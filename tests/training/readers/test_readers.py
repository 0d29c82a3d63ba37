"""Reading training data: every format by hand, every error with its place, and the cache."""

import gzip
import json
import pickle
import re
from collections import Counter

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, concatenate_datasets, load_dataset
from datasets.table import MemoryMappedTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.files import places
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.readers import json as parallel_json
from mteb_hybrid.training.readers import mmarco
from mteb_hybrid.training.readers.checks import group_number, group_numbers
from mteb_hybrid.training.readers.collection import from_collection
from mteb_hybrid.training.readers.dataset import from_dataset, from_pairs
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.mmarco import read_mmarco

# Of `printf a | b2sum -l 64`, the first 63 bits.
HASH_OF_A = 0x40F89E395B66422F >> 1

ROWS = [
    {"id": "a", "group": "g", "query": {"en": "qa", "de": "fa"}, "passage": {"en": "pa"}},
    {"id": "b", "group": 7, "query": {"en": "qb"}, "passage": {"de": "ab", "en": "pb"}},
    {"id": 9, "query": {"en": "qc", "de": None}, "passage": {"de": "ac"}, "note": "ignored"},
    {"query": {"zh": "问"}, "passage": {"zh": "答"}},
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "parallel"


@pytest.fixture
def write(tmp_path):
    def write(content, name="pairs.jsonl"):
        if isinstance(content, list):
            lines = [row if isinstance(row, str) else json.dumps(row) for row in content]
            content = "".join(line + "\n" for line in lines)
        content = content.encode() if isinstance(content, str) else content
        file = tmp_path / name
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return file

    return write


def texts(corpus):
    """Everything in a corpus, row by row, without nulls."""
    rows = []
    for row in range(len(corpus)):
        cells = {column: corpus._value(column, row) for column in corpus._columns}
        rows.append({key: value for key, value in cells.items() if value is not None})
    return rows


def message(call, *args, **kwargs):
    with pytest.raises(ParallelDataError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# --- parallel JSON lines


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_json(write, name):
    corpus = read_json(write(ROWS, name))
    assert corpus.name == "pairs" and corpus.languages == ("en", "de", "zh")
    *rows, last = texts(corpus)
    assert rows == [
        {"query_en": "qa", "query_de": "fa", "passage_en": "pa", "group": group_number("g")},
        {"query_en": "qb", "passage_en": "pb", "passage_de": "ab", "group": 7},
        {"query_en": "qc", "passage_de": "ac", "group": 9},
    ]
    assert last.pop("group") not in {row["group"] for row in rows}
    assert last == {"query_zh": "问", "passage_zh": "答"}


def test_groups_of_rows_without_group(write):
    pairs = [{"query": {"en": f"q{n}"}, "passage": {"en": f"p{n}"}} for n in range(4)]
    rows = [{"id": "a"} | pairs[0], pairs[1], pairs[2], "", {"group": "a"} | pairs[3]]
    corpus = read_json(write(rows))
    groups = corpus.groups().tolist()
    assert groups[0] == groups[3] == HASH_OF_A  # an id stands for a missing group
    assert len(set(groups)) == 3 and all(0 <= group < 2**63 for group in groups)
    moved = read_json(write(rows, "moved.jsonl"))
    assert moved.groups().tolist() == groups


def test_several_files_and_a_name(write):
    corpus = read_json([write(ROWS[:1]), str(write(ROWS[1:2], "more.gz"))], name="both")
    assert corpus.name == "both" and [row["query_en"] for row in texts(corpus)] == ["qa", "qb"]


def test_some_languages(write, caplog):
    corpus = read_json(write(ROWS), languages=["de", "en"])
    assert corpus.languages == ("de", "en") and len(corpus) == 3
    assert "1 rows left out that lack a question, and a passage" in caplog.text
    unread = {"query": {"E N": 3}, "passage": {"en": ""}}
    corpus = read_json(write([*ROWS, unread]), languages=["zh"])
    assert [row["query_zh"] for row in texts(corpus)] == ["问"]


def test_hard_negatives(write, caplog):
    pair = {"query": {"en": "q"}, "passage": {"en": "p", "de": "a"}}
    rows = [
        pair | {"negatives": {"en": ["1", "2", "3"], "de": ["eins"]}},
        pair | {"negatives": {"en": ["1"]}},
        pair,
        pair | {"negatives": {"fr": ["un", "deux"], "de": ["eins", "zwei"], "en": None}},
    ]
    corpus = read_json(write(rows), negatives=2)
    assert len(corpus) == 2 and corpus.negatives == 2
    assert corpus.negative_texts("en", 0) == ["1", "2"]
    assert corpus.negative_texts("de", 1) == ["eins", "zwei"]
    assert corpus.masks("passage", ["en", "de"]).tolist() == [0b01, 0b10]
    assert "2 rows left out" in caplog.text
    assert len(read_json(write(rows))) == 4
    assert "negatives_en" not in texts(read_json(write(rows)))[0]
    said = message(read_json, write(rows), negatives=4)
    assert said.endswith(
        "pairs.jsonl: none of the 4 rows has a question, and a passage with 4 negatives in en, de; "
        "ask for fewer negatives or other languages"
    )


GOOD = json.dumps(ROWS[0])
PAIR = '"query": {"en": "q"}, "passage": {"en": "p"}'


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ('{"query": }', "invalid JSON: Expecting value: line 1 column 11 (char 10); expected one"),
        ("[1]", "found '[1]'; expected an object like"),
        ('{"query": {"en": "q"}}', "'passage' is missing; expected texts by language"),
        ('{"query": "q", "passage": {"en": "p"}}', "'query' is 'q'; expected texts by language"),
        ('{"query": {"en": 3}, "passage": {"en": "p"}}', "'query.en' is '3'; expected a text"),
        ('{"query": {"en": "q"}, "passage": {"de": " \\n"}}', "'passage.de' is blank; expected"),
        ('{"query": {"en": null}, "passage": {"en": "p"}}', "'query' has no text in any language"),
        ('{"query": {"en": "q"}, "passage": {}}', "'passage' has no text in any language"),
        ('{"query": {"No": "q"}, "passage": {"no": "p", "NO": "q"}}', "several texts in 'no', one"),
        ('{"query": {"Deutsch": "q"}, "passage": {"en": "p"}}', "has the language 'Deutsch'; exp"),
        ('{"query": {"zh_": "q"}, "passage": {"en": "p"}}', "expected a short code such as 'en'"),
        (f'{{"id": 1.5, {PAIR}}}', "'id' is '1.5'; expected a string or a 64-bit integer"),
        (f'{{"group": true, {PAIR}}}', "'group' is 'true'; expected a string or a 64-bit integer"),
        (f'{{"group": {2**63}, {PAIR}}}', "'group' is '9223372036854775808'; expected"),
        (f'{{"group": "", {PAIR}}}', "'group' is ''; expected a string"),
        (f'{{"negatives": ["n"], {PAIR}}}', "'negatives' is '[\"n\"]'; expected lists of texts"),
        (f'{{"negatives": {{"en": "n"}}, {PAIR}}}', "'negatives.en' is 'n'; expected a list"),
        (f'{{"negatives": {{"en": [1]}}, {PAIR}}}', "'negatives.en[0]' is '1'; expected a text"),
        (f'{{"negatives": {{"en": [""]}}, {PAIR}}}', "'negatives.en[0]' is blank"),
        ('{"query": {"en": "\\ud800"}, "passage": {"en": "p"}}', "not UTF-8 (surrogates not all"),
        (b'{"query": {"en": "\xff"}}', "not UTF-8 (invalid start byte at position 18 of the line)"),
        ("[" * 100_000, "invalid JSON: "),
        (
            "[",
            "expected one whole object per line, not an array of them; jq -c '.[]' writes one as",
        ),
    ],
)
def test_bad_line(write, cache, bad, expected):
    line = bad if isinstance(bad, bytes) else bad.encode()
    file = write(GOOD.encode() + b"\n\n" + line + b"\n" + GOOD.encode() + b"\n")
    said = message(read_json, file, negatives=1)
    assert said.startswith(f"{file}:3: ") and expected in said and "cut off" not in said
    assert not list(cache.glob("*"))


def test_bad_line_of_second_file(write):
    first, second = write(ROWS[:2]), write([ROWS[2], "{}"], "second.jsonl")
    for languages in (None, ["en", "de"]):
        said = message(read_json, [first, second], languages=languages)
        assert said.startswith(f"{second}:2: 'query' is missing")


def test_cut_off(write, cache):
    whole = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
    file = write(whole[: whole.index("答".encode())])
    said = message(read_json, file)
    assert said.startswith(f"{file}:4: invalid JSON: Unterminated string")
    assert said.endswith("The file ends in this line: it seems to be cut off.")
    file = write(whole[: whole.index("答".encode()) + 1])
    assert "not UTF-8 (unexpected end of data" in message(read_json, file)
    assert message(read_json, file).endswith("it seems to be cut off.")

    many = [{"id": n, "query": {"en": f"{n * n}"}, "passage": {"en": f"p{n}"}} for n in range(5000)]
    file = write(many, "pairs.jsonl.gz")
    file.write_bytes(file.read_bytes()[:-5000])
    said = message(read_json, file)
    assert re.match(rf"{re.escape(str(file))}:\d{{4}}: the compressed file is cut off here; ", said)
    file.write_bytes(whole)
    assert "pairs.jsonl.gz:1: not what gzip writes (Not a gzipped file" in message(read_json, file)
    damaged = bytearray(gzip.compress(whole))
    damaged[-6] ^= 1
    file.write_bytes(damaged)
    assert ":5: not what gzip writes (CRC check failed" in message(read_json, file)
    assert not list(cache.glob("*"))


def test_repeated_id(write, cache):
    file, more = write([ROWS[0], ROWS[3], ROWS[2]]), write([ROWS[1], ROWS[0]], "more.jsonl")
    assert message(read_json, [file, more]).startswith(
        f"{more}:2: repeats the id 'a' of {file}:1; expected an id of its own for each row"
    )
    assert not list(cache.glob("*"))
    # An integer is another id than its digits, and one whose text has the same hash.
    pair = {"query": {"en": "q"}, "passage": {"en": "p"}}
    assert len(read_json(write([{"id": n} | pair for n in (1, "1", HASH_OF_A, "a")]))) == 4


def test_bad_arguments(write, tmp_path):
    file = write(ROWS)
    assert message(read_json, []).startswith("no file given")
    assert message(read_json, tmp_path / "x").startswith(f"{tmp_path / 'x'}: no such file")
    assert message(read_json, tmp_path).startswith(f"{tmp_path}: a folder; expected a file")
    for languages in ([], "en", ["English"]):
        said = message(read_json, file, languages=languages)
        assert f"languages={languages!r}; expected a list of short codes" in said
    for negatives in (-1, True, 1.0):
        assert "expected an integer from 0" in message(read_json, file, negatives=negatives)
    assert message(read_json, file, languages=["en", "fr"]) == (
        f"{file}: no row has the language 'fr', which was asked for; found ['en']; correct "
        "`languages`"
    )
    assert message(read_json, write("\n\n")).startswith(f"{file}: no rows; expected lines such as")
    file = write([{"query": {"en": "q"}, "passage": {"de": "p"}}])
    assert message(read_json, file, languages=["en"]).endswith(
        "none of the 1 rows has a question, and a passage in en; ask for other languages"
    )


def test_cache(write, cache, monkeypatch, tmp_path):
    file = write(ROWS)
    first = texts(read_json(file))
    made = sorted(cache.iterdir())
    assert [file.name.rpartition("-")[0] for file in made] == ["pairs", "pairs-groups"]

    with monkeypatch.context() as patch:
        patch.setattr(parallel_json, "_rows", None)
        corpus = read_json(file)
        assert texts(corpus) == first
        parts = [part for row in corpus._table.blocks for part in row]
        assert all(isinstance(part, MemoryMappedTable) for part in parts)
        assert texts(pickle.loads(pickle.dumps(corpus))) == first  # noqa: S301
        assert len(pickle.dumps(corpus)) < 1000
        for other in ({"languages": ["en"]}, {"negatives": 1}, {"cache_folder": tmp_path / "x"}):
            with pytest.raises(TypeError, match="not callable"):
                read_json(file, **other)

    write(ROWS[:2])
    assert len(read_json(file)) == 2
    assert len(read_json(file, cache_folder=tmp_path / "elsewhere")) == 2
    assert len(list(cache.iterdir())) == 4 and len(list((tmp_path / "elsewhere").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(write, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "file")
    file = write(['{"query": {"en": "a"}, "passage": {"en": "b"}}'])
    with pytest.raises(ParallelDataError, match=r"file.parallel: .*set XDG_CACHE_HOME"):
        read_json(file)
    assert len(read_json(file, cache_folder=tmp_path / "other")) == 1


def test_nothing_half_written(write, cache, monkeypatch):
    monkeypatch.setattr(parallel_json, "BATCH_ROWS", 1)
    file = write([ROWS[0], ROWS[1], ROWS[0]])
    seen = []
    monkeypatch.setattr(
        parallel_json, "_refuse_repeated", lambda *_: seen.append(list(cache.iterdir())) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        read_json(file)
    ((part,),) = seen
    assert part.suffix == ".part" and not list(cache.iterdir())


def test_batches(write, monkeypatch):
    rows = [{"id": n, "query": {"en": f"q{n}"}, "passage": {"en": f"p{n}"}} for n in range(100)]
    monkeypatch.setattr(parallel_json, "BATCH_ROWS", 30)
    corpus = read_json(write(rows))
    assert [len(chunk) for chunk in corpus._table.column("query_en").chunks] == [30, 30, 30, 10]
    assert [corpus.text("passage", "en", row) for row in range(100)] == [
        f"p{n}" for n in range(100)
    ]
    monkeypatch.setattr(parallel_json, "_BATCH_BYTES", len(json.dumps(rows[0])) * 40)
    assert read_json(write(rows, "b")).digest == corpus.digest


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: not text.isspace()
)
SIDE = st.dictionaries(st.sampled_from(["en", "de", "zh", "pt-br"]), TEXT, min_size=1)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=6), ascii=st.booleans())
def test_json_round_trip(write, tmp_path, rows, ascii):
    lines = [json.dumps({"query": q, "passage": p}, ensure_ascii=ascii) for q, p in rows]
    corpus = read_json(write(lines), cache_folder=tmp_path / str(hash(tuple(lines))))
    for row, sides in enumerate(rows):
        for role, side in zip(("query", "passage"), sides, strict=True):
            found = [code for code in corpus.languages if corpus._has(role, code, row)]
            assert {code: corpus.text(role, code, row) for code in found} == side


# --- datasets


WIDE = {
    "query_en": ["q0", "q1", None],
    "passage_en": ["p0", "p1", "p2"],
    "query_de": ["f0", None, "f2"],
    "passage_de": ["a0", None, None],
    "negatives_en": [["x", "y"], ["z"], None],
    "group": ["g", "h", "g"],
    "url": ["u", "v", "w"],
}


@pytest.fixture
def on_disk(tmp_path):
    """A dataset as one gets it from a folder of Parquet files."""

    def load(columns, shards=2):
        folder = tmp_path / "parquet"
        folder.mkdir()
        for shard in range(shards):
            part = pl.DataFrame(columns)[shard::shards]
            part.write_parquet(folder / f"{shard}.parquet")
        return load_dataset(
            "parquet", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "hf")
        )

    return load


def test_wide_dataset():
    corpus = from_dataset(Dataset.from_dict(WIDE))
    assert corpus.name == "dataset" and corpus.languages == ("en", "de")
    assert texts(corpus) == [
        {"query_en": "q0", "passage_en": "p0", "query_de": "f0", "passage_de": "a0"}
        | {"group": group_number("g")},
        {"query_en": "q1", "passage_en": "p1", "group": group_number("h")},
        {"passage_en": "p2", "query_de": "f2", "group": group_number("g")},
    ]


def test_wide_dataset_stays_on_disk(on_disk):
    dataset = on_disk(WIDE | {"group": [5, 6, 5]})
    before = pa.total_allocated_bytes()
    corpus = from_dataset(dataset)
    assert pa.total_allocated_bytes() - before < 200
    assert [row["group"] for row in texts(corpus)] == [5, 5, 6]
    theirs = dataset.data.column("query_en").chunks[0].buffers()[2].address
    assert corpus._table.column("query_en").chunks[0].buffers()[2].address == theirs
    assert texts(pickle.loads(pickle.dumps(corpus))) == texts(corpus)  # noqa: S301
    numbered = from_dataset(dataset.remove_columns("group"))
    assert [row["group"] for row in texts(numbered)] == [0, 1, 2]
    assert texts(pickle.loads(pickle.dumps(numbered))) == texts(numbered)  # noqa: S301


def test_chosen_rows(on_disk):
    dataset = on_disk(
        {"query_en": [f"q{n}" for n in range(9)]} | {"passage_en": [f"p{n}" for n in range(9)]}, 1
    )
    corpus = from_dataset(dataset.select([7, 1, 3]))
    assert [row["query_en"] for row in texts(corpus)] == ["q7", "q1", "q3"]
    assert [row["group"] for row in texts(corpus)] == [0, 1, 2]
    formatted = dataset.with_transform(lambda batch: {"nothing": []})
    assert texts(from_dataset(formatted.select([7, 1, 3]))) == texts(corpus)
    both = concatenate_datasets([dataset.select(range(2)), dataset.select([8])])
    assert [row["query_en"] for row in texts(from_dataset(both))] == ["q0", "q1", "q8"]
    beside = concatenate_datasets(
        [dataset.select_columns("query_en"), dataset.select_columns("passage_en")], axis=1
    )
    assert texts(from_dataset(beside)) == texts(from_dataset(dataset))


def test_other_column_names():
    columns = {"de-q": ["f"], "de-p": ["a"], "pt-br-q": ["e"], "no": ["n"], "topic": [3]}
    corpus = from_dataset(
        Dataset.from_dict(columns), query="{language}-q", passage="{language}-p", group="topic"
    )
    assert texts(corpus) == [{"query_de": "f", "passage_de": "a", "query_pt-br": "e", "group": 3}]


def test_some_languages_of_a_dataset(caplog):
    corpus = from_dataset(Dataset.from_dict(WIDE), languages=["de"], name="german")
    assert texts(corpus) == [{"query_de": "f0", "passage_de": "a0", "group": group_number("g")}]
    assert "german: 2 rows left out that lack a question, and a passage" in caplog.text
    corpus = from_dataset(Dataset.from_dict(WIDE), negatives=2)
    assert len(corpus) == 1 and corpus.negative_texts("en", 0) == ["x", "y"]
    assert "none of the 3 rows has a question, and a passage with 3 negatives in en, de" in message(
        from_dataset, Dataset.from_dict(WIDE), negatives=3
    )


def test_identifiers_are_no_indonesian():
    columns = {"query_en": ["q"], "passage_en": ["p"]}
    assert from_dataset(Dataset.from_dict(columns | {"query_id": [3]})).languages == ("en",)
    dataset = Dataset.from_dict(columns | {"query_id": ["apa"]})
    assert message(from_dataset, dataset).startswith(
        "dataset: query_id: texts in Indonesian (id), or identifiers? Give `languages`"
    )
    assert from_dataset(dataset, languages=["en", "id"]).text("query", "id", 0) == "apa"


@pytest.mark.parametrize(
    ("dataset", "arguments", "expected"),
    [
        ([1], {}, "dataset: a list; expected a datasets.Dataset, make one with Dataset.from_"),
        (
            DatasetDict(train=Dataset.from_dict(WIDE)),
            {},
            "dataset: a DatasetDict; expected a datasets.Dataset, choose one of its splits ['tr",
        ),
        (Dataset.from_dict({"query_en": []}), {}, "dataset: the dataset has no rows"),
        (
            Dataset.from_dict({"x": [1]}),
            {},
            "no column like query_{language} or passage_{language} ",
        ),
        (
            Dataset.from_dict(WIDE),
            {"query": None},
            "query columns None; expected a name with {",
        ),
        (
            Dataset.from_dict(WIDE),
            {"languages": ["fr"]},
            "no column 'query_fr' among ['query_en', ",
        ),
        (Dataset.from_dict(WIDE), {"group": "topic"}, "dataset: no column 'topic' among"),
        (Dataset.from_dict(WIDE), {"group": "negatives_en"}, "column 'negatives_en' holds list<"),
        (Dataset.from_dict(WIDE), {"group": "query_en"}, "column 'query_en': row 2 is null"),
        (
            Dataset.from_dict({"query_en": ["q", None], "passage_en": ["p", "p"]}),
            {},
            "dataset: row 1 has no question or no passage in any language; remove such rows",
        ),
        (
            Dataset.from_dict({"query_en": [1], "passage_en": ["p"]}),
            {},
            "dataset: column 'query_en' holds int64, expected strings",
        ),
    ],
)
def test_bad_dataset(dataset, arguments, expected):
    assert expected in message(from_dataset, dataset, **arguments)


def test_unsigned_groups():
    table = pa.table({"query_en": ["q"], "passage_en": ["p"], "group": pa.array([5], pa.uint64())})
    assert from_dataset(Dataset(table)).group(0) == 5
    table = table.set_column(2, "group", pa.array([2**63], pa.uint64()))
    assert "column 'group': Integer value 9223372036854775808 not in range" in message(
        from_dataset, Dataset(table)
    )


def test_pairs():
    dataset = Dataset.from_dict(
        {"anchor": ["x", "y", "x"], "positive": ["1", "2", "3"], "topic": [4, 4, 5]}
    )
    corpus = from_pairs(dataset, query="anchor", passage="positive", name="nli")
    assert corpus.name == "nli" and corpus.languages == ("en",)
    assert texts(corpus) == [
        {"query_en": query, "passage_en": passage, "group": group}
        for query, passage, group in zip("xyx", "123", [0, 1, 0], strict=True)
    ]
    corpus = from_pairs(dataset, query="anchor", passage="positive", group="topic", language="de")
    assert texts(corpus)[2] == {"query_de": "x", "passage_de": "3", "group": 4}
    assert "pairs: no column 'query' among ['anchor'" in message(from_pairs, dataset)
    assert "expected a list of short codes" in message(from_pairs, dataset, language="english")
    dataset = Dataset.from_dict({"query": ["x", None], "passage": ["1", "2"]})
    assert "pairs: row 1 has no question or no passage" in message(from_pairs, dataset)


def language(ids, **columns):
    return Dataset.from_dict(
        {"id": ids, "query": [f"q{i}" for i in ids], "passage": [f"p{i}" for i in ids]} | columns
    )


def test_one_dataset_per_language(cache, monkeypatch):
    datasets = {"en": language(["a", "b"]), "de": language(["c", "b", "a"]), "id": language(["d"])}
    corpus = from_datasets(datasets, name="joined")
    assert corpus.name == "joined" and corpus.languages == ("en", "de", "id")
    assert texts(corpus) == [
        {f"{role}_{code}": f"{role[0]}{row}" for code in codes for role in ("query", "passage")}
        | {"group": group_number(row)}
        for row, codes in (("a", ["en", "de"]), ("b", ["en", "de"]), ("c", ["de"]), ("d", ["id"]))
    ]
    made = sorted(file.name.rpartition("-")[0] for file in cache.iterdir())
    assert made == ["joined", "joined-groups"]
    # The same data elsewhere in memory is found again; chosen rows are other data.
    monkeypatch.setattr("mteb_hybrid.training.readers.datasets._batch", None)
    assert texts(from_datasets(datasets | {"en": language(["a", "b"])}, name="joined")) == texts(
        corpus
    )
    with pytest.raises(TypeError, match="not callable"):
        from_datasets(datasets | {"de": datasets["de"].select([1, 0])})


def test_join_in_parts(monkeypatch):
    monkeypatch.setattr("mteb_hybrid.training.readers.datasets.BATCH_ROWS", 4)
    rng = np.random.default_rng(0)
    datasets = {
        code: language(rng.permutation(20)[:15].tolist()).shuffle(seed=1) for code in ("en", "de")
    }
    corpus = from_datasets(datasets)
    first = {code: set(dataset["id"]) for code, dataset in datasets.items()}
    order = list(dict.fromkeys([*datasets["en"]["id"], *datasets["de"]["id"]]))
    assert texts(corpus) == [
        {
            f"{role}_{code}": f"{role[0]}{number}"
            for code in datasets
            if number in first[code]
            for role in ("query", "passage")
        }
        | {"group": number}
        for number in order
    ]


def test_join_with_groups():
    datasets = {"en": language([1, 2], topic=["x", "y"]), "de": language([2, 3], topic=["y", "x"])}
    groups = [row["group"] for row in texts(from_datasets(datasets, group="topic"))]
    assert groups == [group_number("x"), group_number("y"), group_number("x")]
    datasets["de"] = language([2, 3], topic=["z", "x"])
    assert message(from_datasets, datasets, group="topic").startswith(
        "datasets: id 2 has different groups in different languages"
    )


@pytest.mark.parametrize(
    ("german", "expected"),
    [
        (language(["b", "a", "b"]), "datasets, de: rows 0 and 2 have the same id 'b'; expected an"),
        (language(["x", "y"]), "datasets: no id is in two of en, de; translations of a row need"),
        (language([1, 2]), "ids are of different types {'en': 'String', 'de': 'Int64'}; use one"),
        (language(["a", None]), "datasets, de, column 'id': row 1 is null"),
        (language([0.5, 1.5]), "datasets, de, column 'id' holds double; expected strings or int"),
        (language(["a"], query=["  "]), "datasets, de: id 'a': column 'query' is blank; make a"),
        (language(["a", "z"], query=["q", None]), "datasets: id 'z' has no query in any language"),
        (language(["a"]).remove_columns("passage"), "datasets, de: no column 'passage' among"),
        ([1], "datasets, de: a list; expected a datasets.Dataset"),
    ],
)
def test_bad_join(cache, german, expected):
    said = message(from_datasets, {"en": language(["a", "b"]), "de": german})
    assert expected in said
    assert not list(cache.glob("*"))


def test_join_of_one_language():
    assert "(or use from_pairs for a single language)" in message(
        from_datasets, {"en": language(["a"])}
    )
    assert "expected a list of short codes" in message(from_datasets, {})


# --- collections


def collection(queries, passages, qrels):
    return Collection(
        name="toy",
        languages=("en", "de"),
        passages=pl.DataFrame(passages, TEXTS, orient="row"),
        queries=pl.DataFrame(queries, TEXTS, orient="row"),
        qrels=pl.DataFrame(qrels, QRELS, orient="row"),
    )


def test_a_caption_is_its_own_passage_only_where_there_is_no_other():
    captions = [
        ("e1", "a cat", "en", "1"),
        ("e2", "a cat asleep", "en", "1"),
        ("d1", "Katze", "de", "1"),
    ]
    judgments = [(x[0], y[0], 2 if y[0] == "e1" else 1) for x in captions for y in captions]
    judgments = [row for row in judgments if row[0] != row[1]]
    (row,) = texts(from_collection(collection(captions, captions, judgments)))
    assert (row["query_en"], row["passage_en"]) == ("a cat", "a cat asleep")
    assert (row["query_de"], row["passage_de"]) == ("Katze", "Katze")


def test_collection():
    corpus = from_collection(
        collection(
            [
                ("q1e", "one?", "en", "1"),
                ("q1d", "eins?", "de", "1"),
                ("q2e", "two?", "en", "2"),
                ("q3d", "drei?", "de", "3"),
                ("q4e", "four?", "en", "4"),
                ("q5e", "five?", "en", "5"),
            ],
            [
                ("e1", "weak", "en", "A"),
                ("e2", "strong", "en", "B"),
                ("e3", "strong too", "en", "B"),
                ("d1", "stark", "de", "B"),
                ("d2", "anders", "de", "C"),
                ("e4", "alone", "en", "D"),
            ],
            [
                ("q1e", "e1", 1),
                ("q1e", "e3", 2),
                ("q1d", "e2", 2),
                ("q1d", "d1", 1),
                ("q2e", "d1", 1),
                ("q2e", "d2", 1),
                ("q3d", "d2", 1),
                ("q5e", "e4", 1),
            ],
        )
    )
    assert corpus.name == "toy" and corpus.languages == ("en", "de")
    groups = [row.pop("group") for row in texts(corpus)]
    assert [{k: v for k, v in row.items() if k != "group"} for row in texts(corpus)] == [
        {"query_en": "one?", "query_de": "eins?", "passage_en": "strong", "passage_de": "stark"},
        {"query_en": "two?", "passage_de": "stark"},
        {"query_de": "drei?", "passage_de": "anders"},
        {"query_en": "five?", "passage_en": "alone"},
    ]
    # 1 and 2 share a passage of B, 2 and 3 one of C.
    assert groups == [group_number("A")] * 3 + [group_number("D")]


def test_passages_judged_not_relevant_are_no_answers():
    """As in MIRACL: most judgments are 0, and some questions have no others."""
    queries = [(f"q{n}", f"question {n}", "en", f"{n}") for n in range(4)]
    passages = [(f"p{n}", f"passage {n}", "de" if n == 3 else "en", f"P{n}") for n in range(5)]
    judgments = [
        ("q0", "p0", 0),
        ("q0", "p1", 1),
        ("q1", "p1", 0),
        ("q1", "p2", 1),
        ("q1", "p3", 0),
        ("q2", "p0", 0),
        ("q3", "p4", 1),
        ("q3", "p2", 0),
    ]
    found = texts(from_collection(collection(queries, passages, judgments)))
    groups = [row.pop("group") for row in found]
    assert found == [
        {"query_en": f"question {query}", "passage_en": f"passage {answer}"}
        for query, answer in [(0, 1), (1, 2), (3, 4)]
    ]
    assert groups == [group_number(f"P{answer}") for answer in (1, 2, 4)]
    wrong = collection(queries, passages, [(*pair, 0) for *pair, _ in judgments])
    assert message(from_collection, wrong) == (
        "toy: no question has a passage that is relevant to it; expected judgments above 0"
    )


@pytest.mark.parametrize(
    ("card", "languages", "groups"),
    [("MLQAR", {4: 820, 3: 263, 2: 65}, {1: 1132, 2: 8}), ("XQuADR", {11: 1190}, None)],
)
def test_real_collections(real_data, card, languages, groups):
    loaded = load_collection(task_cards()[card])
    corpus = from_collection(loaded)
    masks = [corpus.masks(role, corpus.languages) for role in ("query", "passage")]
    assert (masks[0] == masks[1]).all()
    assert Counter(mask.bit_count() for mask in masks[0].tolist()) == languages
    # Joined by relevant passages themselves, not by their groups.
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    of_query = dict(loaded.queries.select("id", "group").iter_rows())
    for query, passage, _ in loaded.qrels.iter_rows():
        parent[root(("passage", passage))] = root(("content", of_query[query]))
    contents = list(dict.fromkeys(loaded.queries["group"]))
    expected = [root(("content", content)) for content in contents]
    found = [corpus.group(row) for row in range(len(corpus))]
    assert len(set(zip(expected, found, strict=True))) == len(set(expected)) == len(set(found))
    if groups:
        assert Counter(Counter(found).values()) == groups
    query = loaded.queries.filter(language="zh").row(0, named=True)
    row = contents.index(query["group"])
    assert corpus.text("query", "zh", row) == query["text"]
    relevant = loaded.qrels.filter(query_id=query["id"])["passage_id"].implode()
    answers = loaded.passages.filter(pl.col("id").is_in(relevant), language="zh")
    assert corpus.text("passage", "zh", row) == answers["text"][0]


def test_libreoffice_help(data_folder):
    file = data_folder / "parallel" / "libreoffice-help" / "pairs.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    corpus = read_json(file)
    assert len(corpus) == 22_252
    assert sorted(corpus.languages) == ["de", "el", "en", "es", "hi", "ru", "tr", "vi", "zh"]
    with gzip.open(file) as stream:
        rows = [json.loads(line) for line in stream]
    for role in ("query", "passage"):
        for code in corpus.languages:
            assert corpus._table.column(f"{role}_{code}").to_pylist() == [
                row[role].get(code) for row in rows
            ]
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for number, row in enumerate(rows):
        links = {("group", row["group"])}
        links |= {("text", text) for role in ("query", "passage") for text in row[role].values()}
        for link in links:
            parent[root(link)] = root(("row", number))
    expected = [root(("row", number)) for number in range(len(rows))]
    found = corpus.groups().tolist()
    assert len(set(zip(expected, found, strict=True))) == len(set(expected)) == len(set(found))


# --- mMARCO


TRIPLES = [(20, 3, 1), (10, 2, 4), (20, 3, 1), (20, 3, 4), (20, 0, 1), (10, 2, 5), (20, 0, 2)]


@pytest.fixture
def hub(tmp_path):
    """A folder in the layout of the hub, with two questions and six passages."""
    folder = tmp_path / "mmarco"

    def write(path, lines):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines), "utf-8")
        return file

    write("data/triples.train.ids.small.tsv", TRIPLES)
    for english, code in (("english", "en"), ("chinese", "中"), ("indonesian", "id")):
        queries = [(number, f"{code} q{number}") for number in (30, 20, 10)]
        write(f"data/google/queries/train/{english}_queries.train.tsv", queries)
        passages = [(number, f"{code} p{number}") for number in (6, 5, 0, 1, 2, 3, 4)]
        write(f"data/google/collections/{english}_collection.tsv", passages)
    write.folder = folder
    return write


def test_mmarco(hub, cache, monkeypatch):
    corpus = read_mmarco(hub.folder, languages=["zh", "en"])
    assert corpus.name == "mmarco" and corpus.languages == ("zh", "en")
    expected = [
        {
            f"{role}_{code}": f"{written} {role[0]}{number}"
            for code, written in (("zh", "中"), ("en", "en"))
            for role, number in (("query", query), ("passage", passage))
        }
        | {"group": query}
        for query, passage in ((20, 3), (10, 2), (20, 0))
    ]
    assert texts(corpus) == expected
    assert texts(pickle.loads(pickle.dumps(corpus))) == expected  # noqa: S301
    assert sorted(file.name.rpartition("-")[0] for file in cache.iterdir()) == [
        "mmarco-en",
        "mmarco-groups",
        "mmarco-ids",
        "mmarco-zh",
    ]
    # Another language is added without reading the others again.
    monkeypatch.setattr(mmarco, "_read_triples", None)
    read = []
    original = mmarco._read_texts
    monkeypatch.setattr(
        mmarco, "_read_texts", lambda code, *args: read.append(code) or original(code, *args)
    )
    corpus = read_mmarco(hub.folder, languages=["zh", "id", "en"])
    assert read == ["id"] and corpus.text("query", "id", 1) == "id q10"


def test_mmarco_negatives(hub, caplog):
    corpus = read_mmarco(hub.folder, languages=["en"], negatives=2)
    rows = texts(corpus)
    assert [row["group"] for row in rows] == [20, 10, 20]
    assert [corpus.negative_texts("en", row) for row in range(3)] == [
        ["en p1", "en p4"],  # 1 is given twice
        ["en p4", "en p5"],
        ["en p1", "en p2"],
    ]
    assert corpus.masks("passage", ["en"]).tolist() == [1, 1, 1]
    hub("data/triples.train.ids.small.tsv", [*TRIPLES, (10, 2, 1)])
    corpus = read_mmarco(hub.folder, languages=["en"], negatives=3)
    assert [row["query_en"] for row in texts(corpus)] == ["en q10"]
    assert corpus.negative_texts("en", 0) == ["en p4", "en p5", "en p1"]
    assert "2 pairs left out with fewer than 3 negatives" in caplog.text
    assert message(read_mmarco, hub.folder, languages=["en"], negatives=4).startswith(
        f"{hub.folder}/data/triples.train.ids.small.tsv: none of 3 pairs of question and passage "
        "has 4 different negatives"
    )


def test_mmarco_limit(hub):
    hub("data/triples.train.ids.small.tsv", [*TRIPLES, ("never", "read")])
    for limit in (1, 2):
        corpus = read_mmarco(hub.folder, languages=["en"], limit=limit)
        assert [row["query_en"] for row in texts(corpus)] == ["en q20", "en q10"][:limit]
    corpus = read_mmarco(hub.folder, languages=["en"], limit=2, negatives=2)
    assert corpus.negative_texts("en", 1) == ["en p4", "en p5"]  # completed after another pair


def test_mmarco_in_parts(hub, monkeypatch):
    whole = texts(read_mmarco(hub.folder, languages=["en"], negatives=2))
    monkeypatch.setattr(mmarco, "BATCH_ROWS", 3)
    monkeypatch.setattr(mmarco, "VERSION", 0)
    corpus = read_mmarco(hub.folder, languages=["en"], negatives=2)
    assert [len(chunk) for chunk in corpus._table.column("query_en").chunks] == [2, 1]
    assert texts(corpus) == whole


def test_mmarco_names():
    published = "arabic chinese dutch english french german hindi indonesian italian japanese "
    published += "portuguese russian spanish vietnamese"
    assert sorted(mmarco.ENGLISH_NAMES.values()) == published.split()


@pytest.mark.parametrize(
    ("path", "lines", "line", "expected"),
    [
        (
            mmarco.TRIPLES,
            [(1, 2, 3), (1, 2)],
            2,
            "found '1\\t2\\n'; expected 3 ids separated by tabs",
        ),
        (
            mmarco.TRIPLES,
            [(1, 2, 3, 4)],
            1,
            "found '1\\t2\\t3\\t4\\n'; expected 3 ids separated by",
        ),
        (mmarco.TRIPLES, [(20, 3, 1), (20, 3, "x")], 2, "found '20\\t3\\tx\\n'; expected 3 ids"),
        (mmarco.TRIPLES, [(20, 3, 1), (20, -3, 1)], 2, "found '20\\t-3\\t1\\n'; expected 3 ids"),
        (mmarco.TRIPLES, [(2**31, 3, 1)], 1, "found '2147483648\\t3\\t1\\n'; expected 3 ids"),
        (mmarco.TRIPLES, [], None, "no triples; download it again"),
        (
            mmarco.QUERIES,
            [(20, "x"), (10,)],
            2,
            "found '10\\n'; expected an id and a text separated",
        ),
        (
            mmarco.QUERIES,
            [(20, "x"), (10, "x", "y")],
            2,
            "found '10\\tx\\ty\\n'; expected an id and",
        ),
        (mmarco.QUERIES, [("q20", "x")], 1, "found 'q20\\tx\\n'; expected an id and a text"),
        (mmarco.QUERIES, [(20, " ")], 1, "found '20\\t \\n'; expected an id and a text"),
        (mmarco.QUERIES, [(20, "\xa0")], 1, "the text is blank; expected a text"),
        (mmarco.QUERIES, [(20, "x"), (20, "y")], 2, "repeats the id of an earlier line; expected"),
        (
            mmarco.PASSAGES,
            [(2, "x"), (9, "y")],
            2,
            "the file ends here without 2 of the ids that the triples name, such as 0; download",
        ),
    ],
)
def test_bad_mmarco(hub, cache, path, lines, line, expected):
    file = hub(path.format("english"), lines)
    place = f"{file}: " if line is None else f"{file}:{line}: "
    said = message(read_mmarco, hub.folder, languages=["en"])
    assert said.startswith(place) and expected in said
    assert not list(cache.glob("mmarco-en*")) and not list(cache.glob("*.part"))


def test_bad_mmarco_arguments(hub):
    file = hub.folder / mmarco.QUERIES.format("english")
    file.write_bytes(b"20\tx\n10\t\xff\n")
    assert message(read_mmarco, hub.folder, languages=["en"]).startswith(
        f"{file}:2: not UTF-8 (invalid start byte at byte 0 of the text)"
    )
    file.unlink()
    assert message(read_mmarco, hub.folder, languages=["zh", "en"]).startswith(
        f"{file}: no such file; expected the layout of huggingface.co/datasets/unicamp-dl/mmarco"
    )
    assert "mMARCO is not in th; choose from ['ar'," in message(
        read_mmarco, hub.folder, languages=["en", "th"]
    )
    assert "limit=0; expected" in message(read_mmarco, hub.folder, languages=["en"], limit=0)
    assert "negatives=-1" in message(read_mmarco, hub.folder, languages=["en"], negatives=-1)


def test_hash_of_groups():
    assert group_number("a") == HASH_OF_A
    assert group_number(-3) == -3
    column = pa.chunked_array([["a", "b", "a"], ["c"]])
    assert group_numbers(column, "x").tolist() == [group_number(v) for v in "abac"]
