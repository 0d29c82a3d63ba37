"""Texts that belong together, so that none is ever a negative for another."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.precompute.source import Source
from mteb_hybrid.training.readers.checks import group_number


class Links:
    """Which texts belong together: those of one group, and those that a chain of groups links.

    Translations of a passage, passages of questions with the same text or the same answer, and
    what a collection judges relevant are linked by it. Texts are told apart by 63 bits of a hash.

    Args:
        source: The rows. Those of a collection bring all its passages and judgments along.
    """

    def __init__(self, source: Source) -> None:
        pairs = np.fromiter(chain.from_iterable(_pairs(source)), np.int64).reshape(-1, 2)
        self._nodes, places = np.unique(pairs, return_inverse=True)
        left, right = places.reshape(-1, 2).T
        size = len(self._nodes)
        edges = coo_array((np.ones(len(pairs), dtype=bool), (left, right)), shape=(size, size))
        _, self._labels = connected_components(edges, directed=False)

    def of(self, texts: Sequence[str]) -> Ints:
        """A number for each of these texts, the same for those that belong together.

        Returns:
            Shape (texts,).
        """
        numbers = np.fromiter((_node("text", text) for text in texts), np.int64, len(texts))
        labels: Ints = self._labels[np.searchsorted(self._nodes, numbers)].astype(np.int64)
        return labels


def _node(kind: str, value: str | int) -> int:
    return group_number(f"{kind}\0{value}")


def _pairs(source: Source) -> Iterator[tuple[int, int]]:
    groups = [_node("row", group) for group in source.corpus.groups().tolist()]
    for role in ("query", "passage"):
        for code in source.corpus.languages:
            for row, text in zip(*source.texts(role, code), strict=True):
                yield groups[row], _node("text", text)
    if source.collection is not None:
        yield from _judged(source.collection)


def _judged(collection: Collection) -> Iterator[tuple[int, int]]:
    queries, passages = collection.queries, collection.passages
    for kind, table in (("question", queries), ("content", passages)):
        for group, text in table.select("group", "text").iter_rows():
            yield _node(kind, group), _node("text", text)
    if collection.qrels is None:  # the group says it all
        for group in queries["group"].unique():
            yield _node("question", group), _node("content", group)
        return
    links = (
        collection.qrels.filter(pl.col("relevance") > 0)
        .join(queries.select(query_id="id", question="group"), on="query_id")
        .join(passages.select(passage_id="id", content="group"), on="passage_id")
        .select("question", "content")
        .unique()
    )
    for question, content in links.iter_rows():
        yield _node("question", question), _node("content", content)
