import polars as pl
import pytest

from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection


def parts(**changes):
    tables = {
        "passages": [("en:1", "a cat", "en", "1"), ("de:1", "eine Katze", "de", "1")],
        "queries": [("en:q", "which animal?", "en", "q")],
        "qrels": [("en:q", "en:1", 1), ("en:q", "de:1", 1)],
    } | changes
    return {
        "name": "toy",
        "languages": ("en", "de"),
        **{
            what: pl.DataFrame(rows, QRELS if what == "qrels" else TEXTS, orient="row")
            for what, rows in tables.items()
        },
    }


def test_a_good_one():
    collection = Collection(**parts())
    assert collection.passages["id"].to_list() == ["en:1", "de:1"]
    with pytest.raises(AttributeError):
        collection.name = "other"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"passages": [("en:1", "a", "en", "1"), ("en:1", "b", "de", "1")]}, "a repeated id"),
        ({"passages": [("en:1", " \n", "en", "1"), ("de:1", "b", "de", "1")]}, "an empty text"),
        ({"passages": [("en:1", "a", "en", "1"), ("de:1", "b", "fr", "1")]}, "other than en, de"),
        ({"qrels": [("en:x", "en:1", 1)]}, "an unknown query_id"),
        ({"qrels": [("en:q", "en:7", 1)]}, "an unknown passage_id"),
        ({"qrels": [("en:q", "en:1", -1)]}, "a relevance below 0"),
        ({"qrels": [("en:q", "en:1", 10**6)]}, "a relevance above 999999"),
        ({"queries": []}, "queries is empty"),
    ],
)
def test_bad_ones_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Collection(**parts(**changes))


def test_other_columns_are_refused():
    tables = parts()
    tables["passages"] = tables["passages"].drop("group")
    with pytest.raises(ValueError, match="passages has the columns"):
        Collection(**tables)


def test_a_part_has_the_questions_that_it_answers_alone():
    queries = [("en:q", "which animal?", "en", "q"), ("en:r", "which plant?", "en", "r")]
    qrels = [("en:q", "en:1", 1), ("en:r", "en:1", 0)]
    collection = Collection(**parts(queries=queries, qrels=qrels))
    for most in (None, 2):
        part = collection.part(["en"], max_groups=most)
        assert part.queries["id"].to_list() == ["en:q"]
        assert part.qrels["query_id"].to_list() == ["en:q"]
