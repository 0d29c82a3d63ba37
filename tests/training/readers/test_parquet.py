"""Parquet files as training data."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError

ROWS = 40
COLUMNS = {
    "query_en": [f"question {row}" for row in range(ROWS)],
    "query_de": [f"Frage {row}" if row % 3 else None for row in range(ROWS)],
    "passage_en": [f"answer {row}" for row in range(ROWS)],
    "passage_de": [f"Antwort {row}" for row in range(ROWS)],
    "negatives_en": [[f"wrong {row}", f"worse {row}"] for row in range(ROWS)],
    "group": [row // 2 for row in range(ROWS)],
    "label": [[0.5, row / ROWS] for row in range(ROWS)],
}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.files.places.cache_folder", lambda: tmp_path / "cache")
    pq.write_table(pa.table(COLUMNS), tmp_path / "pairs.parquet", row_group_size=16)
    return tmp_path / "pairs.parquet"


@pytest.mark.parametrize(
    "options", [{}, {"negatives": 2}, {"languages": ["de"]}, {"name": "other"}], ids=str
)
def test_it_is_what_a_dataset_of_the_same_columns_is(file, options):
    found = ParallelDataset.from_parquet(file, **options)
    given = {"name": "pairs", **options}
    expected = ParallelDataset.from_dataset(Dataset.from_dict(COLUMNS), **given)
    assert found.wide().to_list() == expected.wide().to_list()
    assert found.languages == expected.languages
    assert [corpus.name for corpus in found.corpora] == [given["name"]]
    assert found.digest == ParallelDataset.from_parquet(str(file), **options).digest
    assert found.cache_files, "memory-mapped"


def test_dictionaries_by_language(file):
    rows = [
        {"query": {"en": f"question {row}", "de": None}, "passage": {"en": "a", "de": f"b {row}"}}
        for row in range(5)
    ]
    pq.write_table(pa.Table.from_pylist(rows), file)
    found = ParallelDataset.from_parquet(file).wide().to_list()
    assert [row["passage_de"] for row in found] == [f"b {row}" for row in range(5)]


def test_a_file_that_was_changed_is_read_again_whatever_its_size_and_time(file):
    before, stat = ParallelDataset.from_parquet(file), file.stat()
    table = pa.table({**COLUMNS, "query_en": [f"Question {row}" for row in range(ROWS)]})
    pq.write_table(table, file, row_group_size=16)
    assert file.stat().st_size == stat.st_size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = ParallelDataset.from_parquet(file)
    assert (before[1]["query"], after[1]["query"]) == ("question 1", "Question 1")
    assert before.digest != after.digest


def test_errors_name_the_file(file):
    with pytest.raises(ParallelDataError, match=r"pairs\.parquet: no column 'query_fr' among"):
        ParallelDataset.from_parquet(file, languages=["fr"], name="other")


def test_what_is_no_parquet_file_is_refused(file, tmp_path):
    with pytest.raises(ParallelDataError, match=r"none\.parquet: no such file; expected a Parq"):
        ParallelDataset.from_parquet(tmp_path / "none.parquet")
    with pytest.raises(ParallelDataError, match="a folder; expected a Parquet file"):
        ParallelDataset.from_parquet(tmp_path)
    whole = bytearray(file.read_bytes())
    whole[4:200] = bytes(196)  # pages, not the schema at the end
    for content in (bytes(whole[:100]), bytes(whole)):
        file.write_bytes(content)
        with pytest.raises(ParallelDataError, match=r"pairs\.parquet: cannot be read as Parquet"):
            ParallelDataset.from_parquet(file)
    assert not [*(tmp_path / "cache").rglob("pairs*")]
