"""Language codes, and what is known of a language: its name, family and resource class.

Codes are checked here, because MTEB does not check the ones in a task's metadata.
"""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

UNKNOWN = "unknown"
_TABLE = Path(__file__).with_name("language_table.toml")


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


@cache
def check_language_code(code: str) -> str:
    """Check a ``language-Script`` code such as ``zho-Hans``.

    Args:
        code: An ISO 639-3 language code and an ISO 15924 script code, joined by a hyphen.

    Returns:
        The code, unchanged.

    Raises:
        ValueError: If either half is unknown. The message gives the expected form.
    """
    import pycountry

    language, _, script = code.partition("-")
    if pycountry.languages.get(alpha_3=language) is None:
        raise ValueError(
            f"unknown language {language!r} in {code!r}; expected an ISO 639-3 code such as 'deu', "
            "followed by a script, as in 'deu-Latn'"
        )
    # pycountry compares script codes without regard to case; MTEB compares them exactly.
    if script != script.title() or pycountry.scripts.get(alpha_4=script) is None:
        raise ValueError(
            f"unknown script {script!r} in {code!r}; expected an ISO 15924 code such as 'Latn', "
            "as in 'deu-Latn'"
        )
    return code


def language_name(code: str) -> str:
    """English name of the language of a ``language-Script`` code, as in ISO 639-3."""
    import pycountry

    language: Any = pycountry.languages.get(alpha_3=code.partition("-")[0])
    return str(language.name).partition(" (")[0]


def language_traits(code: str) -> Traits:
    """Family and resource class of a language; a language that is not in the table has neither.

    Args:
        code: ISO 639-3, with or without a script: ``deu-Latn`` or ``deu``.
    """
    return _traits().get(macrolanguage(code), Traits())


def macrolanguage(code: str) -> str:
    """The ISO 639-3 code that data sets use interchangeably: ``zho`` for ``cmn-Hans``."""
    language = code.partition("-")[0]
    macro: dict[str, str] = _table()["macrolanguages"]
    return macro.get(language, language)


def standard_members(macro: str) -> list[str]:
    """The other way round: ``["cmn"]`` for ``zho``, none for what is no macrolanguage."""
    return [member for member, above in _table()["macrolanguages"].items() if above == macro]


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


@cache
def _traits() -> dict[str, Traits]:
    return {
        language: Traits(family, resource_class)
        for family, classes in _table()["families"].items()
        for resource_class, languages in classes.items()
        for language in languages.split()
    }
