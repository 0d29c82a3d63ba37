"""Digests: of all content, however it lies in memory, and read once for a file."""

import json
import os
import pickle

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, concatenate_datasets
from datasets.table import ConcatenationTable, InMemoryTable
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.files import places
from mteb_hybrid.training import digest
from mteb_hybrid.training.corpus import Corpus
from mteb_hybrid.training.digest import dataset_digest, table_digest
from mteb_hybrid.training.readers.dataset import from_dataset
from mteb_hybrid.training.readers.json import read_json


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


TEXT = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
ROW = st.tuples(
    TEXT,
    st.one_of(st.none(), st.lists(TEXT, max_size=3)),
    st.one_of(st.none(), st.integers(-3, 3)),
    st.one_of(st.none(), st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2)),
    st.one_of(st.none(), st.booleans()),
)
TYPES = (
    pa.string(),
    pa.list_(pa.string()),
    pa.int64(),
    pa.list_(pa.float32(), 2),
    pa.bool_(),
)
LARGE = (pa.large_string(), pa.large_list(pa.large_string()), *TYPES[2:])


def plain_table(rows):
    columns = {f"c{n}": pa.array([row[n] for row in rows], kind) for n, kind in enumerate(TYPES)}
    return InMemoryTable(pa.table(columns))


def column(values, kind, cuts, garbage):
    """Values as an array in chunks, each the middle of a longer one; under nulls lies something."""
    chunks = []
    for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        chunk = values[start:end]
        if pa.types.is_string(kind) and len(chunk):
            mask = pa.array([value is not None for value in chunk]).buffers()[1]
            under = [garbage if value is None else value for value in chunk]
            _, ends, data = pa.array(under, kind).buffers()
            array = pa.Array.from_buffers(kind, len(chunk), [mask, ends, data])
        else:
            array = pa.array([garbage, *chunk, garbage], kind).slice(1, len(chunk))
        chunks.append(array)
    return pa.chunked_array(chunks, kind)


@settings(deadline=None, max_examples=100 * int(os.environ.get("MTEB_HYBRID_SOAK", "1")))
@given(rows=st.lists(ROW, min_size=1, max_size=8), data=st.data())
def test_equal_content_has_one_digest_and_other_content_another(rows, data):
    plain = InMemoryTable(
        pa.table(
            {f"c{n}": pa.array([row[n] for row in rows], kind) for n, kind in enumerate(TYPES)}
        )
    )
    garbage = ("under", ["u", None], 7, [1.0, 2.0], True)
    parts = {}
    for n in data.draw(st.permutations(range(len(TYPES)))):
        kind = data.draw(st.sampled_from([TYPES[n], LARGE[n]]))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
        parts[f"c{n}"] = column([row[n] for row in rows], kind, cuts, garbage[n])
    other = InMemoryTable(pa.table(parts))
    assert other.to_pylist() == plain.to_pylist()
    assert table_digest(other) == table_digest(plain)

    changed = [list(row) for row in rows]
    row, place = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(TYPES) - 1))
    changed[row][place] = data.draw(ROW)[place]
    edited = plain_table(changed)
    # By what is written: -0.0 and 0.0 are equal, but other content.
    same = repr(changed) == repr([list(row) for row in rows])
    assert (table_digest(edited) == table_digest(plain)) == same


def corpus(rows=1000, edited=None):
    columns = {
        "query_en": [f"q{n}" for n in range(rows)],
        "passage_en": [f"p{n}" + "!" * (n == edited) for n in range(rows)],
        "group": [*range(rows)],
    }
    return Corpus("x", InMemoryTable(pa.table(columns)))


def test_one_edited_row_of_a_thousand_is_noticed():
    digests = {corpus(edited=row).digest for row in (None, 0, 1, 500, 777, 999)}
    assert len(digests) == 6
    assert corpus().renamed("y").digest == corpus().digest
    assert corpus().renamed("y").name == "y"


def test_the_digest_of_a_file_is_computed_once(tmp_path, cache, monkeypatch):
    def load():
        return from_dataset(Dataset.load_from_disk(tmp_path / "disk"))

    columns = {"query_en": ["a", "b"], "passage_en": ["c", "d"]}
    Dataset.from_dict(columns).save_to_disk(tmp_path / "disk")
    first = load().digest
    assert len([*(cache / "digests").iterdir()]) == 1
    in_memory = from_dataset(Dataset.from_dict(columns))
    assert in_memory.digest == first and len([*(cache / "digests").iterdir()]) == 1

    computed = []
    original = digest._computed
    monkeypatch.setattr(digest, "_computed", lambda t: computed.append(1) or original(t))
    assert load().digest == pickle.loads(pickle.dumps(load())).digest == first  # noqa: S301
    assert not computed
    # The same texts in a file that was written anew.
    Dataset.from_dict(columns | {"query_en": ["a", "x"]}).save_to_disk(tmp_path / "disk")
    assert load().digest != first and computed


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, cache):
    cache.write_text("a file where the folder should be")
    Dataset.from_dict({"a": ["x"]}).save_to_disk(tmp_path / "disk")
    table = Dataset.load_from_disk(tmp_path / "disk").data
    assert isinstance(table, ConcatenationTable) or hasattr(table, "path")
    assert table_digest(table) == table_digest(InMemoryTable(pa.table({"a": ["x"]})))


def test_json_that_changed_at_equal_size_and_time_is_read_again(tmp_path):
    file = tmp_path / "pairs.jsonl"

    def write(text):
        file.write_text(json.dumps({"query": {"en": text}, "passage": {"en": "p"}}) + "\n")
        os.utime(file, ns=(10**18, 10**18))

    write("one")
    before, inode = read_json(file), file.stat().st_ino
    write("two")
    after = read_json(file)
    stat = file.stat()
    assert (stat.st_mtime_ns, stat.st_ino) == (10**18, inode)
    assert [c.text("query", "en", 0) for c in (before, after)] == ["one", "two"]
    assert before.digest != after.digest


def test_a_dataset_is_told_by_its_rows_in_their_order():
    dataset = Dataset.from_dict({"text": list("abcabc"), "pair": [{"x": n} for n in range(6)]})
    rows = ([0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 4, 5], [0, 1, 2], [3, 4, 5], [0, 0, 1])
    digests = [dataset_digest(dataset), *(dataset_digest(dataset.select(r)) for r in rows[1:])]
    assert len(set(digests)) == len(rows)
    assert dataset_digest(dataset.select(rows[1])) == digests[1]
    halves = concatenate_datasets([dataset.select(range(2)), dataset.select(range(2, 6))])
    assert dataset_digest(halves) == digests[0]
    other = dataset.map(lambda row, n: {"pair": {"x": n + (n == 4)}}, with_indices=True)
    assert dataset_digest(other) != digests[0]


def test_rows_and_their_nulls_are_told_apart():
    def of(*values):
        return table_digest(InMemoryTable(pa.table({"a": pa.array(values, pa.string())})))

    different = [
        ("a", "b"),
        ("ab", ""),
        ("", "ab"),
        ("ab",),
        ("ab", None),
        (None, "ab"),
        ("b", "a"),
    ]
    assert len({of(*values) for values in different}) == len(different)
    assert table_digest(InMemoryTable(pa.table({"a": np.zeros(2)}))) != table_digest(
        InMemoryTable(pa.table({"b": np.zeros(2)}))
    )
