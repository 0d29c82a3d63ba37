"""What a perturbation is."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple


class Query(NamedTuple):
    """A query to rewrite.

    Attributes:
        id: As in the collection, with its language: ``de:816e3b83``.
        text: It.
        code: Language and script, such as ``deu-Latn``.
    """

    id: str
    text: str
    code: str


@dataclass(frozen=True)
class Perturbation:
    """A change that a rule makes.

    Attributes:
        kind: Its name, a kind of rewrite.
        does: What it does, for provenances.
        version: Counts up whenever the same seed gives other texts.
        refusal: Why it leaves out a language, by its code; None if it does not.
        change: A query changed, itself if there is nothing to change. All chance comes from the
            generator that it is given.
    """

    kind: str
    does: str
    version: int
    refusal: Callable[[str], str | None]
    change: Callable[[Query, Random], str]


def language_and_script(code: str) -> tuple[str, str]:
    """``("deu", "Latn")`` of ``deu-Latn``."""
    language, _, script = code.partition("-")
    return language, script


WITHOUT_SPACES = frozenset(("Hans", "Hant", "Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"))
"""Scripts that put no space between words."""
