"""Language codes, checked, and the names that belong to them.

Codes are checked here, because MTEB does not check the ones in a task's metadata. They are read as
people have them: ``zh_TW``, ``zh-Hant-TW``, ``es-419``, ``eng_Latn``, ``EN``, ``iw``. What is read
otherwise than it is written is said, once for each. There are two forms:

- short codes (``en``, ``pt-br``), keys of cards and results, which are names: what was written as
  ``xx`` or ``xx-Suffix`` stays as it is, and all else becomes the tag that BCP 47 has for it;
- full codes (``deu-Latn``), ISO 639-3 and ISO 15924, in which the script must be known: a short
  form is refused where the language is written in several (``zh``, ``sr``).
"""

import logging
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any


def iso_language(short: str) -> Any:
    """What ISO 639 says of a short code, as pycountry gives it.

    Raises:
        ValueError: If there is no such language.
    """
    found = iso_entry(short)
    if found is None:
        raise ValueError(_unknown(short, "an ISO 639 code such as 'de'"))
    return found


logger = logging.getLogger(__name__)


SHORT = re.compile(r"[a-z]{2,3}(-[A-Za-z]+)?")
_TABLE = Path(__file__).with_name("language_table.toml")


@cache
def check_language_code(code: str) -> str:
    """Check a ``language-Script`` code such as ``zho-Hans``, or read one that is written otherwise.

    Args:
        code: An ISO 639-3 language code and an ISO 15924 script code, joined by a hyphen; or
            another tag that says both, such as ``zh_TW`` or ``EN``.

    Returns:
        The code in that form.

    Raises:
        ValueError: If either half is unknown, or the language is written in several scripts and
            none is named. The message gives the expected form.
    """
    language, _, script = code.partition("-")
    if len(language) == 3 and _iso_639(language) and _is_script(script):
        return code
    entry = iso_entry(code)
    if entry is None:
        raise ValueError(
            _unknown(code, "an ISO 639-3 code followed by a script, such as 'deu-Latn'")
        )
    tag = _valid_tag(code)
    if tag is None:
        _, _, rest = re.sub("_", "-", code).partition("-")
        raise ValueError(
            f"unknown script {rest!r} in {code!r}; expected an ISO 15924 code such as 'Latn', as "
            f"in '{entry.alpha_3}-Latn'"
        )
    found = tag.script or (tag.maximize() if tag.territory else tag.assume_script()).script
    if found is None:
        raise ValueError(
            f"{code!r} does not say its script, and the language has several, or no usual one; add "
            f"it, as in '{entry.alpha_3}-{tag.maximize().script or 'Latn'}'"
        )
    return _said(code, f"{entry.alpha_3}-{found}")


def _is_script(script: str) -> bool:
    import pycountry

    # pycountry compares script codes without regard to case; MTEB compares them exactly.
    return script == script.title() and pycountry.scripts.get(alpha_4=script) is not None


def scripts() -> list[str]:
    """The codes of all scripts, by ISO 15924."""
    import pycountry

    return [script.alpha_4 for script in pycountry.scripts]


def _base(code: str) -> str:
    return re.split("[-_]", code.strip(), maxsplit=1)[0]


def _iso_639(language: str) -> Any:
    """What ISO 639 has under a code of two or three small letters; None if nothing."""
    import pycountry

    key = "alpha_2" if len(language) == 2 else "alpha_3"
    return pycountry.languages.get(**{key: language}) if language.islower() else None


def code_by_name(name: str) -> str | None:
    """The shortest code of a language that is called by its English name, in any case."""
    import pycountry

    # Not pycountry's lookup: to it "i" is any language whose scope is I, for individual.
    wanted = name.strip().casefold()
    entry: Any
    for entry in pycountry.languages:
        names = (getattr(entry, key, "") for key in ("name", "inverted_name", "common_name"))
        if wanted and wanted in map(str.casefold, names):
            return str(getattr(entry, "alpha_2", entry.alpha_3))
    return None


def _unknown(code: str, expected: str) -> str:
    """What to say of a language that is none."""
    base = _base(code)
    said = f"unknown language {base!r}" + (f" in {code!r}" if base != code else "")
    meant = code_by_name(base)
    return said + (
        f"; did you mean {code.replace(base, meant, 1)!r}?" if meant else f"; expected {expected}"
    )


def _valid_tag(text: str) -> Any:
    """A tag as langcodes reads it, in its standard form; None if it is none, or not valid."""
    import langcodes

    try:
        tag = langcodes.Language.get(langcodes.standardize_tag(text.strip()))
        return tag if tag.is_valid() and not tag.extlangs else None
    except ValueError:
        return None


@cache
def iso_entry(short: str) -> Any:
    """What ISO 639 says of the language of a short code, as pycountry gives it; None if nothing.

    Args:
        short: Such as ``de``, ``quz``, ``pt-br``, ``zh_TW`` or ``iw``, which is now ``he``.
    """
    import langcodes

    if found := _iso_639(_base(short)):
        return found
    try:
        return _iso_639(str(langcodes.Language.get(_base(short)).language))
    except ValueError:
        return None


@cache
def language_tag(text: str) -> str | None:
    """The one tag that BCP 47 has for a language, however it is written; None if it is no tag.

    ``EN``, ``eng`` and ``eng_Latn`` are ``en``; ``zh_TW`` and ``zh-Hant-TW`` are ``zh-TW``. ``zh``,
    ``zh-Hans`` and ``zh-CN`` stay three, as do ``pt`` and ``pt-BR``: nothing tells that they mean
    the same.
    """
    import langcodes

    tag = _valid_tag(text)
    if tag is None:
        return None
    if tag.script and tag.territory:
        bare = langcodes.Language.make(language=tag.language, territory=tag.territory)
        if bare.maximize().script == tag.script:
            tag = bare
    return str(tag.to_tag())


@cache
def short_code(text: str) -> str:
    """The short code of a language, a key of cards and results.

    Args:
        text: ``xx`` or ``xx-Suffix``, which stays as it is; or another tag, such as ``EN``.

    Raises:
        ValueError: If it is no tag of a language.
    """
    if SHORT.fullmatch(text):
        return text
    tag = language_tag(text)
    if tag is None:
        raise ValueError(_unknown(text, "a short code such as 'pt-br'"))
    return _said(text, tag)


def find_language(text: str, known: Mapping[str, str]) -> str | None:
    """The one of some languages that is meant.

    Args:
        text: A short code, or another tag of the language.
        known: Full codes by short code; or short codes by themselves.

    Returns:
        Its short code; None if it is none of them, or nothing tells which.
    """
    if text in known:
        return text
    if (tag := language_tag(text)) is None:
        return None
    # Short codes before full ones, which are the same for pt and pt-BR.
    found = [short for short in known if language_tag(short) == tag]
    found = found or [short for short, code in known.items() if language_tag(code) == tag]
    return _said(text, found[0]) if len(found) == 1 else None


def one_name_each(names: Iterable[str]) -> dict[str, str]:
    """One name for every language of a ranking, whatever its files write.

    Args:
        names: Tags, or names that are none, which mean themselves.

    Returns:
        The name of each: the tag of BCP 47 where it is written in several ways, else what
        `short_code` says.
    """
    written: dict[str, set[str]] = {}
    distinct = sorted(set(names))
    for name in distinct:
        written.setdefault(language_tag(name) or name, set()).add(name)
    return {
        name: _said(name, tag) if len(written[tag]) > 1 else short_code(name) if known else name
        for name in distinct
        for known in [language_tag(name)]
        for tag in [known or name]
    }


@cache
def _said(text: str, read: str) -> str:
    """What was understood; said where it is not what stands there."""
    if text != read:
        logger.warning("language %r is read as %r", text, read)
    return read


def language_name(code: str) -> str:
    """English name of the language of a ``language-Script`` code, as in ISO 639-3."""
    import pycountry

    language: Any = pycountry.languages.get(alpha_3=code.partition("-")[0])
    return str(language.name).partition(" (")[0]


def macrolanguage(code: str) -> str:
    """The ISO 639-3 code that data sets use interchangeably: ``zho`` for ``cmn-Hans``, ``zh``."""
    entry = iso_entry(code)
    language = entry.alpha_3 if entry else _base(code)
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
