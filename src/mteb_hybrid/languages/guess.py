"""The full code of a language, from its short code and texts in it: ``zh`` to ``zho-Hans``.

The script is what the texts are written in, not what the language usually is: Serbian may be in
either of two.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain, islice
from typing import Any

from mteb_hybrid.languages.codes import iso_entry

_LETTERS = 10_000
_JAPANESE = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA")


class UnknownLanguageError(ValueError):
    """A language or script that is not recognised. The message gives the remedy."""


def full_code(short: str, texts: Iterable[str]) -> str:
    """The ``language-Script`` code of a language.

    Args:
        short: ISO 639-1 or 639-3, such as ``de`` or ``quz``, or another tag. A script may follow,
            as in ``zh-Hant``; another suffix, as in ``pt-br`` or ``zh_TW``, is ignored.
        texts: Texts in the language; their first 10,000 letters decide.

    Returns:
        Such as ``deu-Latn``.

    Raises:
        UnknownLanguageError: If there is no such language, or the texts do not show the script.
    """
    import pycountry

    found = iso_entry(short)
    remedy = f"Give its code, as in --code {short}=deu-Latn."
    if found is None:
        raise UnknownLanguageError(f"{short!r}: not a language of ISO 639. {remedy}")
    scripts: Any = pycountry.scripts
    for part in re.split("[-_]", short)[1:]:
        if len(part) == 4 and scripts.get(alpha_4=part):
            return f"{found.alpha_3}-{part.title()}"
    letters = list(islice(filter(str.isalpha, chain.from_iterable(texts)), _LETTERS))
    script = _script(found.alpha_3, letters)
    if script is None:
        raise UnknownLanguageError(f"{short!r}: its texts do not show their script. {remedy}")
    return f"{found.alpha_3}-{script}"


def _script(language: str, letters: list[str]) -> str | None:
    """ISO 15924 code of the script that most letters are in."""
    names = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in letters)
    if language == "jpn" and sum(names[name] for name in _JAPANESE) > len(letters) / 2:
        return "Jpan"
    for name, _ in names.most_common(1):
        return _chinese(letters) if name == "CJK" else _codes().get(name)
    return None


def _chinese(letters: list[str]) -> str | None:
    """Simplified if more characters are of the mainland's standard alone than of Taiwan's alone."""
    balance = sum(_encodable(x, "gb2312") - _encodable(x, "big5") for x in letters)
    return None if balance == 0 else "Hans" if balance > 0 else "Hant"


def _encodable(letter: str, encoding: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@cache
def _codes() -> dict[str, str]:
    """First words of Unicode's letter names, as in ``CYRILLIC SMALL LETTER A``, to scripts."""
    import pycountry

    found: dict[str, str] = {}
    # The plain script before its variants, whose names are longer: "Latin (Fraktur variant)".
    for script in sorted(pycountry.scripts, key=lambda script: len(script.name)):
        found.setdefault(script.name.partition(" ")[0].upper(), script.alpha_4)
    return found
