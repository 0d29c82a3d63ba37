"""Values in recipes that name something: a language, a collection."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mteb_hybrid.cards import TaskCard, task_cards
from mteb_hybrid.settings import card_settings, task_name


def iso_language(short: str) -> Any:
    """What ISO 639 says of a short code, as pycountry gives it.

    Raises:
        ValueError: If there is no such language.
    """
    import pycountry

    language = short.partition("-")[0]
    found = pycountry.languages.get(**{"alpha_2" if len(language) == 2 else "alpha_3": language})
    if found is None:
        raise ValueError(f"unknown language {short!r}; expected an ISO 639 code such as 'de'")
    return found


def _check_short_code(short: str) -> str:
    iso_language(short)
    return short


def collection_card(name: str) -> TaskCard:
    """The card of a collection by the name of its file, as in ``xquad-r``.

    Raises:
        ValueError: If there is none.
    """
    cards = {card.file.stem: card for card in task_cards().values()}
    if name not in cards:
        raise ValueError(f"no collection {name!r}; expected one of {', '.join(cards)}")
    return cards[name]


def _known_collection(name: str) -> str:
    collection_card(name)
    return name


def collection_tasks(name: str) -> list[str]:
    """The MTEB tasks of a collection, and those that it is adapted from."""
    card = collection_card(name)
    return [
        *card.metadata.adapted_from,
        *(task_name(card, setting) for setting in card_settings(card)),
    ]


ShortCode = Annotated[
    str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]+)?$"), AfterValidator(_check_short_code)
]
CollectionName = Annotated[str, AfterValidator(_known_collection)]
