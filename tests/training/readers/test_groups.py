"""Rows that share a text never meet, and hard negatives that are no negatives are not shown."""

import json
import logging
import os
import unicodedata
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset
from datasets.table import InMemoryTable
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.files import places
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.training.readers import groups, settle
from mteb_hybrid.training.readers.dataset import from_dataset, from_pairs
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.mmarco import PASSAGES, QUERIES, TRIPLES, read_mmarco
from mteb_hybrid.training.readers.settle import in_memory, settled

LANGUAGES = ("en", "de", "th")
EXAMPLES = 60 * int(os.environ.get("MTEB_HYBRID_SOAK", "1"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")


def partition(labels):
    """The sets of rows that have a label in common."""
    rows = defaultdict(set)
    for row, label in enumerate(labels):
        rows[label].add(row)
    return sorted(map(sorted, rows.values()))


def slow_groups(rows, own):
    """Union by going over all pairs again and again, until nothing changes."""
    labels = list(range(len(rows)))

    def meet(one, other):
        mine, theirs = (
            {unicodedata.normalize("NFC", text) for text in rows[row].values() if text}
            for row in (one, other)
        )
        return own[one] == own[other] or not mine.isdisjoint(theirs)

    for _ in rows:
        for one in range(len(rows)):
            for other in range(one):
                if meet(one, other):
                    labels[one] = labels[other] = min(labels[one], labels[other])
    return labels


TEXT = st.one_of(
    st.none(), st.sampled_from([f"text {n}" for n in range(60)]),
    st.sampled_from(["é", "e\u0301", "Å", "\u212b", "A\u030a", "각", "\u1100\u1161\u11a8"]),
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {(role, code): TEXT for role in ("query", "passage") for code in LANGUAGES}
)


def table_of(rows, negatives=None):
    columns = {
        f"{role}_{code}": pa.array([row[role, code] for row in rows], pa.string())
        for role in ("query", "passage")
        for code in LANGUAGES
    }
    for code in LANGUAGES if negatives is not None else ():
        lists = [row.get(code) for row in negatives]
        columns[f"negatives_{code}"] = pa.array(lists, pa.list_(pa.string()))
    return InMemoryTable(pa.table(columns))


@settings(deadline=None, max_examples=EXAMPLES)
@given(
    rows=st.lists(ROW, min_size=1, max_size=12),
    own=st.lists(st.integers(-3, 12), min_size=12, max_size=12),
    part=st.sampled_from([1, 5, 2**20]),
)
def test_groups_are_those_of_a_slow_search(rows, own, part):
    own = np.array(own[: len(rows)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_PART", part)
        found = groups.linked(table_of(rows).table, own, "x", {})
    assert partition(found) == partition(slow_groups(rows, own))
    for rows_of_one in partition(found):
        assert set(found[rows_of_one]) == {min(own[rows_of_one])}


# --- the tagged examples: eight questions, two per passage, the passage in three languages


def squad():
    return [
        {
            "query": {code: f"{code} question {n}" for code in LANGUAGES},
            "passage": {code: f"{code} passage {n // 2}" for code in LANGUAGES},
        }
        for n in range(8)
    ]


PAIRS = [[0, 1], [2, 3], [4, 5], [6, 7]]


def wide(rows):
    return Dataset.from_dict(
        {
            f"{role}_{code}": [row[role].get(code) for row in rows]
            for role in ("query", "passage")
            for code in LANGUAGES
        }
    )


def as_json(tmp_path, rows):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_json(file)


def as_dataset(tmp_path, rows):
    return from_dataset(wide(rows))


def as_mapped_dataset(tmp_path, rows):
    wide(rows).save_to_disk(tmp_path / "disk")
    return from_dataset(Dataset.load_from_disk(tmp_path / "disk"))


def as_datasets(tmp_path, rows):
    return from_datasets(
        {
            code: Dataset.from_dict(
                {
                    "id": [*range(len(rows))],
                    "query": [row["query"].get(code) for row in rows],
                    "passage": [row["passage"].get(code) for row in rows],
                }
            )
            for code in LANGUAGES
        }
    )


@pytest.mark.parametrize("read", [as_json, as_dataset, as_mapped_dataset, as_datasets])
def test_translations_of_one_passage_have_one_group(tmp_path, read):
    assert partition(read(tmp_path, squad()).groups()) == PAIRS
    # No language has both questions: the passage alone connects them, in whatever language.
    rows = squad()
    for n, row in enumerate(rows):
        kept = LANGUAGES[n % 2]
        row["query"] = {kept: row["query"][kept]}
        row["passage"] = {kept: row["passage"][kept], "th": row["passage"]["th"]}
    (tmp_path / "holes").mkdir()
    assert partition(read(tmp_path / "holes", rows).groups()) == PAIRS
    # One text stands untranslated in the column of another language.
    rows[0]["passage"]["th"] = rows[7]["passage"]["de"]
    (tmp_path / "same").mkdir()
    assert partition(read(tmp_path / "same", rows).groups()) == [[0, 6, 7], [1], [2, 3], [4, 5]]


def test_pairs_that_share_a_question_or_a_passage():
    pairs = Dataset.from_dict({"query": list("aabcd"), "passage": list("12234")})
    assert partition(from_pairs(pairs).groups()) == [[0, 1, 2], [3], [4]]


def test_mmarco_questions_of_one_passage(tmp_path):
    def write(path, lines):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))

    # 10 and 11 have the passage 1; 12 has 2, of the same text as 3, which is an answer to 13.
    write(TRIPLES, [(10, 1, 9), (11, 1, 2), (12, 2, 1), (13, 3, 2), (14, 4, 9)])
    write(QUERIES.format("english"), [(n, f"question {n}") for n in range(10, 15)])
    write(
        PASSAGES.format("english"),
        [(n, f"passage {min(n, 9) if n != 3 else 2}") for n in range(10)],
    )
    corpus = read_mmarco(tmp_path, languages=["en"])
    assert partition(corpus.groups()) == [[0, 1], [2, 3], [4]]
    assert corpus.groups().tolist() == [10, 10, 12, 12, 14]
    # The negative of 13 is its own passage under another id.
    corpus = read_mmarco(tmp_path, languages=["en"], negatives=1)
    assert corpus.groups().tolist() == [10, 10, 12, 14]
    assert [corpus.negative_groups(row) for row in range(4)] == [(), (12,), (10,), ()]


# --- hard negatives


@settings(deadline=None, max_examples=EXAMPLES)
@given(
    rows=st.lists(ROW, min_size=1, max_size=10),
    lists=st.lists(
        st.dictionaries(
            st.sampled_from(LANGUAGES),
            st.lists(st.sampled_from([f"text {n}" for n in range(80)]), max_size=5),
        ),
        min_size=10,
        max_size=10,
    ),
    negatives=st.integers(1, 3),
    step=st.sampled_from([8, 80]),
)
def test_negatives_are_judged_like_one_by_one(rows, lists, negatives, step):
    lists = lists[: len(rows)]
    own = slow_groups(rows, range(len(rows)))
    of_text = {
        text: group
        for row, group in zip(rows, own, strict=True)
        for text in row.values()
        if text is not None
    }
    expected = []
    for row, group, by_code in zip(rows, own, lists, strict=True):
        used = {}
        for code, texts in by_code.items():
            others = [text for text in texts if of_text.get(text) != group][:negatives]
            if len(others) == negatives:
                used[code] = others
        passages = [code for code in LANGUAGES if row["passage", code] and code in used]
        if passages and any(row["query", code] for code in LANGUAGES):
            shown = {text for code in passages for text in used[code]}
            met = {of_text[text] for text in shown if text in of_text}
            expected.append((row, {code: used[code] for code in passages}, sorted(met)))

    def read():
        return settled(
            table_of(rows, lists),
            lambda: np.arange(len(rows)),
            in_memory,
            name="x",
            negatives=negatives,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "BATCH_ROWS", step)
        if not expected:
            with pytest.raises(ParallelDataError, match="none of the"):
                read()
            return
        corpus = read()
    assert len(corpus) == len(expected)
    for position, (row, used, met) in enumerate(expected):
        for code in LANGUAGES:
            assert corpus._value(f"passage_{code}", position) == row["passage", code]
            assert corpus._has("passage", code, position) == (code in used)
        assert {code: corpus.negative_texts(code, position) for code in used} == used
        assert [*corpus.negative_groups(position)] == met


def test_a_positive_of_another_row_among_the_negatives(tmp_path):
    file = tmp_path / "pairs.jsonl"
    rows = squad()
    for n, row in enumerate(rows):
        row["negatives"] = {code: [f"{code} passage {(n // 2 + 1) % 4}"] for code in LANGUAGES}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = read_json(file, negatives=1)
    assert partition(corpus.groups()) == PAIRS
    for n in range(8):
        assert corpus.negative_groups(n) == (corpus.group((n + 2) % 8),)


def test_own_translation_among_the_negatives(tmp_path, caplog):
    rows = squad()
    for n, row in enumerate(rows):
        row["negatives"] = {"en": [f"en other {n}", "en more"]}
    rows[0]["negatives"] = {"en": ["th passage 0", "en next", "en last"]}  # the next is taken
    rows[1]["negatives"] = {"en": ["de passage 0", "en next"]}  # too few are left
    rows[2]["negatives"] = {"en": ["en next", "en last", "de passage 1"]}  # never shown anyway
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with caplog.at_level(logging.WARNING):
        corpus = read_json(file, negatives=2)
    assert (
        "pairs.jsonl: 3 hard negatives left out that are texts of their own group, such as "
        "'th passage 0' of row 0, which has it as a question or passage"
    ) in caplog.text
    assert "pairs.jsonl: 1 rows left out that lack a question, and a passage with 2" in caplog.text
    assert [corpus.text("query", "en", n) for n in range(7)] == [
        f"en question {n}" for n in (0, 2, 3, 4, 5, 6, 7)
    ]
    assert corpus.negative_texts("en", 0) == ["en next", "en last"]
    assert corpus.negative_texts("en", 1) == ["en next", "en last"]
    assert partition(corpus.groups()) == [[0], [1, 2], [3, 4], [5, 6]]


def test_questions_are_no_negatives_of_what_they_ask(caplog):
    """`no_duplicates` of sentence-transformers compares all columns, questions too."""
    rows = {
        "query_en": ["one?", "uno?", "two?", "three?"],
        "passage_en": ["one", "one", "two", "three"],
        # Its own question, another of its group, and one of another group.
        "negatives_en": [["one?", "a"], ["one?", "b"], ["uno?", "c"], ["d", "e"]],
    }
    corpus = from_dataset(Dataset.from_dict(rows), negatives=1)
    assert partition(corpus.groups()) == [[0, 1], [2], [3]]
    shown = [corpus.negative_texts("en", row) for row in range(4)]
    assert shown == [["a"], ["b"], ["uno?"], ["d"]]
    assert [corpus.negative_groups(row) for row in range(4)] == [(), (), (0,), ()]
    assert "2 hard negatives left out that are texts of their own group" in caplog.text


def test_groups_wider_than_a_content_are_named_when_they_cost_negatives(caplog):
    """Two articles of three questions; negatives are of the same article."""
    rows = {
        "query_en": [f"question {n}" for n in range(6)],
        "passage_en": [f"passage {n}" for n in range(6)],
        "negatives_en": [[f"passage {n // 3 * 3 + (n + 1) % 3}", "more"] for n in range(6)],
        "group": ["article 1"] * 3 + ["article 2"] * 3,
    }
    data = Dataset.from_dict(rows)
    corpus = from_dataset(data, negatives=1, name="wiki")
    said = (
        "wiki: 6 hard negatives left out that are texts of their own group, such as 'passage 1' of "
        f"row 0, a question or passage of row 1 in the same group, {corpus.group(0)}; if the "
        "groups that were given are wider than one content (an article, say), give none: rows that "
        "share a text have one group anyway"
    )
    assert [record.getMessage() for record in caplog.records] == [said]
    assert all(corpus.negative_texts("en", row) == ["more"] for row in range(6))
    with pytest.raises(ParallelDataError) as caught:
        from_dataset(data, negatives=2, name="wiki")
    assert str(caught.value) == (
        "wiki: none of the 6 rows has a question, and a passage with 2 negatives in en; ask for "
        f"fewer negatives or other languages ({said.removeprefix('wiki: ')})"
    )
    caplog.clear()
    corpus = from_dataset(data.remove_columns("group"), negatives=2)
    assert len(corpus) == 6 and not caplog.records


@pytest.mark.parametrize("label", [[1.0, 0.5, 0.2], [0.5, 0.8]])
def test_a_negative_never_has_the_score_of_another(label):
    rows = {
        "query_en": ["one?", "two?"],
        "passage_en": ["one", "two"],
        "negatives_en": [["a", "one", "b"], ["a", "b", "two"]],
        "label": [label] * 2,
    }
    data = Dataset.from_dict(rows)
    corpus = from_dataset(data, negatives=2)
    assert len(corpus) == 1 and corpus.negative_texts("en", 0) == ["a", "b"]
    assert corpus.text("query", "en", 0) == "two?"
    # Vectors, or a score of the pair, are not of the negatives.
    for other in ([label, label], 0.5):
        corpus = from_dataset(data.map(lambda _, x=other: {"score": x}, remove_columns="label"),
                              negatives=2)  # fmt: skip
        assert len(corpus) == 2 and corpus.negative_texts("en", 0) == ["a", "b"]


@pytest.mark.parametrize("label", [0.5, [0.5]])
def test_a_margin_stays_with_its_negative(label):
    rows = {
        "query_en": ["one?", "two?"],
        "passage_en": ["one", "two"],
        "negatives_en": [["one", "b"], ["a", "two"]],
        "label": [label] * 2,
    }
    corpus = from_dataset(Dataset.from_dict(rows), negatives=1)
    assert len(corpus) == 1 and corpus.text("query", "en", 0) == "two?"
    # A class is of the pair.
    assert len(from_dataset(Dataset.from_dict({**rows, "label": [0, 1]}), negatives=1)) == 2


# --- a text that many rows share


def test_one_warning_names_the_text_that_connects_most(caplog):
    texts = {"query_en": [], "passage_en": []}
    for n in range(1000):
        texts["query_en"].append("See also" if n % 5 == 0 else f"question {n}")
        texts["passage_en"].append("twice" if n in (1, 2) else f"passage {n}")
    corpus = from_dataset(Dataset.from_dict(texts), name="manual")
    assert sorted(map(len, partition(corpus.groups())))[-2:] == [2, 200]
    assert [record.getMessage() for record in caplog.records] == [
        "manual: 200 of 1000 rows are connected by texts that they share, and never meet in a "
        "batch; most have 'See also', 200 times in column 'query_en'. If that is no question and "
        "no answer, such as a heading, remove it"
    ]
    # Groups that are given may be as large as they like.
    caplog.clear()
    texts["group"] = [0] * 500 + [*range(1, 501)]
    texts["query_en"] = [f"question {n // 2}" for n in range(1000)]
    from_dataset(Dataset.from_dict(texts))
    assert not caplog.records


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_no_batch_holds_two_translations_of_one_passage(tmp_path, alpha):
    """As in SQuAD: five questions for each passage; their tags are read from the batches' texts."""
    rows = [
        {
            "query": {code: f"{code} {n // 5} question {n}" for code in LANGUAGES},
            "passage": {code: f"{code} {n // 5} passage" for code in LANGUAGES},
        }
        for n in range(400)
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = ParallelDataset.from_json(file)
    sampler = HybridBatchSampler(data, 16, plan=BatchPlan(alpha=alpha))
    batches = [data.__getitems__(keys) for keys in sampler]
    tags = [[example["passage"].split()[1] for example in batch] for batch in batches]
    assert sum(map(len, tags)) > 350
    assert all(len(set(batch)) == len(batch) for batch in tags)
    if alpha == 0:
        languages = {
            example[side][:2] for batch in batches for example in batch for side in example
        }
        assert languages == set(LANGUAGES)
