"""Train on the questions of a collection and the passages that answer them."""

import numpy as np
import polars as pl
from datasets.table import InMemoryTable
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.training.corpus import Corpus, Ints
from mteb_hybrid.training.readers.checks import group_number
from mteb_hybrid.training.readers.settle import in_memory, settled


def from_collection(collection: Collection, *, name: str | None = None) -> Corpus:
    """Train on the questions of a collection and the passages that answer them.

    A row is a group of queries, which are translations of each other; the first counts if there
    are several in a language. Its passage in a language is the most relevant one to any of them,
    the first of those; passages that were judged and found not relevant are none. One that says the
    same as the question in that language, as of captions that are both, is taken where there is no
    other. Questions that share a relevant passage, or are linked by a chain of such, have the same
    group: in MLQA-R and XQuAD-R several questions have their answers in one sentence.

    Args:
        collection: Any collection. It stays in memory.
        name: Name of the corpus; by default that of the collection.

    Returns:
        The corpus, with the groups of queries that have a relevant passage, in their order.

    Raises:
        ParallelDataError: If it is no collection, no passage is relevant, or a text is blank.
    """
    if not isinstance(collection, Collection):
        raise ParallelDataError(
            f"a {type(collection).__name__}; expected a collection, such as load_collection() of "
            "mteb_hybrid.sources makes of a card"
        )
    queries = collection.queries.select("id", "text", "language", content="group")
    passages = collection.passages.with_row_index("order").select(
        "order", "text", "language", passage_id="id", passage_group="group"
    )
    relevant = (
        collection.judged(collection.queries, collection.passages)
        .filter(pl.col("relevance") > 0)
        .join(queries.select("content", query_id="id"), on="query_id", maintain_order="left")
        .join(passages, on="passage_id")
        .sort("relevance", "order", descending=[True, False], maintain_order=True)
    )
    if relevant.is_empty():
        raise ParallelDataError(
            f"{collection.name}: no question has a passage that is relevant to it; expected "
            "judgments above 0"
        )
    rows = queries.select(pl.col("content").unique(maintain_order=True)).join(
        relevant, on="content", how="semi", maintain_order="left"
    )
    wide = rows
    for code in collection.languages:
        for role, texts in (("query", queries), ("passage", relevant)):
            of_language = texts.filter(language=code)
            if role == "passage":
                asked = wide.select("content", asked=f"query_{code}")
                of_language = of_language.join(
                    asked, on="content", how="left", maintain_order="left"
                ).sort(pl.col("text").eq_missing(pl.col("asked")), maintain_order=True)
            first = of_language.unique("content", keep="first", maintain_order=True)
            wide = wide.join(
                first.select("content", pl.col("text").alias(f"{role}_{code}")),
                on="content",
                how="left",
                maintain_order="left",
            )
    return settled(
        InMemoryTable(wide.drop("content").to_arrow()),
        lambda: _components(rows["content"], relevant),
        in_memory,
        name=collection.name if name is None else name,
    )


def _components(contents: pl.Series, relevant: pl.DataFrame) -> Ints:
    """A number per content, the same for contents linked by groups of relevant passages."""
    links = relevant.select("content", "passage_group").unique()
    names, left = np.unique(links["content"], return_inverse=True)
    groups, right = np.unique(links["passage_group"], return_inverse=True)
    size = len(names) + len(groups)
    edges = coo_array((np.ones(len(links)), (left, right + len(names))), shape=(size, size))
    _, labels = connected_components(edges, directed=False)
    # Named by its alphabetically first group of passages: the order of rows does not matter.
    _, first = np.unique(labels[len(names) :], return_index=True)
    of_label = [group_number(str(groups[position])) for position in first]
    of_content = dict(zip(names, labels, strict=False))
    return np.array([of_label[of_content[content]] for content in contents], dtype=np.int64)
