import os
import pickle
import tempfile
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from datasets import Dataset, concatenate_datasets, load_from_disk
from datasets.table import InMemoryTable
from hypothesis import given, settings
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


def test_parts_put_together_are_the_data_again(corpus):
    data = ParallelDataset([corpus(20, ["en", "de"], groups=7)])
    parts = data.train_test_split(3, seed=1)
    joined = ParallelDataset.concatenate([parts["train"], parts["test"]])
    assert joined.corpora == data.corpora and joined.languages == data.languages
    assert joined.to_list() == parts["train"].to_list() + parts["test"].to_list()
    assert sorted(joined.corpus_rows) == [*range(20)]
    assert ParallelDataset.concatenate([data]).rows is None
    other = ParallelDataset([corpus(5, ["th"], name="other")])
    both = ParallelDataset.concatenate([other.select([4, 1]), data.take(2), other.take(1)])
    assert [c.name for c in both.corpora] == ["other", "corpus"]
    assert both.to_list() == [other[4], other[1], data[0], data[1], other[0]]


def test_what_cannot_be_put_together_is_refused(corpus):
    data = ParallelDataset([corpus(5, ["en"])])
    weighted = ParallelDataset([corpus(5, ["en"], name="other")], {"other": 1})
    for parts, said in (
        ([data, data.wide()], "data set 1 is a Dataset"),
        ([data, data.with_transform(dict)], "data set 1: the function given to set_transform"),
        ([data, weighted], r"weights None and \{'other': 1.0\}"),
        ([data, ParallelDataset([corpus(6, ["en"])])], "different names"),
        ([], "no rows"),
    ):
        with pytest.raises(ParallelDataError, match=said):
            ParallelDataset.concatenate(parts)
    for part, said in (([data], "b is a list"), (data.with_transform(dict), "b: the function")):
        with pytest.raises(ParallelDataError, match=said):
            ParallelDataset.mix({"a": data, "b": part})


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
    with pytest.raises(ParallelDataError, match="leaves a part empty"):
        data.train_test_split(1.0)
    for value in (float("nan"), "0.1", None):
        with pytest.raises(
            ParallelDataError, match=r"is no number; expected a share of the groups"
        ):
            data.train_test_split(value)


def test_a_split_of_a_mix_keeps_groups_of_corpora_apart(corpus):
    mix = ParallelDataset.mix(
        {
            "a": ParallelDataset([corpus(12, ["en"], groups=6)]),
            "b": ParallelDataset([corpus(9, ["en", "de"], groups=3)]).select([0, 3, 1, 4, 2, 5]),
        }
    ).shuffle(seed=4)
    parts = mix.train_test_split(0.5, seed=2)
    groups = {
        name: {(c.name, c.group(row)) for c, row in map(part.locate, range(len(part)))}
        for name, part in parts.items()
    }
    # Row r has the same texts in both, so that groups of both are linked into three.
    assert not groups["test"] & groups["train"]
    sizes = sorted((len(groups["test"]), len(groups["train"])))
    assert sizes == [3, 6]
    assert len(parts["train"]) + len(parts["test"]) == 18


@settings(max_examples=20 * int(os.environ.get("MTEB_HYBRID_SOAK", "1")), deadline=None)
@given(st.data())
def test_no_text_is_on_both_sides_of_a_split_of_a_mix(given_):
    """Nor is a text that differs in how its accents are encoded alone."""
    words = ["Käse", "Ka\u0308se", "각", "\u1100\u1161\u11a8", *"abcdefghijklmnop"]
    parts = {}
    for name in ("one", "two", "three"):
        rows = given_.draw(st.lists(st.tuples(*[st.sampled_from(words)] * 2), min_size=4))
        data = {"query_en": [row[0] for row in rows], "passage_de": [row[1] for row in rows]}
        parts[name] = ParallelDataset.from_dataset(Dataset.from_dict(data))
    try:
        split = ParallelDataset.mix(parts).train_test_split(0.3, seed=len(rows))
    except ParallelDataError as error:
        assert "leaves a part empty" in str(error)
        return
    texts = {
        name: {
            unicodedata.normalize("NFC", text)
            for row in part.to_list()
            for text in (row["query"], row["passage"])
        }
        for name, part in split.items()
    }
    assert not texts["train"] & texts["test"]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"a": 1}, "for each of"),
        ({"a": 1, "b": 0}, "positive"),
        ({"a": 1, "x": 1}, "for each of"),
        ({"a": "3", "b": 1}, "positive number"),
        ({"a": float("inf"), "b": 1}, "positive number"),
        ([3, 1], "positive number"),
    ],
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


ROWS = st.integers(0, 10**6)
STEPS = st.one_of(
    st.tuples(st.just("select"), st.lists(ROWS, min_size=1, max_size=12)),
    st.tuples(st.just("filter"), st.integers(2, 5)),
    st.tuples(st.just("map"), st.sampled_from("abc")),
    st.tuples(st.sampled_from(["shuffle", "take", "skip", "shard", "cut"]), ROWS),
    st.tuples(st.sampled_from(["sort", "repeat", "join", "save", "pickle", "reverse"])),
)


def apply(step, data, join, load):
    """One step on any `datasets.Dataset`; those that would leave nothing change nothing."""
    name, *values = step
    size, value = len(data), values[0] if values else None
    if name == "select":
        return data.select([place % size for place in value])
    if name == "filter":
        kept = [len(row["query_en"] or "") % value > 0 for row in wide(data)]
        return data.filter(lambda row, n: kept[n], with_indices=True) if any(kept) else data
    if name == "map":
        return data.map(lambda row: {"query_en": f"{value}{row['query_en']}"})
    if name == "shuffle":
        return data.shuffle(seed=value)
    if name in ("take", "skip"):
        return getattr(data, name)(min(value % size + (name == "take"), size))
    if name == "shard":
        return data.shard(min(3, size), value % min(3, size), contiguous=bool(value % 2))
    if name == "cut":
        return data.select(range(value % size, size))
    if name == "sort":
        return data.sort("score", reverse=True)
    if name == "repeat":
        return data.repeat(2)
    if name == "join":
        return join([data, data.take(1)])
    if name == "save":
        with tempfile.TemporaryDirectory() as folder:
            data.save_to_disk(Path(folder) / "saved")
            return load(str(Path(folder) / "saved"), keep_in_memory=True)
    if name == "reverse":
        return data.select(np.arange(size)[::-1])
    return pickle.loads(pickle.dumps(data))  # noqa: S301


def wide(data):
    return data.wide() if isinstance(data, ParallelDataset) else data


@settings(max_examples=20 * int(os.environ.get("MTEB_HYBRID_SOAK", "1")), deadline=None)
@given(steps=st.lists(STEPS, max_size=5), is_mix=st.booleans())
def test_any_steps_give_the_rows_that_a_stock_dataset_gives(steps, is_mix):
    """The oracle is `datasets` itself, on the same texts written out."""
    first = make_corpus(7, ["en", "de"], missing=0.3, negatives=int(not is_mix))
    parts = [first, make_corpus(4, ["th", "en"])]
    parts = [
        ParallelDataset([part]).add_column("score", [(n * 5) % 7 / 2 for n in range(len(part))])
        for part in (parts if is_mix else parts[:1])
    ]
    data = ParallelDataset.mix(dict(zip("ab", parts, strict=False)))
    stock = Dataset.from_list(data.wide().to_list())
    for step in steps:
        data = apply(step, data, ParallelDataset.concatenate, ParallelDataset.load_from_disk)
        stock = apply(step, stock, concatenate_datasets, load_from_disk)
        texts = [name for name in stock.column_names if name != "group"]
        there = [{name: row.get(name) for name in texts} for row in data.wide()]
        assert there == stock.select_columns(texts).to_list(), step
    for number, row in enumerate(stock):
        corpus, place = data.locate(number)
        query, passage = corpus.first_pair(place)
        shown = data[number]
        assert shown["query"] == row[f"query_{query}"] and shown["score"] == row["score"]
        key = data.key(Example(number, *map(data.languages.index, (query, passage))))
        assert data.__getitems__([key]) == [shown]
        assert shown["passage"] == row[f"passage_{passage}"]


@given(
    first=st.lists(st.integers(0, 19), min_size=1), second=st.lists(st.integers(0, 19), min_size=1)
)
def test_digests_are_equal_where_selections_are(first, second):
    data = ParallelDataset([make_corpus(20, ["en", "de"])])
    digests = [data.select(rows).digest for rows in (first, second)]
    assert (digests[0] == digests[1]) == (first == second)
    assert data.select(range(20)).digest == data.digest
    assert data.select(first).select(range(len(first))).digest == digests[0]


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


def test_choosing_rows_of_a_large_corpus_handles_numbers_not_objects():
    """A million Python integers alone take 36 MB, and a loop over them seconds."""
    size = 1_000_000
    texts = pa.array(["text"]).take(pa.array(np.zeros(size, dtype=np.int32)))
    columns = {"query_en": texts, "passage_en": texts, "group": pa.array(np.arange(size) // 2)}
    data = ParallelDataset([Corpus("large", InMemoryTable(pa.table(columns)))])
    half = np.random.default_rng(0).permutation(size)[: size // 2]
    tracemalloc.start()
    chosen = data.select(half)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    parts = data.train_test_split(0.1)
    used_for_split = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 20e6 and used_for_split < 120e6
    assert len(chosen) == size // 2 and len(parts["train"]) == 9 * size // 10
