"""The cards at hand: those that ship with the package, and those of the user's own folder."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from mteb_hybrid.cards.card import CardError, TaskCard, read_card
from mteb_hybrid.cards.rewritten import with_rewritten
from mteb_hybrid.files.named import is_name
from mteb_hybrid.files.places import TASKS_VARIABLE
from mteb_hybrid.languages.near import did_you_mean

PACKAGE = Path(__file__).parents[1]


def card_folder(kind: Literal["tasks", "models", "studies"] = "tasks") -> Path:
    """Folder of the cards: inside an installed package, else at the root of the checkout.

    Raises:
        CardError: If there is neither.
    """
    for folder in (PACKAGE / "_cards" / kind, PACKAGE.parents[1] / kind):
        if folder.is_dir():
            return folder
    raise CardError(f"no {kind} cards beside {PACKAGE}; the installation is incomplete, reinstall")


def shipped(kind: Literal["tasks", "models", "studies"]) -> dict[str, Path]:
    """The files of the cards that ship with the package, by name."""
    return {file.stem: file for file in _toml_files(card_folder(kind))}


def find_card(source: str | Path, kind: Literal["models", "studies"], what: str) -> Path:
    """A file that is given, or the file of a card that ships with the package, which wins.

    Args:
        source: A TOML file, or a name.
        kind: Of the card.
        what: What errors call it.

    Raises:
        CardError: If there is none.
    """
    file, known = Path(source), shipped(kind)
    if is_name(source, known, what):
        return known[str(source)]
    if file.is_file():
        return file
    if str(source) not in known and file.is_dir():
        raise CardError(f"{file}: is a folder; expected the TOML file of a {what}")
    if str(source) not in known:
        beside = [str(other) for other in _toml_files(file.parent)]
        raise CardError(
            f"no {what} {str(source)!r}: neither a TOML file nor one of those that ship with the "
            f"package{did_you_mean(str(source), [*beside, *known])} There are {', '.join(known)}"
        )
    return known[str(source)]


def task_cards(folder: Path | None = None) -> dict[str, TaskCard]:
    """All task cards by name, in the order of their file names.

    Args:
        folder: Where to look; by default the cards that ship with the package, those in the
            folder that the environment variable ``MTEB_HYBRID_TASKS`` names, and those of
            rewritten queries.

    Raises:
        CardError: If that folder does not exist, any card is bad (it is never skipped), or two
            have the same name.
        DataError: If what is said of rewritten queries is malformed.
    """
    if folder is not None:
        return _cards((folder,))
    own = os.environ.get(TASKS_VARIABLE)
    if own and not Path(own).is_dir():
        raise CardError(f"{own}: no such folder; {TASKS_VARIABLE} must name one with task cards")
    return with_rewritten(_cards((card_folder(), *([Path(own)] if own else []))))


@cache
def _cards(folders: tuple[Path, ...]) -> dict[str, TaskCard]:
    cards: dict[str, TaskCard] = {}
    for card in (read_card(file) for folder in folders for file in _toml_files(folder)):
        if card.name in cards:
            raise CardError(
                f"{card.file}: key 'name': {card.name!r} is the name of {cards[card.name].file} "
                "too; choose another"
            )
        if same := [other.file for other in cards.values() if other.title == card.title]:
            raise CardError(
                f"{card.file}: key 'title': {card.title!r} is the title of {same[0]} too, and "
                "tables know collections by it; choose another"
            )
        if same := [other.file for other in cards.values() if other.file.name == card.file.name]:
            raise CardError(
                f"{card.file}: the file of another card, {same[0]}, is called so too, and commands "
                "know collections by it; choose another name for the file"
            )
        cards[card.name] = card
    return cards


def _toml_files(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*.toml"))


def collections() -> dict[str, TaskCard]:
    """All cards by the name of their file, such as ``xquad-r``; benchmarks before samples."""
    cards = sorted(task_cards().values(), key=lambda card: (card.kind, card.file.stem))
    return {card.file.stem: card for card in cards}


def collection_card(name: str) -> TaskCard:
    """The card of a collection by the name of its file, as in ``xquad-r``.

    Raises:
        ValueError: If there is none.
    """
    cards = {card.file.stem: card for card in task_cards().values()}
    if name not in cards:
        raise ValueError(
            f"no collection {name!r}{did_you_mean(name, cards)} There are {', '.join(cards)}"
        )
    return cards[name]
