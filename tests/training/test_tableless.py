"""Everything that a `datasets.Dataset` can do, done to parallel data: right, or refused."""

import inspect
import io
import pickle
import sqlite3
from contextlib import closing

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from datasets import Dataset
from datasets.distributed import split_dataset_by_node

from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.dataset import Example
from mteb_hybrid.training.refusals import KEPT, NoTableError, Refused, refuse_the_rest
from mteb_hybrid.training.tableless import TablelessDataset
from training.conftest import make_corpus

PUBLIC = sorted(name for name in dir(Dataset) if not name.startswith("_"))


@pytest.fixture
def data():
    return ParallelDataset([make_corpus(12, ["en", "de"], missing=0.3, negatives=1)])


@pytest.fixture
def plain(data):
    """The same rows as they show themselves, as a stock dataset."""
    return Dataset.from_list([data.shown(row) for row in range(len(data))])


def own(name):
    return any(name in vars(kind) for kind in (ParallelDataset, TablelessDataset))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_ours_or_kept_or_refused(data, name):
    """What a later version of datasets adds is none of these until it is looked at."""
    if name in KEPT:
        assert not own(name)
        if isinstance(inspect.getattr_static(Dataset, name), property):
            getattr(data, name)
    elif isinstance(inspect.getattr_static(ParallelDataset, name), Refused):
        for where in (data, ParallelDataset):
            with pytest.raises(NoTableError, match=rf"has no {name}: .{{20}}"):
                getattr(where, name)
    else:
        assert own(name)


def test_what_is_new_in_datasets_is_refused(data, monkeypatch):
    monkeypatch.setattr(Dataset, "brand_new", lambda self: self._data, raising=False)
    kind = refuse_the_rest(type("Later", (TablelessDataset,), {}))
    with pytest.raises(NoTableError, match="has no brand_new"):
        kind.brand_new  # noqa: B018
    with pytest.raises(NoTableError, match=r"ParallelDataset\.concatenate"):
        data.brand_new()


def test_our_methods_know_all_arguments_of_those_they_stand_for():
    """An argument that is not known may not be swallowed, and none has another meaning."""
    for name in PUBLIC:
        ours = inspect.getattr_static(ParallelDataset, name)
        if name in KEPT or not inspect.isfunction(ours) or name == "train_test_split":
            continue
        there = [*inspect.signature(getattr(Dataset, name)).parameters]
        here = inspect.signature(ours).parameters
        named = [p for p in here if here[p].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert named == there[: len(named)], name


def test_rows_and_columns_are_texts(data, plain):
    names = ["query", "passage", "negative_1"]
    assert data.column_names == names and data.features == plain.features
    assert data.shape == plain.shape and data.num_columns == 3 and data.num_rows == 12
    for key in (3, -1, np.int64(2)):
        assert data[key] == plain[key]
    keys = (
        slice(2, 9, 3),
        [4, 0, -2],
        range(3),
        np.array([5, 5]),
        pd.Series([1, 2]),
        pa.array([7]),
    )
    for key in keys:
        assert data[key] == plain[key], key
    assert data[2:2] == {name: [] for name in names}
    assert [*data] == [*plain] and data.to_list() == plain.to_list()
    assert data["query"][3] == plain[3]["query"] and data["passage"] == plain["passage"][:]
    assert [*data.iter(5)] == [*plain.iter(5)]
    assert [*data.iter(5, drop_last_batch=True)] == [*plain.iter(5, drop_last_batch=True)]
    assert data.repeat(2).unique("query") == plain.unique("query")


@pytest.mark.parametrize("key", [True, [True, False], [0.5], 1.5, "text", [[0]]])
def test_what_is_no_row_is_refused(data, key):
    with pytest.raises((TypeError, ParallelDataError)):
        data[key]
    with pytest.raises((TypeError, ParallelDataError)):
        data.select(key)


@pytest.mark.parametrize("key", [12, -13, [0, 12], range(13)])
def test_a_row_that_is_not_there_is_an_index_error(data, key):
    with pytest.raises(IndexError, match="12 rows"):
        data[key]
    if not isinstance(key, int):
        with pytest.raises(IndexError, match="12 rows"):
            data.select(key)


def test_exports_give_what_those_of_a_stock_dataset_give(data, plain, tmp_path):
    assert data.to_pandas().equals(plain.to_pandas())
    assert data.to_polars().equals(plain.to_polars())
    assert data.to_dict() == plain.to_dict()
    assert [*data.to_iterable_dataset(num_shards=3)] == [*plain]
    for name in ("to_csv", "to_json"):
        ours, theirs = io.BytesIO(), io.BytesIO()
        getattr(data, name)(ours)
        getattr(plain, name)(theirs)
        assert ours.getvalue() == theirs.getvalue()
    data.to_parquet(tmp_path / "rows.parquet")
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(plain.to_polars())
    with closing(sqlite3.connect(":memory:")) as connection:
        data.to_sql("rows", connection, index=False)
        rows = connection.execute("select * from rows").fetchall()
    assert rows == [tuple(row.values()) for row in plain]


def test_functions_of_datasets_that_join_tables_are_refused(data, plain):
    for parts in ([data, data], [plain, data], [data, plain]):
        for join in (datasets.concatenate_datasets, datasets.interleave_datasets):
            with pytest.raises(NoTableError, match=r"ParallelDataset\.concatenate"):
                join(parts)


def test_functions_of_datasets_that_select_work(data, plain):
    for rank in (0, 1):
        part = split_dataset_by_node(data, rank, 2)
        assert isinstance(part, ParallelDataset)
        assert part.to_list() == split_dataset_by_node(plain, rank, 2).to_list()
    both = datasets.DatasetDict(a=data, b=data.take(3))
    assert both.num_rows == {"a": 12, "b": 3} and both.shuffle(seed=1)["b"].num_rows == 3
    assert [*both.sort("query")["a"]["query"]] == sorted(plain["query"])


def test_order_is_that_of_datasets(data, plain):
    assert data.shuffle(seed=5).to_list() == plain.shuffle(seed=5).to_list()
    generators = np.random.default_rng(3), np.random.default_rng(3)
    shuffled = [d.shuffle(generator=g) for d, g in zip((data, plain), generators, strict=True)]
    assert shuffled[0].to_list() == shuffled[1].to_list()
    np.random.seed(7)
    first = data.shuffle().to_list()
    np.random.seed(7)
    assert data.shuffle().to_list() == first != data.shuffle().to_list()
    with pytest.raises(ParallelDataError, match="not both"):
        data.shuffle(1, np.random.default_rng(1))
    for reverse in (True, [False]):
        assert data.sort("passage", reverse).to_list() == plain.sort("passage", reverse).to_list()
    with pytest.raises(ParallelDataError, match="as many directions"):
        data.sort(["query", "passage"], [True])
    with pytest.raises(ParallelDataError, match=r"no column 'query_en'.*data\.wide"):
        data.sort("query_en")


@pytest.mark.parametrize("method", ["select", "shuffle", "sort"])
def test_options_about_caches_have_no_effect_and_others_are_refused(data, method):
    first = {"select": [[1, 0]], "shuffle": [3], "sort": ["query"]}[method]
    expected = getattr(data, method)(*first).to_list()
    assert getattr(data, method)(*first, keep_in_memory=True).to_list() == expected
    with pytest.raises(ParallelDataError, match="does not take other"):
        getattr(data, method)(*first, other=1)


def test_a_transform_changes_what_is_read_and_what_is_trained_on(data):
    def upper(batch):
        texts = [text.upper() for text in batch["query"]]
        return {"text": texts, "source": ["x"] * len(texts)}

    changed = data.with_transform(upper)
    assert changed[1] == {"text": data[1]["query"].upper(), "source": "x"}
    assert changed.shuffle(seed=0).take(2)[:]["source"] == ["x", "x"]
    query, passage = (data.languages.index(code) for code in data.corpora[0].first_pair(0))
    key = changed.key(Example(0, query, passage))
    row = data.__getitems__([key])[0]
    assert changed.__getitems__([key]) == [{"text": row["query"].upper(), "source": "x"}]
    assert data[0]["query"] == changed.with_format(None)[0]["query"]
    changed.reset_format()
    assert changed[0] == data[0]
    for refuse in (
        lambda: data.with_format("torch"),
        lambda: data.set_transform(upper, columns=["query"]),
        lambda: data.with_transform(upper).to_iterable_dataset(),
    ):
        with pytest.raises(ParallelDataError):
            refuse()


def test_it_survives_pickling_and_the_end_of_a_with_block(data):
    with pickle.loads(pickle.dumps(data)) as copy:  # noqa: S301
        assert copy.to_list() == data.to_list() and copy.digest == data.digest


def test_a_script_that_ends_has_nothing_to_say(data, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.training.tableless.NoTableError", None)
    data.__del__()
