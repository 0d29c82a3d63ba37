"""The texts of a page: whether they may be on it, and whether they are at hand."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.results.evaluation import Evaluation
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.locate import is_there

logger = logging.getLogger(__name__)

PASSED_ON = (
    *("afl-", "agpl-", "apache-", "bsd-", "cc-by-", "cc0-", "cdla-", "eupl-", "gfdl", "gpl-"),
    *("lgpl-", "mit", "mpl-", "odbl", "odc-by", "pddl", "unlicense"),
)
"""How names of licences begin, in MTEB's spelling, that let everybody pass text on."""


@dataclass(frozen=True)
class Texts:
    """Texts of queries and passages by id, and in a sentence why there are none."""

    queries: Mapping[str, str] = field(default_factory=dict)
    passages: Mapping[str, str] = field(default_factory=dict)
    why_none: str = ""


def may_be_passed_on(licence: str) -> bool:
    """Whether a licence lets text be published again, if only under conditions.

    What is not known to is refused: an address, ``other``, ``not specified``.
    """
    return licence.lower().startswith(PASSED_ON)


def texts_of(evaluation: Evaluation, wanted: bool | None = None) -> Texts:
    """The texts of a collection.

    Args:
        evaluation: Any on it.
        wanted: Whether they are to be there; by default if the licence lets them be passed on.
    """
    card: TaskCard = evaluation.card
    licence = card.metadata.license
    if wanted is False:
        return Texts(why_none="Texts are left out, as was asked: ids stand for them.")
    if wanted is None and not may_be_passed_on(licence):
        return Texts(
            why_none=f"Ids stand for texts: the licence of {card.title} ({licence}) is not known "
            "to let them be passed on. For yourself, make the page with --with-text."
        )
    if evaluation.is_on_other_data:
        return Texts(
            why_none=f"Ids stand for texts: the results are on revision "
            f"{evaluation.dataset_revision} of the data, which now are "
            f"{evaluation.current_revision}."
        )
    why = f"set {DATA_VARIABLE} to the folder that holds them, and make the page again."
    try:
        if is_there(card) is False:
            return Texts(
                why_none=f"Ids stand for texts, as the files of {card.title} are not at hand: {why}"
            )
        collection = load_collection(card)
    except DataError as error:  # with paths, which are for whoever makes the page
        logger.warning("%s", error)
        return Texts(
            why_none=f"Ids stand for texts, as the files of {card.title} could not be read."
        )
    return Texts(
        dict(collection.queries.select("id", "text").iter_rows()),
        dict(collection.passages.select("id", "text").iter_rows()),
    )
