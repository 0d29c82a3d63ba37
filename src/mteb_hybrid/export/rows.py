"""Rows of exports: judgments in a fixed order, and ids that fit in their columns."""

import re
from collections.abc import Iterator

import polars as pl

from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.views import Qrels


def judgments(queries: pl.DataFrame, qrels: Qrels) -> Iterator[tuple[str, str, int]]:
    """The judgments of a view: query id, passage id and relevance, in an order that is fixed."""
    for query in queries["id"]:
        for passage, relevance in sorted(qrels[query].items()):
            yield query, passage, relevance


def check_ids(collection: Collection, *tables: pl.DataFrame) -> None:
    """Refuse ids that would break the columns of a file.

    Args:
        collection: Its name is in the message.
        *tables: Passages and queries.

    Raises:
        ExportError: If an id is empty, or has white space or a quotation mark in it.
    """
    for table in tables:
        for id_ in table["id"]:
            if not id_ or re.search(r'[\s"]', id_):
                raise ExportError(
                    f"{collection.name}: the id {id_!r} would break the columns of a file; "
                    "expected one without white space and quotation marks. Change it in the "
                    "collection, or export with --format hub, which takes any id."
                )
