"""Diacritics dropped, as people type who lack the keys or the time: ``où`` becomes ``ou``.

| script | what falls away | languages it changes, for instance |
| --- | --- | --- |
| Latin | all marks, and the strokes of đ ð ħ ı ł ø | Vietnamese, Turkish, German, not English |
| Greek | tonos and dialytika | Greek |
| Cyrillic | ё becomes е, and nothing else: й and ї are letters of their own | Russian |
| Arabic | vowel signs, shadda; hamza and madda on their letters | Arabic, Persian |
| Hebrew | points | Hebrew, where it is pointed |

ئ is a letter of its own in Kurdish and Uyghur, and stays there. Marks of other scripts are vowels,
and stay: their languages are left out.
"""

import unicodedata
from random import Random

from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.rewriting.perturb.perturbation import Perturbation, Query, language_and_script

_DECOMPOSED = ("Latn", "Grek", "Arab", "Hebr")
_STROKES = str.maketrans("đĐðÐħĦıłŁøØ", "dDdDhHilLoO")
_CYRILLIC = str.maketrans("ёЁ", "еЕ")
_LETTER = {"\u0626": "\u0626"}
"""Yeh with hamza is a letter of its own in Kurdish, Uyghur and others."""
_PERSIAN = {"\u0626": "\u06cc", "\u06c0": "\u0647"}
"""Yeh and heh of the keyboards of Persian and Urdu: Unicode takes these two apart into others."""


def _refusal(code: str) -> str | None:
    _, script = language_and_script(code)
    if script not in (*_DECOMPOSED, "Cyrl"):
        return f"{code} has no diacritics that could be dropped"
    return None


def _change(query: Query, random: Random) -> str:
    _, script = language_and_script(query.code)
    text = unicodedata.normalize("NFC", query.text)
    if script == "Cyrl":
        return text.translate(_CYRILLIC)
    own = _own(query.code) if script == "Arab" else {}
    bare = "".join(own.get(letter) or _bare(letter) for letter in text)
    return unicodedata.normalize("NFC", bare).translate(_STROKES if script == "Latn" else {})


def _own(code: str) -> dict[str, str]:
    """What letters of a language in Arabic script become, where it is not what Unicode says."""
    language, _ = language_and_script(code)
    if language in ("fas", "pes", "prs", "urd"):
        return _PERSIAN
    return {} if "Arabic" in language_name(code) else _LETTER


def _bare(letter: str) -> str:
    parts = unicodedata.normalize("NFD", letter)
    return "".join(part for part in parts if unicodedata.category(part) != "Mn")


NO_DIACRITICS = Perturbation(
    kind="no-diacritics",
    does="diacritics dropped",
    version=2,
    refusal=_refusal,
    change=_change,
)
