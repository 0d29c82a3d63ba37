"""Which texts say the same: by their ids, by their judgments, and where a rule does not fit."""

import polars as pl
import pytest

from mteb_hybrid.sources.same_content import Subsets, by_id, by_judgments, judged_everywhere


def texts(*ids):
    """Rows with these ids, ``language:original``."""
    rows = [(id_, f"text of {id_}", *id_.split(":")) for id_ in ids]
    return pl.DataFrame(rows, ["id", "text", "language", "original"], orient="row")


def subsets(queries, passages, *judged):
    """Texts of several languages; a judgment is "query passage", and maybe a relevance."""
    parts = [judgment.split() for judgment in judged]
    qrels = [(part[0], part[1], int(part[2]) if part[2:] else 1) for part in parts]
    return Subsets.of(texts(*queries.split()), texts(*passages.split()), qrels)


def groups(table):
    return dict(table.select("id", "group").iter_rows())


def rows(qrels):
    return sorted(qrels.iter_rows())


def test_the_same_ids():
    table = by_id(texts("en:1", "de:1", "en:2", "fr:2"), None, "query_id")
    assert groups(table) == {"en:1": "1", "de:1": "1", "en:2": "2", "fr:2": "2"}


def test_a_part_of_the_ids():
    expression = r"(en|de)-(?P<group>\d+)"
    table = by_id(texts("en:en-1", "de:de-1"), expression, "passage_id")
    assert groups(table) == {"en:en-1": "1", "de:de-1": "1"}


def test_no_expression_takes_for_ever():
    """With backtracking, it would take longer than the sun will shine."""
    with pytest.raises(ValueError, match="2 query id"):
        by_id(texts(*(f"{x}:" + "a" * 5000 for x in ("en", "de"))), "(?P<group>(a+)+)b", "query_id")


@pytest.mark.parametrize(
    ("ids", "expression", "said"),
    [
        (
            "en:1 de:1 en:2 de:3",
            None,
            "2 case(s) of a query whose id is in no other language",
        ),
        ("en:1 de:1 en:2 de:3", None, "id 'en:2', language 'en'"),
        ("en:a-1 de:b", r"\w-(?P<group>.)", "1 query id(s) that query_id does not match"),
        ("en:a-1 de:b", r"\w-(?P<group>.)", "such as id 'de:b'"),
        (
            "en:1-1 en:1-2 de:1",
            r"(?P<group>\d).*",
            "2 case(s) of a query with the group",
        ),
        ("en:1-1 en:1-2 de:1", r"(?P<group>\d).*", "'en:1-1' and 'en:1-2'"),
    ],
)
def test_ids_that_a_rule_does_not_fit(ids, expression, said):
    with pytest.raises(ValueError) as refused:
        by_id(texts(*ids.split()), expression, "query_id")
    assert said in str(refused.value)


def test_judgments_hold_in_all_languages_that_have_both():
    queries = by_id(texts("en:q", "de:q", "fr:q"), None, "query_id")
    passages = by_id(texts("en:a", "de:a", "en:b", "fr:b", "de:c", "fr:c"), None, "passage_id")
    # French lacks a, so that no judgment on it is missing there; c was judged and is not relevant.
    within = ["en:q en:a 2", "de:q de:a 2", "en:q en:b 1", "fr:q fr:b 1", "de:q de:c 0"]
    qrels = subsets("en:q de:q fr:q", "en:a de:a en:b fr:b de:c fr:c", *within).qrels
    assert rows(judged_everywhere(queries, passages, qrels)) == sorted(
        (f"{x}:q", passage, relevance)
        for x in ("en", "de", "fr")
        for passage, relevance in (
            ("en:a", 2),
            ("de:a", 2),
            ("en:b", 1),
            ("fr:b", 1),
            ("de:c", 0),
            ("fr:c", 0),
        )
    )


@pytest.mark.parametrize(
    "judged", [("en:q en:a", "de:q de:b"), ("en:q en:a 2", "de:q de:a 1"), ("en:q en:a",)]
)
def test_judgments_that_differ_between_languages(judged):
    found = subsets("en:q de:q", "en:a de:a en:b de:b", *judged)
    queries, passages = by_id(found.queries, None, "q"), by_id(found.passages, None, "p")
    with pytest.raises(ValueError, match=r"judgment\(s\) that are not the same in all languages"):
        judged_everywhere(queries, passages, found.qrels)


def test_passages_that_answer_the_same_query():
    """As in XQuAD; there a few questions have an id that is in one language only."""
    ids = "en:1 de:1 en:2 de:2 en:3 fr:3 de:4"
    answers = ("en:1 en:x", "de:1 de:y", "en:2 en:x", "de:2 de:y", "en:3 en:z", "fr:3 fr:w")
    found = subsets(ids, "en:x de:y en:z fr:w de:alone", *answers, "de:4 de:y")
    queries, passages = by_judgments(found, None)
    assert groups(queries) == {id_: id_[-1] for id_ in ids.split()}
    group = groups(passages)
    assert group["en:x"] == group["de:y"] != group["en:z"] == group["fr:w"]
    assert group["de:alone"] == "de:alone"
    judged = rows(judged_everywhere(queries, passages, found.qrels))
    assert {("de:2", "en:x", 1), ("de:4", "en:x", 1)} <= set(judged)


PASSAGES = "en:x en:z de:y de:w"
SHARED = subsets(
    "en:1 de:1 en:2 de:2", PASSAGES, "en:1 en:x", "de:1 de:y", "en:2 en:z", "de:2 de:w"
)
SHARED = Subsets(SHARED.queries.with_columns(text="original"), SHARED.passages, SHARED.qrels)


def test_passages_that_answer_a_shared_query():
    """The questions of each language are numbered on their own; one German one asks for both."""
    found = subsets(
        "en:1 en:2 en:3 de:1 de:2",
        PASSAGES,
        *("en:1 en:x", "en:2 en:z", "en:3 en:z", "de:1 de:w", "de:2 de:w", "de:2 de:y"),
    )
    queries, passages = by_judgments(found, SHARED)
    passage = groups(passages)
    one, two = passage["en:x"], passage["en:z"]
    assert (passage["de:y"], passage["de:w"]) == (one, two) and one != two
    both = "+".join(sorted([one, two]))
    assert groups(queries) == {"en:1": one, "en:2": two, "en:3": two, "de:1": two, "de:2": both}
    judged = rows(judged_everywhere(queries, passages, found.qrels))
    assert [row[1] for row in judged if row[0] == "en:3"] == ["de:w", "en:z"]
    assert [row[1] for row in judged if row[0] == "de:2"] == ["de:w", "de:y", "en:x", "en:z"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        # Numbered anew in every language, so that the ids link what is not the same.
        (
            subsets(
                "en:1 en:2 de:1 de:2", PASSAGES, "en:1 en:x", "en:2 en:z", "de:1 de:y", "de:2 de:y"
            ),
            "2 case(s) of a passage that answers the same query as another of its language",
        ),
        (
            subsets("en:1 de:1 de:2", PASSAGES, "en:1 en:x", "de:1 de:y", "de:2 de:w"),
            "1 case(s) of a relevant passage that answers no query of another language",
        ),
    ],
)
def test_judgments_that_link_nothing_reliably(found, said):
    with pytest.raises(ValueError) as refused:
        by_judgments(found, None)
    assert said in str(refused.value)


def test_shared_queries_that_are_not_the_same():
    other = SHARED.queries.with_columns(
        text=pl.when(pl.col("id") == "de:2").then(pl.lit("?")).otherwise("text")
    )
    with pytest.raises(ValueError, match=r"2 shared query\(s\) that not all languages are asked"):
        by_judgments(SHARED, Subsets(other, SHARED.passages, SHARED.qrels))
    with pytest.raises(ValueError, match="asked of other passages"):
        by_judgments(subsets("en:1 de:1", "en:x de:y", "en:1 en:x", "de:1 de:y"), SHARED)


def test_a_judgment_of_a_missing_passage():
    with pytest.raises(ValueError, match=r"1 judgment\(s\) of a missing passage, such as query_id"):
        subsets("en:1", "en:x", "en:1 en:lost")
    # MTEB may keep such judgments of passages that are not relevant; they change no score.
    assert rows(subsets("en:1", "en:x", "en:1 en:lost 0", "en:1 en:x").qrels) == [
        ("en:1", "en:x", 1)
    ]
