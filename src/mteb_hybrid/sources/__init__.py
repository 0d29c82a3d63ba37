"""From a card to its collection: one adapter per data shape, a closed set.

In comes a card; out goes its `Collection`, read from local files, the hub or MTEB, or an error that
names the file and row. For `evaluation`, `training`, `translation`, `export` and the commands.
"""

import os

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.rewritten import RewrittenCard
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.sources import (
    beir,
    captions,
    lareqa,
    lines,
    miracl,
    mixed,
    mteb_task,
    pairs,
    parallel,
)
from mteb_hybrid.sources.rewritten import rewritten_queries, with_rewritten_queries

READERS = {
    "beir": beir.read,
    "captions": captions.read,
    "lareqa": lareqa.read,
    "lines": lines.read,
    "miracl": miracl.read,
    "mixed": mixed.read,
    "mteb": mteb_task.read,
    "pairs": pairs.read,
    "parallel": parallel.read,
}

QUERY_READERS = {"miracl": miracl.read_queries}

_recent: dict[tuple[str, str, str | None], Collection] = {}


def load_collection(card: TaskCard | str) -> Collection:
    """Read the collection that a card declares. The last four stay in memory for further tasks.

    Args:
        card: The card, or the name of its file, as in ``xquad-r``.

    Returns:
        The collection, in all languages of the card, without translated queries.

    Raises:
        ValueError: If no card has that name.
        DataError: If a file is missing, altered, or not in the format that the card names.
    """
    if isinstance(card, str):
        card = collection_card(card)
    key = (str(card.file), card.model_dump_json(), os.environ.get(DATA_VARIABLE))
    if key not in _recent:
        _recent[key] = (
            with_rewritten_queries(load_collection(card.of), card)
            if isinstance(card, RewrittenCard)
            else READERS[card.source.format](card)
        )
        while len(_recent) > 4:
            del _recent[next(iter(_recent))]
    return _recent[key]


def load_queries(card: TaskCard) -> pl.DataFrame:
    """The queries of a collection, without its passages where those lie in files of their own.

    Args:
        card: The card.

    Returns:
        As `Collection.queries`.

    Raises:
        DataError: As `load_collection`.
    """
    if isinstance(card, RewrittenCard):
        return rewritten_queries(load_queries(card.of), card)
    if card.source.format in QUERY_READERS:
        return QUERY_READERS[card.source.format](card)
    return load_collection(card).queries
