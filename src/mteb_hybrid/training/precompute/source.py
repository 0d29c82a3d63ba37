"""The rows to work on: parallel JSON lines, or the questions and answers of a collection."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mteb_hybrid.cards.catalogue import collection_card, collections
from mteb_hybrid.files.named import is_name
from mteb_hybrid.files.parallel_json import ParallelRow, read_rows
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.corpus import Corpus
from mteb_hybrid.training.precompute.given import check_given
from mteb_hybrid.training.readers import from_collection, read_json


class Source(NamedTuple):
    """Rows that are read again and again, and never all in memory.

    Attributes:
        name: The file or collection.
        digest: Fingerprint of all its content.
        corpus: Its rows as readers see them, with groups and texts.
        rows: Gives the same rows in the same order, with all that the file says of them.
        collection: What the rows are from, if they are from a collection.
    """

    name: str
    digest: str
    corpus: Corpus
    rows: Callable[[], Iterator[ParallelRow]]
    collection: Collection | None = None

    def texts(self, role: str, language: str) -> tuple[list[int], list[str]]:
        """The rows that have a text in a role and language, and these texts."""
        there = np.flatnonzero(self.corpus.masks(role, [language])).tolist()
        return there, [self.corpus.text(role, language, row) for row in there]


def read_source(what: str) -> Source:
    """Read a file of parallel JSON lines, or a collection by its name, which wins.

    Raises:
        ParallelDataError: If it is neither, or the file is malformed.
        DataError: If a file of the collection is missing or altered.
    """
    check_given(what)
    file = Path(what)
    if not is_name(what, collections(), "collection"):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Source(what, digest, read_json(file), lambda: read_rows([file]))
    return collection_source(what, load_collection(collection_card(what)))


def collection_source(name: str, collection: Collection) -> Source:
    """The questions of a collection with their answers, as `from_collection` takes them."""
    corpus = from_collection(collection)
    tables = [collection.queries, collection.passages, collection.qrels]
    parts = [table.write_json() for table in tables if table is not None]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Source(name, digest, corpus, lambda: _rows(corpus), collection)


def _rows(corpus: Corpus) -> Iterator[ParallelRow]:
    """The rows of a corpus, as a file would have them; a row's id is its position."""
    masks = {role: corpus.masks(role, corpus.languages) for role in ("query", "passage")}
    for row, group in enumerate(corpus.groups().tolist()):
        texts = {
            role: {
                code: corpus.text(role, code, row)
                for bit, code in enumerate(corpus.languages)
                if int(mask[row]) >> bit & 1
            }
            for role, mask in masks.items()
        }
        content = {"id": row, "group": group, **texts}
        where = f"{corpus.name}: row {row}"
        yield ParallelRow(where, row + 1, 0, content, row, group, texts["query"], texts["passage"])
