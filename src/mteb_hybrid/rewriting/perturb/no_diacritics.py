"""Diacritics dropped, as people type who lack the keys or the time: ``où`` becomes ``ou``.

| script | what falls away | languages it changes, for instance |
| --- | --- | --- |
| Latin | all marks, and the strokes of đ ð ħ ı ł ø | Vietnamese, Turkish, German, not English |
| Greek | tonos and dialytika | Greek |
| Cyrillic | ё becomes е, and nothing else: й and ї are letters of their own | Russian |
| Arabic | vowel signs, shadda; hamza and madda on their letters | Arabic, Persian |
| Hebrew | points | Hebrew, where it is pointed |

Marks of other scripts are vowels, and stay: these languages are left out.
"""

import unicodedata
from random import Random

from mteb_hybrid.rewriting.perturb.perturbation import Perturbation, Query, language_and_script

_DECOMPOSED = ("Latn", "Grek", "Arab", "Hebr")
_STROKES = str.maketrans("đĐðÐħĦıłŁøØ", "dDdDhHilLoO")
_CYRILLIC = str.maketrans("ёЁ", "еЕ")


def _refusal(code: str) -> str | None:
    _, script = language_and_script(code)
    if script not in (*_DECOMPOSED, "Cyrl"):
        return f"{code} has no diacritics that could be dropped"
    return None


def _change(query: Query, random: Random) -> str:
    _, script = language_and_script(query.code)
    if script == "Cyrl":
        return unicodedata.normalize("NFC", query.text).translate(_CYRILLIC)
    letters = unicodedata.normalize("NFD", query.text)
    bare = "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
    return unicodedata.normalize("NFC", bare).translate(_STROKES if script == "Latn" else {})


NO_DIACRITICS = Perturbation(
    kind="no-diacritics",
    does="diacritics dropped",
    version=1,
    refusal=_refusal,
    change=_change,
)
