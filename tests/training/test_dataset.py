import pickle

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from datasets import Dataset
from datasets.table import InMemoryTable
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import Corpus
from mteb_hybrid.training.dataset import Example
from training.conftest import make_corpus


def table(**columns):
    return InMemoryTable(pa.table({"group": pa.array([0, 1]), **columns}))


@pytest.fixture
def two():
    """Two rows: the first in English and German, the second asks in English, answers in German."""
    return Corpus(
        "two",
        table(
            query_en=["who", "where"],
            query_de=["wer", None],
            passage_en=["she", None],
            passage_de=["sie", "dort"],
        ),
    )


def test_keys_decode_to_texts_of_that_pair(two):
    data = ParallelDataset([two])
    keys = [data.key(Example(0, 0, 1)), data.key(Example(0, 1, 0)), data.key(Example(1, 0, 1))]
    assert data.__getitems__(keys) == [
        {"query": "who", "passage": "sie"},
        {"query": "wer", "passage": "she"},
        {"query": "where", "passage": "dort"},
    ]
    assert [data.example(key) for key in keys] == [(0, 0, 1), (0, 1, 0), (1, 0, 1)]


@given(row=st.integers(0, 2**31 - 2), pair=st.tuples(st.integers(0, 17), st.integers(0, 17)))
def test_every_key_decodes_to_what_it_was_made_from(row, pair):
    languages = [f"{chr(97 + n)}{chr(97 + n)}" for n in range(18)]
    data = ParallelDataset([make_corpus(1, languages)])
    assert data.example(data.key(Example(row, *pair))) == (row, *pair)


def test_plain_reading_shows_each_row_in_its_first_languages(two):
    data = ParallelDataset([two])
    assert data[0] == {"query": "who", "passage": "she"}
    assert data[:] == {"query": ["who", "where"], "passage": ["she", "dort"]}
    assert len(data) == 2 and isinstance(data, Dataset)


def test_a_missing_text_is_an_error_that_names_row_and_column(two):
    data = ParallelDataset([two])
    with pytest.raises(ParallelDataError, match=r"two: row 1, column 'query_de': .* missing"):
        data.__getitems__([data.key(Example(1, 1, 1))])


def test_a_blank_text_is_an_error_that_names_row_and_column():
    data = ParallelDataset([Corpus("c", table(query_en=["a", " "], passage_en=["b", "c"]))])
    with pytest.raises(ParallelDataError, match=r"row 1, column 'query_en': .* blank"):
        data.__getitems__([data.key(Example(1, 0, 0))])


def test_keys_of_another_sampler_are_refused(two):
    with pytest.raises(ParallelDataError, match="HybridBatchCallback"):
        ParallelDataset([two]).__getitems__([0, 1])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": ["a", "b"]}, "no column query_xx"),
        ({"query_en": [1, 2], "passage_en": ["a", "b"]}, "'query_en' holds int64, expected string"),
        ({"query_en": ["a", "b"], "negatives_en": ["a", "b"]}, "expected lists of string"),
    ],
)
def test_columns_of_another_kind_are_refused(columns, said):
    with pytest.raises(ParallelDataError, match=said):
        Corpus("c", table(**columns))


def test_a_group_column_is_needed():
    with pytest.raises(ParallelDataError, match="integer column 'group'"):
        Corpus("c", InMemoryTable(pa.table({"query_en": ["a"], "passage_en": ["b"]})))


def test_masks_say_which_languages_a_row_has(two):
    assert two.masks("query", ("en", "de", "th")).tolist() == [0b11, 0b01]
    assert two.masks("passage", ("de", "en")).tolist() == [0b11, 0b01]


def test_a_passage_without_enough_negatives_counts_as_missing():
    corpus = Corpus(
        "c",
        table(query_en=["a", "b"], passage_en=["c", "d"], negatives_en=[["x", "y", "z"], ["x"]]),
        negatives=2,
    )
    data = ParallelDataset([corpus])
    assert corpus.masks("passage", ("en",)).tolist() == [1, 0]
    (example,) = data.__getitems__([data.key(Example(0, 0, 0))])
    assert example == {"query": "a", "passage": "c", "negative_1": "x", "negative_2": "y"}


def test_counts_are_rows_per_pair_of_languages(two):
    counts = ParallelDataset([two]).counts()
    pairs = {(x, y): n for _, x, y, n in counts.iter_rows()}
    assert pairs == {("en", "en"): 1, ("en", "de"): 2, ("de", "en"): 1, ("de", "de"): 1}


def test_mixed_corpora_keep_their_texts_and_select_keeps_the_parallel_form(two):
    other = make_corpus(10, ["en", "th"], name="other")
    mix = ParallelDataset.mix(
        {"first": ParallelDataset([two]), "second": ParallelDataset([other])},
        {"first": 3, "second": 1},
    )
    assert len(mix) == 12 and mix.languages == ("en", "de", "th")
    assert mix.weights == {"first": 0.75, "second": 0.25}
    assert mix[11]["query"] == other.text("query", "en", 9)
    part = mix.select([11, 0, 5])
    assert isinstance(part, ParallelDataset)
    assert [row["query"] for row in part] == [mix[i]["query"] for i in (11, 0, 5)]
    again = part.select([2])
    assert again[0] == mix[5]
    assert again.__getitems__([again.key(Example(0, 2, 0))])[0]["query"] == other.text(
        "query", "th", 3
    )


def test_shuffle_keeps_the_parallel_form_and_map_loses_it(two):
    data = ParallelDataset([two])
    assert isinstance(data.shuffle(seed=0), ParallelDataset)
    assert not isinstance(data.map(lambda row: row), ParallelDataset)


def test_a_split_keeps_groups_together(corpus):
    data = ParallelDataset([corpus(60, ["en", "de"], groups=20)])
    parts = data.train_test_split(0.25, seed=3)
    groups = {
        name: {data.corpora[0].group(part.corpus_row(row)) for row in range(len(part))}
        for name, part in parts.items()
    }
    assert len(groups["test"]) == 5 and not groups["test"] & groups["train"]
    assert len(parts["train"]) + len(parts["test"]) == 60
    with pytest.raises(ParallelDataError, match="leaves a part empty"):
        data.train_test_split(20)
    with pytest.raises(ParallelDataError, match="shuffle"):
        data.train_test_split(0.5, shuffle=False)


@pytest.mark.parametrize(
    ("weights", "said"),
    [({"a": 1}, "for each of"), ({"a": 1, "b": 0}, "positive"), ({"a": 1, "x": 1}, "for each of")],
)
def test_weights_must_name_every_corpus(corpus, weights, said):
    corpora = [corpus(3, ["en"], name="a"), corpus(3, ["en"], name="b")]
    with pytest.raises(ParallelDataError, match=said):
        ParallelDataset(corpora, weights)


def test_two_corpora_need_two_names(corpus):
    with pytest.raises(ParallelDataError, match="different names"):
        ParallelDataset([corpus(3, ["en"]), corpus(3, ["de"])])
    with pytest.raises(ParallelDataError, match="no rows"):
        ParallelDataset([corpus(3, ["en"])]).select([])


def test_the_digest_tells_data_apart(corpus):
    data = ParallelDataset([corpus(30, ["en", "de"])])
    assert data.digest == ParallelDataset([corpus(30, ["en", "de"])]).digest
    others = [
        ParallelDataset([corpus(31, ["en", "de"])]),
        ParallelDataset([corpus(30, ["en", "th"])]),
        data.select(range(29)),
        data.select(list(reversed(range(30)))),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


def test_it_survives_pickling_as_for_worker_processes(corpus):
    data = ParallelDataset([corpus(30, ["en", "de"])]).select([5, 6])
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301
    key = data.key(Example(1, 0, 1))
    assert copy.__getitems__([key]) == data.__getitems__([key])


def test_texts_in_many_chunks_are_found(corpus):
    whole = make_corpus(50, ["en"])
    parts = [pa.table(whole._table.slice(start, 7).table) for start in range(0, 50, 7)]
    chunked = Corpus("chunks", InMemoryTable(pa.concat_tables(parts)))
    assert chunked._table.column("query_en").num_chunks == 8
    for row in (0, 6, 7, 13, 49):
        assert chunked.text("query", "en", row) == whole.text("query", "en", row)
        assert chunked.group(row) == row
    assert np.array_equal(chunked.masks("query", ("en",)), whole.masks("query", ("en",)))


def test_counts_respect_a_selection(corpus):
    data = ParallelDataset([corpus(40, ["en", "de"], missing=0.5)]).select(range(0, 40, 2))
    first = (
        data.counts()
        .filter((pl.col("query_language") == "en") & (pl.col("passage_language") == "de"))["rows"]
        .sum()
    )
    there = [
        data.corpora[0]._has("query", "en", row) and data.corpora[0]._has("passage", "de", row)
        for row in range(0, 40, 2)
    ]
    assert first == sum(there)
