"""What is known of a language: its family and resource class."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from mteb_hybrid.languages.codes import language_table, macrolanguage, scripts

UNKNOWN = "unknown"


class By(StrEnum):
    """What to group query languages by."""

    QUERY_LANGUAGE = "query-language"
    FAMILY = "family"
    SCRIPT = "script"
    RESOURCE_CLASS = "resource-class"
    SEEN = "seen"

    @property
    def column(self) -> str:
        """Its column in tables."""
        return self.value.replace("-", "_")


@dataclass(frozen=True)
class Traits:
    """What `language_table.toml` knows of a language; its head names the sources.

    Attributes:
        family: Top-level family, as in Glottolog; ``unknown`` if not in the table.
        resource_class: ``0`` to ``5`` (Joshi et al. 2020); ``unknown`` if not in the table.
    """

    family: str = UNKNOWN
    resource_class: str = UNKNOWN


def language_traits(code: str) -> Traits:
    """Family and resource class of a language; a language that is not in the table has neither.

    Args:
        code: ISO 639-3, with or without a script: ``deu-Latn`` or ``deu``.
    """
    return _traits().get(macrolanguage(code), Traits())


def known_values(by: By) -> list[str]:
    """What a property of a language can be; none for query languages, which cards name."""
    match by:
        case By.QUERY_LANGUAGE:
            return []
        case By.SEEN:
            return ["seen", "unseen"]
        case By.SCRIPT:
            return [*scripts(), UNKNOWN]
    return sorted({str(getattr(traits, by.column)) for traits in _traits().values()} | {UNKNOWN})


@cache
def _traits() -> dict[str, Traits]:
    return {
        language: Traits(family, resource_class)
        for family, classes in language_table()["families"].items()
        for resource_class, languages in classes.items()
        for language in languages.split()
    }
