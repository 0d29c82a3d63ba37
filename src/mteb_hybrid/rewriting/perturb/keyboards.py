"""Keyboard layouts: which letters lie beside a letter."""

import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mteb_hybrid.languages.codes import macrolanguage
from mteb_hybrid.rewriting.perturb.perturbation import language_and_script

_TABLE = Path(__file__).with_name("keyboards.toml")
_NO_LETTER = "·"

_STAGGER = (0.0, 0.5, 0.75, 1.25)
"""Where the rows of letters begin, from the number row down, in widths of a key (ISO 9995-1)."""


@dataclass(frozen=True)
class Keyboard:
    """A layout.

    Attributes:
        name: As in ``keyboards.toml``.
        neighbours: The letters, of the same level, on keys that touch a letter's key. Marks have
            marks for neighbours, so that none loses its letter.
        tones: Combining marks of the tones, and the marks on neighbouring keys (Telex).
    """

    name: str
    neighbours: dict[str, str]
    tones: dict[str, str] = field(default_factory=dict)


def keyboard(code: str) -> Keyboard | None:
    """The layout that most users of a language type with; None if none is known here.

    Args:
        code: Language and script, such as ``deu-Latn``.
    """
    language, script = language_and_script(code)
    return _keyboards().get((macrolanguage(language), script))


@cache
def _keyboards() -> dict[tuple[str, str], Keyboard]:
    found = {}
    for name, table in tomllib.loads(_TABLE.read_text(encoding="utf-8")).items():
        made = _keyboard(name, table)
        for code in table["languages"]:
            language, script = language_and_script(code)
            found[macrolanguage(language), script] = made
    return found


def _keyboard(name: str, table: dict[str, Any]) -> Keyboard:
    neighbours = _neighbours(table["rows"]) | _neighbours(table.get("shifted", []))
    tones: dict[str, str] = table.get("tones", {})
    marks = {
        mark: "".join(tones[key] for key in neighbours[own] if key in tones)
        for own, mark in tones.items()
    }
    return Keyboard(name, neighbours, marks)


def _neighbours(rows: list[str]) -> dict[str, str]:
    keys = list(_keys(rows))
    found = {}
    for letter, row, place in keys:
        beside = [
            other
            for other, its_row, its_place in keys
            if other != letter
            and (abs(its_place - place) <= 1 if its_row == row else abs(its_place - place) < 1)
            and abs(its_row - row) <= 1
            and unicodedata.category(other)[0] == unicodedata.category(letter)[0]
        ]
        if beside:
            found[letter] = "".join(sorted(beside))
    return found


def _keys(rows: list[str]) -> Iterator[tuple[str, int, float]]:
    for row, (keys, start) in enumerate(zip(rows, _STAGGER, strict=False)):
        for number, letter in enumerate(keys.split(" ")):
            if letter != _NO_LETTER:
                yield letter, row, start + number
