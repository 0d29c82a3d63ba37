"""Language codes, checked, and the names that belong to them.

Codes are checked here, because MTEB does not check the ones in a task's metadata.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


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


_TABLE = Path(__file__).with_name("language_table.toml")


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


def macrolanguage(code: str) -> str:
    """The ISO 639-3 code that data sets use interchangeably: ``zho`` for ``cmn-Hans``."""
    language = code.partition("-")[0]
    macro: dict[str, str] = language_table()["macrolanguages"]
    return macro.get(language, language)


def standard_members(macro: str) -> list[str]:
    """The other way round: ``["cmn"]`` for ``zho``, none for what is no macrolanguage."""
    members: dict[str, str] = language_table()["macrolanguages"]
    return [member for member, above in members.items() if above == macro]


@cache
def language_table() -> dict[str, Any]:
    """The table of languages: families with their classes, and macrolanguages."""
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
