"""A collection: passages, queries and judgments of one data set in several languages."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

TEXTS = {"id": pl.String, "text": pl.String, "language": pl.String, "group": pl.String}
HIGHEST_GRADE = 999_999
"""Of a judgment: trec_eval makes a table as long as that, and goes wrong if it is too long."""
QRELS = {"query_id": pl.String, "passage_id": pl.String, "relevance": pl.Int64}


@dataclass(frozen=True)
class Collection:
    """Passages, queries and judgments, checked when it is made.

    Every passage and query has a language and a group: the content it translates. Parallel texts
    share their group. Ids identify; texts may repeat.

    Attributes:
        name: Its name in error messages.
        languages: Short codes, in the order of tables.
        passages: One row per passage: id, text, language, group.
        queries: One row per query: id, text, language, group.
        qrels: One row per judgment, over all language pairs: query_id, passage_id, relevance (0
            for a passage that was judged and found not relevant, 2 and more for graded judgments).
            None where a query's group says it all: every passage of it is relevant, other than
            the query itself. Written out, these are 18 million rows for XM3600.
        paired: Whether every pair of languages has texts of its own: the pool of a view then has
            only passages of the groups that there are in the query language.
    """

    name: str
    languages: tuple[str, ...]
    passages: pl.DataFrame
    queries: pl.DataFrame
    qrels: pl.DataFrame | None
    paired: bool = False

    def __post_init__(self) -> None:
        """Check the tables.

        Raises:
            ValueError: If a table has other columns, an id repeats, a text is empty, a language
                is not one of `languages`, or a judgment names an unknown id.
        """
        for what, table, schema in (
            ("passages", self.passages, TEXTS),
            ("queries", self.queries, TEXTS),
            ("qrels", self.qrels, QRELS),
        ):
            if table is None:
                continue
            if table.schema != pl.Schema(schema):
                raise ValueError(
                    f"{self.name}: {what} has the columns {dict(table.schema)}, expected {schema}"
                )
            if table.is_empty():
                raise ValueError(f"{self.name}: {what} is empty; expected at least one row")
        for what, table in (("passages", self.passages), ("queries", self.queries)):
            self._refuse(what, table.filter(pl.col("id").is_duplicated()), "a repeated id")
            blank = pl.col("text").str.strip_chars() == ""
            self._refuse(what, table.filter(blank), "an empty text")
            unknown = ~pl.col("language").is_in(list(self.languages))
            self._refuse(
                what, table.filter(unknown), f"a language other than {', '.join(self.languages)}"
            )
        if self.qrels is None:
            return
        for column, table in (("query_id", self.queries), ("passage_id", self.passages)):
            known = pl.col(column).is_in(table["id"].implode())
            self._refuse("qrels", self.qrels.filter(~known), f"an unknown {column}")
        self._refuse("qrels", self.qrels.filter(pl.col("relevance") < 0), "a relevance below 0")
        high = pl.col("relevance") > HIGHEST_GRADE
        self._refuse("qrels", self.qrels.filter(high), f"a relevance above {HIGHEST_GRADE}")

    def judged(self, queries: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
        """The judgments of some queries on some passages.

        Args:
            queries: Rows of `queries`.
            passages: Rows of `passages`.

        Returns:
            Rows of query_id, passage_id and relevance.
        """
        if self.qrels is not None:
            rows = self.qrels.join(queries.select(query_id="id"), on="query_id", how="semi")
            return rows.join(passages.select(passage_id="id"), on="passage_id", how="semi")
        pairs = queries.lazy().select("group", query_id="id")
        of_group = passages.lazy().select("group", passage_id="id")
        return (
            pairs.join(of_group, on="group", maintain_order="left_right")
            .filter(pl.col("query_id") != pl.col("passage_id"))
            .select("query_id", "passage_id", relevance=pl.lit(1, QRELS["relevance"]))
            .collect()
        )

    def part(
        self, languages: Sequence[str], max_groups: int | None = None, seed: int = 0
    ) -> "Collection":
        """All passages of some languages, and the queries of some groups that they answer.

        Args:
            languages: Some of `languages`.
            max_groups: Groups of queries to draw at most; all if None.
            seed: Decides which groups are drawn.

        Raises:
            ValueError: If a language is unknown, or `max_groups` is below 1.
        """
        if unknown := [language for language in languages if language not in self.languages]:
            raise ValueError(
                f"{self.name}: unknown language {', '.join(map(repr, unknown))}; expected some "
                f"of {', '.join(self.languages)}"
            )
        passages = self.passages.filter(pl.col("language").is_in(list(languages)))
        queries = self.queries.filter(pl.col("language").is_in(list(languages)))
        qrels = self.judged(queries, passages)
        answered = qrels.filter(pl.col("relevance") > 0)
        queries = queries.join(answered, left_on="id", right_on="query_id", how="semi")
        groups = queries["group"].unique().sort()
        if max_groups is not None:
            if max_groups < 1:
                raise ValueError(f"max_groups is {max_groups}; expected at least 1")
            import numpy as np  # commands that only list tasks need not wait for it

            size = min(max_groups, len(groups))
            drawn = np.random.default_rng(seed).choice(len(groups), size, replace=False)
            queries = queries.filter(pl.col("group").is_in(groups.gather(drawn).implode()))
        qrels = qrels.join(queries, left_on="query_id", right_on="id", how="semi")
        ordered = tuple(language for language in self.languages if language in languages)
        return Collection(self.name, ordered, passages, queries, qrels, self.paired)

    def _refuse(self, what: str, rows: pl.DataFrame, fault: str) -> None:
        if not rows.is_empty():
            raise ValueError(
                f"{self.name}: {what}: {len(rows)} row(s) with {fault}; the first: {rows.row(0)}"
            )
