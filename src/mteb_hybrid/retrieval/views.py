"""The three settings, and the views (single retrieval problems) that each consists of."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import polars as pl

from mteb_hybrid.retrieval.collection import Collection

Qrels = dict[str, dict[str, int]]


class Setting(StrEnum):
    """How the languages of query and passages relate (arXiv:2408.10536, section 3)."""

    MONOLINGUAL = "monolingual"
    CROSSLINGUAL = "crosslingual"
    MULTILINGUAL = "multilingual"


@dataclass(frozen=True)
class View:
    """One retrieval problem: queries of one language against the passages of its pool.

    Attributes:
        query_language: Language of the queries.
        passage_languages: Languages of the passages in the pool.
    """

    query_language: str
    passage_languages: tuple[str, ...]

    @property
    def name(self) -> str:
        """MTEB's subset name: ``en-en``, ``en-de`` or ``en-multi``."""
        pool = self.passage_languages[0] if len(self.passage_languages) == 1 else "multi"
        return f"{self.query_language}-{pool}"


@cache
def views(setting: Setting, languages: tuple[str, ...]) -> Mapping[str, View]:
    """The views of a setting by name: L, L·(L-1) and L of them for L languages."""
    match setting:
        case Setting.MONOLINGUAL:
            found = [View(x, (x,)) for x in languages]
        case Setting.CROSSLINGUAL:
            found = [View(x, (y,)) for x in languages for y in languages if x != y]
        case Setting.MULTILINGUAL:
            found = [View(x, languages) for x in languages]
    return {view.name: view for view in found}


def view_passages(collection: Collection, view: View) -> pl.DataFrame:
    """The pool of a view: rows of `Collection.passages`, in their order."""
    pool = collection.passages.filter(pl.col("language").is_in(list(view.passage_languages)))
    if collection.paired:
        asked = collection.passages.filter(language=view.query_language)
        pool = pool.join(asked, on="group", how="semi", maintain_order="left")
    return pool


def view_queries(collection: Collection, view: View) -> tuple[pl.DataFrame, Qrels]:
    """The queries of a view that have a relevant passage in its pool, with their judgments.

    Returns:
        Rows of `Collection.queries`, in their order, and ``{query id: {passage id: relevance}}``.

    Raises:
        ValueError: If no query has a relevant passage in the pool.
    """
    queries = collection.queries.filter(language=view.query_language)
    pool = view_passages(collection, view)
    judged: Qrels = {}
    for query, passage, relevance in collection.judged(queries, pool).iter_rows():
        judged.setdefault(query, {})[passage] = relevance
    qrels = {query: of_query for query, of_query in judged.items() if max(of_query.values()) > 0}
    if not qrels:
        raise ValueError(
            f"{collection.name}: the view {view.name} is empty: none of its {len(queries)} queries "
            f"has a relevant passage among its {len(pool)} passages. Check the "
            "judgments, or name this subset in source.empty_subsets of the card."
        )
    return queries.filter(pl.col("id").is_in(list(qrels))), qrels


def empty_views(collection: Collection) -> list[str]:
    """The views of all settings in which no query has a relevant passage, by name.

    Where all passages are in one language, the pool of all languages is none, and counts as empty.
    """
    relevant = collection.judged(collection.queries, collection.passages).filter(
        pl.col("relevance") > 0
    )
    spoken = [
        table.select("language", id=pl.col("id"))
        for table in (collection.queries, collection.passages)
    ]
    pairs = set(
        relevant.join(spoken[0], left_on="query_id", right_on="id")
        .join(spoken[1], left_on="passage_id", right_on="id", suffix="_of_passage")
        .select("language", "language_of_passage")
        .unique()
        .iter_rows()
    )
    pooled = collection.passages["language"].n_unique() > 1
    asked = {x for x, _ in pairs} if pooled else set()
    return [
        view.name
        for setting in Setting
        for view in views(setting, collection.languages).values()
        if (
            view.query_language not in asked
            if len(view.passage_languages) > 1
            else (view.query_language, *view.passage_languages) not in pairs
        )
    ]
