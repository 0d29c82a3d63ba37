"""Known faults of published collections: which rows are left out, and how many at most.

Strict is the default: a fault refuses the whole collection. Faults that a published data set is
known to have may be listed in its card; such rows are then left out, counted, and named wherever
the collection's results are. A fault that is not listed, or one more than are listed, is refused.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from mteb_hybrid.cards.tables import Strict

logger = logging.getLogger(__name__)

Count = Annotated[int, Field(ge=0)]

WORDS = {
    "judged_unknown": "judgment(s) of a text that is not there",
    "judged_empty": "judgment(s) of a text without a word",
    "judged_twice": "judgment(s) of a pair that an earlier line judges otherwise",
    "blank_texts": "text(s) of white space alone",
    "repeated_ids": "text(s) with the id of an earlier one",
}


class KnownFaults(Strict):
    """The ``[source.known_faults]`` table of a card: how many rows are left out at most.

    Attributes:
        judged_unknown: Judgments of a query or passage that is not there.
        judged_empty: Judgments of a query or passage without a word.
        judged_twice: Judgments of a pair that an earlier line judges otherwise; that one counts.
        blank_texts: Queries and passages of white space alone.
        repeated_ids: Queries and passages with the id of an earlier one; that one counts.
    """

    judged_unknown: Count = 0
    judged_empty: Count = 0
    judged_twice: Count = 0
    blank_texts: Count = 0
    repeated_ids: Count = 0

    @property
    def listed(self) -> dict[str, int]:
        """The kinds that there are, with their largest number."""
        return {kind: count for kind, count in self.model_dump().items() if count}

    @property
    def digest(self) -> str:
        """Twelve hex digits that stand for the faults in a revision."""
        return hashlib.sha256(json.dumps(self.listed).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        """A sentence for descriptions and notes; nothing if no fault is listed."""
        if not self.listed:
            return ""
        counts = [f"at most {count} {WORDS[kind]}" for kind, count in self.listed.items()]
        return f"Left out, as known faults of the source: {'; '.join(counts)}."


class LeftOut:
    """Counts the rows that are left out of a collection while it is read.

    Args:
        title: The collection's name, for the log.
        known: What its card lists.
    """

    def __init__(self, title: str, known: KnownFaults) -> None:
        self._title = title
        self._allowed = known.listed
        self.found: dict[str, list[str]] = {}

    def __call__(self, kind: str, places: Sequence[str]) -> bool:
        """Whether rows may be left out, which are then counted.

        Args:
            kind: A key of `KnownFaults`.
            places: File and line, or the id, of each row.
        """
        rows = [*self.found.get(kind, ()), *places]
        if len(rows) > self._allowed.get(kind, 0):
            return False
        self.found[kind] = rows
        return True

    def more(self, kind: str) -> str:
        """What an error says of a fault beyond those that the card lists, if it lists any."""
        allowed = self._allowed.get(kind, 0)
        return (
            f" The card knows of at most {allowed} {WORDS[kind]}; there are more."
            if allowed
            else ""
        )

    def log(self) -> None:
        """Say what was left out, if anything."""
        for kind, places in self.found.items():
            if places:
                logger.warning(
                    "%s: left out, as the card lists: %d %s, the first: %s",
                    self._title,
                    len(places),
                    WORDS[kind],
                    places[0],
                )


NOTHING = LeftOut("", KnownFaults())
"""For what is strict in any case."""
