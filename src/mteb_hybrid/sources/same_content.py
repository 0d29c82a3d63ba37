"""Which texts of several languages say the same, where a data set has no column for it.

Its ids may tell, or its judgments: passages that answer the same query say the same. Either is
checked: a rule that does not fit would make a pool whose judgments are wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from mteb_hybrid.cards.formats.mteb_task import whole_match
from mteb_hybrid.retrieval.collection import QRELS


@dataclass(frozen=True)
class Subsets:
    """Queries, passages and judgments of several languages, each judged within itself.

    Attributes:
        queries: One row per query: id (``language:original``), text, language, original.
        passages: One row per passage, with the same columns.
        qrels: One row per judgment: query_id, passage_id, relevance.
    """

    queries: pl.DataFrame
    passages: pl.DataFrame
    qrels: pl.DataFrame

    @classmethod
    def of(
        cls, queries: pl.DataFrame, passages: pl.DataFrame, qrels: list[tuple[str, str, int]]
    ) -> Self:
        """Check judgments: none of an unknown passage, unless it is not relevant anyway.

        Raises:
            ValueError: If a relevant passage is not there.
        """
        table = pl.DataFrame(qrels, QRELS, orient="row")
        known = pl.col("passage_id").is_in(passages["id"].implode())
        _refuse(table.filter(~known, pl.col("relevance") > 0), "judgment(s) of a missing passage")
        return cls(queries, passages, table.filter(known))


def by_id(texts: pl.DataFrame, expression: str | None, key: str) -> pl.DataFrame:
    """Group texts by their original ids.

    Args:
        texts: `Subsets.queries` or `Subsets.passages`.
        expression: Its group ``group`` is the group; None for the whole id.
        key: What the card calls `expression`, for messages.

    Returns:
        The rows, with a column group.

    Raises:
        ValueError: If an id does not match, two texts of a language have one group, or a group is
            in one language only.
    """
    group = pl.col("original")
    if expression is not None:
        group = group.str.extract_groups(whole_match(expression)).struct.field("group")
    grouped = texts.with_columns(group=group)
    what = key.removesuffix("_id")
    unmatched = grouped.filter(pl.col("group").is_null())
    _refuse(unmatched, f"{what} id(s) that {key} does not match as a whole")
    _refuse_repeated(grouped, f"a {what} with the group of another {what} of its language")
    _refuse_single(grouped, f"a {what} whose id is in no other language")
    return grouped


def by_judgments(subsets: Subsets, linking: Subsets | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Group passages that answer the same query, and queries.

    Args:
        subsets: What is to be grouped.
        linking: Judgments of the same queries, under the same ids, in all languages. Then a query
            of `subsets` gets the groups of the passages that answer it, as nothing else tells what
            it asks. If None, queries of `subsets` with the same original id are the same.

    Returns:
        `Subsets.queries` and `Subsets.passages`, with a column group. A passage that answers
        nothing is a group of its own.

    Raises:
        ValueError: If two passages of a language are linked, a relevant passage to none of another
            language, or the linking queries or passages differ.
    """
    if linking and not linking.passages.equals(subsets.passages):
        raise ValueError("shared queries are asked of other passages, or under other ids")
    links = linking or subsets
    original = links.queries.select("original", query_id="id")
    relevant = links.qrels.filter(pl.col("relevance") > 0).join(
        original, on="query_id", maintain_order="left"
    )
    answers = relevant.group_by("original", maintain_order=True).agg("passage_id")
    groups = passage_groups(dict(answers.iter_rows()))
    passages = subsets.passages.with_columns(
        group=pl.col("id").replace_strict(groups, default=pl.col("id"), return_dtype=pl.String)
    )
    linked = passages.filter(pl.col("id").is_in(list(groups)))
    _refuse_repeated(linked, "a passage that answers the same query as another of its language")
    _refuse_single(linked, "a relevant passage that answers no query of another language")
    if linking is None:
        return subsets.queries.with_columns(group="original"), passages
    asked = linking.queries.group_by("original", "text").agg(pl.len(), pl.col("id").first())
    _refuse(
        asked.filter(pl.col("len") < linking.queries["language"].n_unique()),
        "shared query(s) that not all languages are asked under one id",
    )
    answered = subsets.qrels.filter(pl.col("relevance") > 0).join(
        passages.select("group", passage_id="id"), on="passage_id"
    )
    asking = answered.group_by(id="query_id").agg(pl.col("group").unique().sort().str.join("+"))
    queries = subsets.queries.join(asking, on="id", how="left", maintain_order="left")
    return queries.with_columns(pl.col("group").fill_null(pl.col("id"))), passages


def judged_everywhere(
    queries: pl.DataFrame, passages: pl.DataFrame, qrels: pl.DataFrame
) -> pl.DataFrame:
    """Judgments between all languages, from those within each.

    Args:
        queries: Rows with id, language and group.
        passages: The same.
        qrels: Judgments within languages: query_id, passage_id, relevance.

    Returns:
        A judgment of every query on every passage of a group that its group is judged on.

    Raises:
        ValueError: If languages that have both groups judge them differently.
    """
    asked = queries.select("language", query_group="group", query_id="id")
    found = passages.select("language", passage_group="group", passage_id="id")
    pair = ["query_group", "passage_group"]
    judged = qrels.join(asked, on="query_id").join(found.drop("language"), on="passage_id")
    pairs = judged.group_by(pair, maintain_order=True).agg(pl.col("relevance").max())
    within = (
        pairs.select(pair)
        .join(asked, on="query_group")
        .join(found, on=["passage_group", "language"])
    )
    compared = within.join(
        judged.select("query_id", "passage_id", "relevance"),
        on=["query_id", "passage_id"],
        how="left",
    ).with_columns(pl.col("relevance").fill_null(0))
    _refuse(
        compared.filter(pl.col("relevance").n_unique().over(pair) > 1).sort(pair),
        "judgment(s) that are not the same in all languages",
    )
    everywhere = pairs.join(
        asked.drop("language"), on="query_group", maintain_order="left_right"
    ).join(found.drop("language"), on="passage_group", maintain_order="left_right")
    return everywhere.select(*QRELS)


def _refuse(rows: pl.DataFrame, fault: str) -> None:
    if not rows.is_empty():
        raise ValueError(f"{len(rows)} {fault}, such as {_example(rows)}")


def _refuse_repeated(grouped: pl.DataFrame, fault: str) -> None:
    key = ["language", "group"]
    rows = grouped.filter(pl.struct(key).is_duplicated()).sort(key)
    if not rows.is_empty():
        raise ValueError(
            f"{len(rows)} case(s) of {fault}, such as {rows['id'][0]!r} and {rows['id'][1]!r}"
        )


def _refuse_single(grouped: pl.DataFrame, fault: str) -> None:
    rows = grouped.filter(pl.col("language").n_unique().over("group") == 1)
    if not rows.is_empty():
        raise ValueError(f"{len(rows)} case(s) of {fault}, such as {_example(rows)}")


def _example(rows: pl.DataFrame) -> str:
    row = rows.row(0, named=True)
    return ", ".join(f"{key} {value!r}" for key, value in row.items() if key != "text")


def passage_groups(relevant: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Group of every passage that answers a question.

    Args:
        relevant: Passages of each question, in all languages.

    Returns:
        The id of one of the passages that it is linked with, the same for all of them.
    """
    parent: dict[str, str] = {}

    def root(passage: str) -> str:
        while parent.setdefault(passage, passage) != passage:
            parent[passage] = parent[parent[passage]]
            passage = parent[passage]
        return passage

    for passages in relevant.values():
        for passage in passages:
            parent[root(passage)] = root(passages[0])
    return {passage: root(passage) for passage in parent}
