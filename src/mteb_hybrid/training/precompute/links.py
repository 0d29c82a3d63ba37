"""Texts that belong together, so that none is ever a negative for another."""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.precompute.source import Source
from mteb_hybrid.training.readers.groups import Hashes


class Links:
    """Which texts belong together.

    Those of a file do if their rows have one group, which readers give to rows that share a text
    (see `readers.groups.linked`). Those of a collection, all its passages among them, do if a
    chain of shared texts, translations and relevant passages connects them. Texts are told apart
    by 64 bits of a hash.

    Args:
        source: The rows, or a collection.
    """

    def __init__(self, source: Source) -> None:
        if source.collection is None:
            hashes, labels = _of_rows(source)
        else:
            hashes, labels = _of_collection(source.collection)
        self._hashes, first = np.unique(hashes, return_index=True)
        self._labels = labels[first]

    def of(self, texts: Sequence[str]) -> Ints:
        """A number for each of these texts, the same for those that belong together.

        Returns:
            Shape (texts,).
        """
        labels: Ints = self._labels[np.searchsorted(self._hashes, _hashes(texts))]
        return labels


def _hashes(texts: Iterable[str]) -> Hashes:
    return pl.Series(texts, dtype=pl.String).hash().to_numpy()


def _of_rows(source: Source) -> tuple[Hashes, Ints]:
    """Hashes of the texts of all rows, and the groups of their rows."""
    groups = source.corpus.groups()
    hashes, labels = [], []
    for role in ("query", "passage"):
        for code in source.corpus.languages:
            rows, texts = source.texts(role, code)
            hashes.append(_hashes(texts))
            labels.append(groups[rows])
    return np.concatenate(hashes), np.concatenate(labels)


def _of_collection(collection: Collection) -> tuple[Hashes, Ints]:
    """Hashes of the texts of a collection, and the number of the component of each."""
    queries, passages = collection.queries, collection.passages
    texts = pl.concat(
        table.select("text", node=kind + pl.col("group"))
        for kind, table in (("query ", queries), ("passage ", passages))
    )
    if collection.qrels is None:  # the group says it all
        links = queries.select(left="query " + pl.col("group"), right="passage " + pl.col("group"))
    else:
        links = (
            collection.qrels.filter(pl.col("relevance") > 0)
            .join(queries.select(query_id="id", left="query " + pl.col("group")), on="query_id")
            .join(
                passages.select(passage_id="id", right="passage " + pl.col("group")),
                on="passage_id",
            )
            .select("left", "right")
        )
    edges = pl.concat([texts.select(left="text " + pl.col("text"), right="node"), links]).unique()
    nodes, places = np.unique(
        _hashes(pl.concat([edges["left"], edges["right"]])), return_inverse=True
    )
    left, right = np.split(places, 2)
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(nodes), len(nodes)))
    _, components = connected_components(graph, directed=False)
    labels = components[np.searchsorted(nodes, _hashes("text " + texts["text"]))]
    return _hashes(texts["text"]), labels.astype(np.int64)
