import pytest
from datasets import Dataset

from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from training.conftest import make_corpus

LANGUAGES = ["en", "de"]


@pytest.fixture
def data():
    return ParallelDataset([make_corpus(30, LANGUAGES, missing=0.4, negatives=1)])


@pytest.fixture
def mix():
    corpora = [
        make_corpus(10, LANGUAGES, missing=0.4, name="a"),
        make_corpus(6, ["th", "en"], name="b", seed=1),
    ]
    return ParallelDataset(corpora, {"a": 3, "b": 1}, [12, 3, 4, 15, 3, 0])


def test_the_wide_form_holds_every_text_of_the_chosen_rows(mix):
    wide = mix.wide()
    assert type(wide) is Dataset and len(wide) == 6
    for row, texts in enumerate(wide):
        corpus, place = mix.locate(row)
        for role in ("query", "passage"):
            for code in mix.languages:
                there = code in corpus.languages and corpus._has(role, code, place)
                expected = corpus.text(role, code, place) if there else None
                assert texts[f"{role}_{code}"] == expected
        assert texts["group"] == corpus.group(place)


def test_a_filter_sees_every_language_and_leaves_no_row_behind(data):
    """The questions of a test set: a row goes if it is asked in any language."""
    asked = {data.wide()[row][f"query_{code}"] for row, code in ((4, "en"), (9, "de"))} - {None}
    kept = data.filter(lambda row: not asked & {row["query_en"], row["query_de"]})
    assert len(asked) + len(kept) == 30
    assert not asked & {text for row in kept.wide() for text in row.values() if type(text) is str}
    again = kept.filter(lambda query: query is not None, input_columns="query_de")
    batched = kept.filter(lambda b: [q is not None for q in b["query_de"]], batched=True)
    assert again.wide().to_list() == [row for row in kept.wide() if row["query_de"] is not None]
    assert batched.digest == again.digest != kept.digest != data.digest
    assert data.filter(None).digest == data.digest
    first = data.select([7, 7, 3]).filter(lambda row, place: place != 0, with_indices=True)
    assert first.corpus_rows.tolist() == [7, 3]


@pytest.mark.parametrize("method", ["filter", "map"])
def test_a_function_of_shown_columns_is_told_which_there_are(data, method):
    with pytest.raises(ParallelDataError, match=f"given to {method} asks for 'query'; .*query_en"):
        getattr(data, method)(lambda row: row["query"] != "x")
    with pytest.raises(KeyError, match="other"):
        getattr(data, method)(lambda row: row["other"] != "x")


def test_a_filter_that_keeps_nothing_is_refused(data):
    with pytest.raises(ParallelDataError, match="no rows are left"):
        data.filter(lambda row: False)


def test_map_changes_texts_and_adds_languages_and_labels(data):
    def change(row):
        lower = {key: row[key] and row[key].upper() for key in ("query_en", "passage_en")}
        return {**lower, "query_th": f"th {row['group']}", "score": row["group"] / 2}

    changed = data.select([5, 2, 9]).map(change)
    assert changed.languages == ("en", "de", "th")
    for row, before in zip(changed.wide(), data.select([5, 2, 9]).wide(), strict=True):
        assert row["query_en"] == (before["query_en"] and before["query_en"].upper())
        assert row["query_de"] == before["query_de"]
        assert row["score"] * 2 == before["group"] and row["query_th"] == f"th {before['group']}"
        assert row["negatives_de"] == before["negatives_de"]
    assert changed[:]["score"] == [2.5, 1.0, 4.5]
    assert changed.digest != data.select([5, 2, 9]).digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 1}, "no column 'n'; expected query_xx"),
        ({"query": "x"}, "no column 'query'"),
        ({"query_en": None, "query_de": None}, "no question or no passage"),
        ({"label": "good"}, "holds string; expected numbers"),
    ],
)
def test_map_refuses_what_parallel_data_do_not_have(data, change, said):
    with pytest.raises(ParallelDataError, match=said):
        data.map(lambda row: change)


def test_map_of_a_mix_keeps_order_corpora_and_weights(mix):
    changed = mix.map(lambda row: {"query_en": f"{row['query_en']}!"})
    assert changed.weights == mix.weights
    assert [corpus.name for corpus in changed.corpora] == ["a", "b"]
    assert changed.corpora[0].languages == ("en", "de")
    for row, before in zip(changed.wide(), mix.wide(), strict=True):
        assert row["query_en"] == f"{before['query_en']}!"
        assert row["passage_en"] == before["passage_en"]
    some = mix.select([0, 3]).map(lambda row: {"query_en": "x"})
    assert [corpus.name for corpus in some.corpora] == ["b"] and some.weights == {"b": 1.0}
    with pytest.raises(ParallelDataError, match=r"rows became 8; .* before they are mixed"):
        mix.map(lambda b: {key: b[key] * 2 for key in b}, batched=True)


def test_labels_are_added_and_removed(data):
    part = data.shuffle(seed=1).take(4)
    vectors = [[float(n), 1.0] for n in range(4)]
    labelled = part.add_column("label", vectors)
    assert labelled.column_names[-1] == "label" and [*labelled["label"]] == vectors
    assert [*labelled["query"]] == [*part["query"]]
    assert labelled.remove_columns("label").to_list() == part.to_list()
    for refuse, said in (
        (lambda: part.add_column("text", vectors), "expected one of label, labels"),
        (lambda: part.add_column("label", vectors[1:]), "3 values; .* with 4"),
        (lambda: labelled.add_column("score", vectors), "labels already; .*remove_columns"),
        (lambda: labelled.remove_columns("query"), "only a column of labels"),
        (lambda: part.remove_columns(["label"]), "only a column of labels"),
    ):
        with pytest.raises(ParallelDataError, match=said):
            refuse()


def test_data_in_indonesian_are_changed_as_others_are():
    """Its code is what columns of identifiers are called."""
    data = ParallelDataset([make_corpus(8, ["id", "en"])])
    changed = data.map(lambda row: {"query_id": row["query_id"] + "!"})
    assert changed.languages == data.languages and changed.wide()[0]["query_id"].endswith("!")
    assert data.add_column("score", [0.5] * 8).remove_columns("score").digest == data.digest


def test_a_function_that_makes_no_language_is_told(data):
    with pytest.raises(ParallelDataError, match=r"'english'.*'en', 'de', 'pt-br'"):
        data.map(lambda row: {"query_english": row["query_en"]})
