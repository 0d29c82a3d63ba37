"""Typing errors: a key beside the right one, two letters swapped, one left out or typed twice.

The kinds of errors are those of Damerau (1964, doi:10.1145/363958.363994); which key is hit instead
is told by the layout that the language is typed with, ``keyboards.toml``. Chinese, Japanese and
Korean, which an input method composes, and languages without a layout there are left out.
"""

import unicodedata
from random import Random

from mteb_hybrid.rewriting.perturb.keyboards import Keyboard, keyboard
from mteb_hybrid.rewriting.perturb.perturbation import Perturbation, Query

RATE = 0.05
"""Errors per letter; every query has at least one."""


def _refusal(code: str) -> str | None:
    return None if keyboard(code) else f"no keyboard layout of {code}"


def _change(query: Query, random: Random) -> str:
    layout = keyboard(query.code)
    letters = tuple(unicodedata.normalize("NFC", query.text))
    typed = [place for place, letter in enumerate(letters) if _can_err(letter, layout)]
    if layout is None or not typed:
        return query.text
    errors = max(1, round(RATE * len(typed)))
    made = list(letters)
    for place in random.sample(typed, min(errors, len(typed))):
        _err(made, letters, place, layout, random)
    return unicodedata.normalize("NFC", "".join(made))


def _can_err(letter: str, layout: Keyboard | None) -> bool:
    return layout is not None and (
        letter.lower() in layout.neighbours or _tone(letter, layout) is not None
    )


def _err(
    made: list[str], letters: tuple[str, ...], place: int, layout: Keyboard, random: Random
) -> None:
    """Put one error into what is made of the letters of a text."""
    letter, after, then = (*letters[place : place + 3], "", "")[:3]
    tone = _tone(letter, layout)
    if tone is not None:
        # The key of the tone was missed: another tone, or none.
        other = random.choice(["", *layout.tones[tone]])
        made[place] = unicodedata.normalize("NFD", letter).replace(tone, other)
        return
    hit = random.choice(layout.neighbours[letter.lower()])
    slips = [hit.upper() if letter.isupper() else hit]
    # What carries a mark is not taken from under it.
    if not _is_mark(letter) and not _is_mark(after):
        slips += ["", letter + letter]
        if after.isalpha() and after != letter and not _is_mark(then):
            slips.append("swap")
    slip = random.choice(slips)
    if slip == "swap":
        made[place], made[place + 1] = made[place + 1], made[place]
    else:
        made[place] = slip


def _tone(letter: str, layout: Keyboard) -> str | None:
    marks = unicodedata.normalize("NFD", letter)[1:]
    return next((mark for mark in marks if mark in layout.tones), None)


def _is_mark(letter: str) -> bool:
    return bool(letter) and unicodedata.category(letter).startswith("M")


TYPOS = Perturbation(
    kind="typos",
    does=f"typing errors on the language's keyboard, one per {round(1 / RATE)} letters or one: a "
    "neighbouring key, two letters swapped, one left out or doubled",
    version=1,
    refusal=_refusal,
    change=_change,
)
