"""Hard negatives in the columns of every layout, read with one meaning."""

import json
import os

import pyarrow as pa
import pytest
from datasets import Dataset, Features, Value
from datasets.table import MemoryMappedTable
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.readers.test_readers import message, texts

from mteb_hybrid.files import places
from mteb_hybrid.training.dataset import Example, ParallelDataset
from mteb_hybrid.training.readers import cache as cached
from mteb_hybrid.training.readers import columns
from mteb_hybrid.training.readers.columns import LISTS, one_list
from mteb_hybrid.training.readers.dataset import from_dataset, from_pairs
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.long import from_long


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "parallel"


TEXT = st.one_of(st.none(), st.text("ab", max_size=2))
CELL = st.tuples(TEXT, st.one_of(st.none(), st.lists(st.text("ab"), max_size=3)), TEXT)


@settings(deadline=None, max_examples=40 * int(os.environ.get("MTEB_HYBRID_SOAK", "1")))
@given(
    rows=st.lists(CELL, max_size=6),
    order=st.lists(st.integers(0, 2), unique=True),
    start=st.integers(0, 3),
    large=st.booleans(),
)
def test_columns_of_texts_and_of_lists_in_one_list(rows, order, start, large):
    lists = pa.large_list(pa.large_string()) if large else LISTS
    text = pa.large_string() if large else pa.string()
    kinds = (text, lists, text)
    table = pa.table({f"c{n}": pa.array([row[n] for row in rows], kinds[n]) for n in range(3)})
    found = one_list(table.slice(start), [f"c{n}" for n in order])
    expected = []
    for row in rows[start:]:
        expected.append([])
        for value in (row[n] for n in order):
            expected[-1] += value if isinstance(value, list) else [value] * (value is not None)
    assert found.type == LISTS and found.to_pylist() == expected


# Eight questions, two to a passage. Among the negatives of row 0 is its own answer, and row 1 has
# too few in English; the others have three in either language.
ROWS = [
    {
        "query": {code: f"{code} question {n}" for code in ("en", "de")},
        "passage": {code: f"{code} passage {n // 2}" for code in ("en", "de")},
        "negatives": {
            code: [f"{code} passage {(n // 2 + place) % 4}" for place in range(1, 4)]
            for code in ("en", "de")
        },
    }
    for n in range(8)
]
ROWS[0]["negatives"]["en"].insert(1, "de passage 0")
ROWS[1]["negatives"] = {"en": ["one"], "de": ["eins", "zwei", "drei"]}
ROWS[2]["negatives"] = {"de": ["eins"]}


def in_language(code, split):
    """One language as columns: a list, or as many texts as there may be."""
    rows = []
    for n, row in enumerate(ROWS):
        lists = row["negatives"].get(code, [])
        rows.append({"id": n, "query": row["query"][code], "passage": row["passage"][code]})
        if split:
            padded = [*lists, *[None] * (4 - len(lists))]
            rows[-1] |= {f"negative_{place}": padded[place - 1] for place in (2, 1, 4, 3)}
        else:
            rows[-1]["negatives"] = lists or None
    strings = {name: Value("string") for name in rows[0] if name != "id"}
    if not split:
        return Dataset.from_list(rows)
    return Dataset.from_list(rows, Features({"id": Value("int64"), **strings}))


def as_json(tmp_path, negatives):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return read_json(file, negatives=negatives)


def as_wide(tmp_path, negatives):
    roles = ("query", "passage", "negatives")
    wide = {f"{r}_{c}": [row[r].get(c) for row in ROWS] for r in roles for c in ("en", "de")}
    return from_dataset(Dataset.from_dict(wide), negatives=negatives)


def as_datasets(tmp_path, negatives):
    parts = {code: in_language(code, split=code == "de") for code in ("en", "de")}
    return from_datasets(parts, negatives=negatives)


def as_streams(tmp_path, negatives):
    parts = {c: in_language(c, split=c == "en").to_iterable_dataset() for c in ("en", "de")}
    return from_datasets(parts, negatives=negatives, name="streams")


def as_long(tmp_path, negatives):
    parts = [(code, in_language(code, split=True)) for code in ("en", "de")]
    rows = [row | {"language": code} for code, part in parts for row in part]
    return from_long(Dataset.from_list(rows), negatives=negatives)


@pytest.mark.parametrize("negatives", [1, 2, 3])
@pytest.mark.parametrize("read", [as_wide, as_datasets, as_streams, as_long])
def test_all_layouts_mean_the_same(tmp_path, read, negatives, caplog):
    expected = ParallelDataset([as_json(tmp_path, negatives)])
    log = [record.getMessage().partition(": ")[2] for record in caplog.records]
    caplog.clear()
    data = ParallelDataset([read(tmp_path, negatives)])
    assert len(data) == len(expected) == (8 if negatives == 1 else 7)
    for row in range(len(data)):
        for x in range(2):
            for y in range(2):
                example = Example(row, x, y)
                own, other = data.corpora[0], expected.corpora[0]
                there = own._has("passage", own.languages[y], row)
                assert there == other._has("passage", other.languages[y], row)
                if there:
                    (found,) = data.__getitems__([data.key(example)])
                    assert [found] == expected.__getitems__([expected.key(example)])
                    assert len(found) == 2 + negatives
    groups, negative_groups = (
        [[*corpus.groups()], [corpus.negative_groups(row) for row in range(len(corpus))]]
        for corpus in (data.corpora[0], expected.corpora[0])
    )
    first = [groups[0].index(group) for group in groups[0]]
    assert first == [negative_groups[0].index(group) for group in negative_groups[0]]
    said = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert sum("rows left out" in one for one in said) == sum("rows left out" in one for one in log)
    assert any("1 hard negatives left out that are texts of their own group" in one for one in said)


@pytest.mark.parametrize("code", ["en", "de"])
@pytest.mark.parametrize("stream", [False, True])
def test_pairs_with_lists_or_numbered_columns(tmp_path, code, stream):
    corpora = []
    for split in (False, True):
        dataset = in_language(code, split).remove_columns("id")
        if stream:
            dataset = dataset.to_iterable_dataset()
        name = f"{code} {split}"
        corpora.append(from_pairs(dataset, negatives=3, language=code, name=name))
    lists, numbered = map(texts, corpora)
    assert lists == numbered and len(lists) == (6 if code == "en" else 7)
    for row in lists:
        own = row[f"passage_{code}"]
        assert len(row[f"negatives_{code}"]) >= 3 and own not in row[f"negatives_{code}"]


def test_triplets_of_sentence_transformers(tiny_model):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    model = SentenceTransformer(str(tiny_model), device="cpu")
    pairs = Dataset.from_dict(
        {"anchor": [f"question {n}" for n in range(6)], "positive": [f"text {n}" for n in range(6)]}
    )
    mined = {
        kind: mine_hard_negatives(pairs, model, num_negatives=2, output_format=kind, verbose=False)
        for kind in ("n-tuple", "triplet")
    }
    names = {"query": "anchor", "passage": "positive"}
    data = ParallelDataset.from_pairs(mined["n-tuple"], **names, negatives=2)
    assert [data.__getitems__([data.key(Example(n, 0, 0))])[0] for n in range(6)] == [
        {
            "query": row["anchor"],
            "passage": row["positive"],
            "negative_1": row["negative_1"],
            "negative_2": row["negative_2"],
        }
        for row in mined["n-tuple"]
    ]
    data = ParallelDataset.from_pairs(mined["triplet"], **names, negatives=1)
    assert len(data) == 12
    shown = [data.__getitems__([data.key(Example(n, 0, 0))])[0] for n in range(12)]
    assert [[*one.values()] for one in shown] == [[*row.values()] for row in mined["triplet"]]


def test_the_named_columns_in_the_named_order():
    rows = {"q": ["a"], "p": ["b"], "easy": ["c"], "hard": [["d", "e"]], "negative": ["f"]}
    names = {"query": "q", "passage": "p", "negatives": 3}
    dataset = Dataset.from_dict(rows)
    for wanted, expected in ((["hard", "easy"], ["d", "e", "c"]), (["easy", "hard"], list("cde"))):
        corpus = from_pairs(dataset, **names, negatives_columns=wanted)
        assert corpus.negative_texts("en", 0) == expected
    corpus = from_pairs(dataset, **names | {"negatives": 2}, negatives_columns="hard")
    assert corpus.negative_texts("en", 0) == ["d", "e"]
    assert from_pairs(dataset, query="q", passage="p").negatives == 0


def test_negatives_of_a_dataset_on_disk_stay_there(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(columns, "BATCH_ROWS", 16)
    for split in (True, False):
        in_language("en", split).save_to_disk(tmp_path / f"{split}")
        dataset = Dataset.load_from_disk(tmp_path / f"{split}")
        corpus = from_pairs(dataset, negatives=1, name=f"{split}")
        assert texts(corpus) == texts(from_pairs(in_language("en", split), negatives=1))
        table = corpus._table
        parts = [part for row in getattr(table, "blocks", [[table]]) for part in row]
        assert all(isinstance(part, MemoryMappedTable) for part in parts)
    made = sorted(file.name.rpartition("-")[0] for file in cache.iterdir())
    assert made == ["False", "True", "True-negatives"]
    monkeypatch.setattr(cached, "whole", None)  # nothing is made again
    assert len(from_pairs(dataset, negatives=1, name="False")) == len(corpus)


def test_bad_columns():
    rows = {"query": ["a"], "passage": ["b"], "negative_1": [1], "negative": [" "]}
    dataset = Dataset.from_dict(rows)
    assert message(from_pairs, dataset.select_columns(["query", "passage"]), negatives=1) == (
        "pairs: no column 'negatives' among ['query', 'passage']; give the names of the columns"
    )
    said = message(from_pairs, dataset, negatives=1)
    assert "pairs: column 'negative_1' holds int64; expected strings or lists of strings" in said
    said = message(from_pairs, dataset, negatives=1, negatives_columns="hard")
    assert "no column 'hard' among" in said
    said = message(from_pairs, dataset, negatives=1, negatives_columns=["negative"])
    assert "pairs, column 'negative': row 0 has a negative that is null or blank" in said
    assert "negatives=-1; expected" in message(from_pairs, dataset, negatives=-1)
    few = dataset.remove_columns("negative").cast_column("negative_1", Value("string"))
    assert message(from_pairs, few, negatives=2).startswith(
        "pairs: none of the 1 rows has a question, and a passage with 2 negatives in en; ask for"
    )
    side = Dataset.from_dict({"id": [1], "query": ["q"], "passage": ["p"]})
    parts = {"en": side, "de": side}
    assert message(from_datasets, parts, negatives=1).startswith(
        "datasets, en: no column 'negatives' among"
    )
    parts["de"] = side.add_column("negative", ["n"])
    assert "datasets, en: no column 'negative'" in message(
        from_datasets, parts, negatives=1, negatives_columns="negative"
    )
    # By default a language may have none.
    corpus = from_datasets(parts, negatives=1)
    assert [corpus._has("passage", code, 0) for code in ("en", "de")] == [False, True]
