"""Sources: one adapter per data shape, a closed set."""

import os

from mteb_hybrid.cards import TaskCard
from mteb_hybrid.collection import Collection
from mteb_hybrid.files import DATA_VARIABLE
from mteb_hybrid.sources import lareqa, lines

READERS = {"lareqa": lareqa.read, "lines": lines.read}

_recent: dict[tuple[str, str, str | None], Collection] = {}


def load_collection(card: TaskCard) -> Collection:
    """Read the collection that a card declares. The last four stay in memory for further tasks.

    Args:
        card: The card.

    Returns:
        The collection, in all languages of the card, without translated queries.

    Raises:
        DataError: If a file is missing, altered, or not in the format that the card names.
    """
    key = (str(card.file), card.model_dump_json(), os.environ.get(DATA_VARIABLE))
    if key not in _recent:
        _recent[key] = READERS[card.source.format](card)
        while len(_recent) > 4:
            del _recent[next(iter(_recent))]
    return _recent[key]
