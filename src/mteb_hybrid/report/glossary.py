"""The measures in plain words."""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mteb_hybrid.measures import MEASURES, landmarks
from mteb_hybrid.measures.measure import Landmarks

DIRECTIONS = {
    "higher": ("higher", "higher is better"),
    "lower": ("lower", "lower is better"),
    "zero": ("near 0", "nearest to 0 is least biased"),
    "none": ("–", "a description, no goal"),
}

GROUPS = {
    "relevance": ("Relevance", "is what stands on top right?"),
    "distance": ("Distance", "how far apart do the translations of an answer stand?"),
    "preference": ("Preference", "does the model lean towards the query's own language?"),
    "exposure": ("Exposure", "which languages fill the top, beside their share of the pool?"),
    "consistency": ("Consistency", "do all queries, and all translations of one, see the same?"),
}
"""What measures ask, by the key of their group: a title and the question."""


@dataclass(frozen=True)
class Words:
    """A measure as a report explains it.

    Attributes:
        name: Its key in results.
        title: Its name in tables.
        digits: Decimals shown.
        plain: What it is, in plain words.
        range: Lowest and highest value.
        better: Which direction is better, in a word and in a sentence.
        formula: Its definition.
        source: Paper or program that defines it.
        group: Key in `GROUPS`.
        by_language: Whether it has a value per passage language.
        landmarks: What its values are to be compared with, if it is a measure of rankings.
    """

    name: str
    title: str
    digits: int
    plain: str
    range: str
    better: tuple[str, str]
    formula: str
    source: str
    group: str = "relevance"
    by_language: bool = False
    landmarks: Landmarks | None = None


@cache
def words() -> dict[str, Words]:
    """All measures that a report knows, by name, in the order of tables."""
    text = Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8")
    measures = {measure.name: measure for measure in MEASURES}
    found = {}
    for name, entry in tomllib.loads(text).items():
        measure = measures.pop(name, None)
        low, high = (measure.lowest, measure.highest) if measure else entry["range"]
        found[name] = Words(
            name=name,
            title=entry["title"],
            digits=entry["digits"],
            plain=entry["plain"],
            range=_range(low, high),
            better=DIRECTIONS[measure.better if measure else entry["better"]],
            formula=measure.formula if measure else entry["formula"],
            source=measure.citation if measure else entry["source"],
            group=entry["group"],
            by_language=bool(measure and measure.by_language),
            landmarks=landmarks().get(name),
        )
    for name, measure in measures.items():
        found[name] = Words(
            *(name, name.replace("_", " "), 4, "", _range(measure.lowest, measure.highest)),
            *(DIRECTIONS[measure.better], measure.formula, measure.citation),
            by_language=measure.by_language,
            landmarks=measure.landmarks,
        )
    return found


def _range(low: float, high: float) -> str:
    return f"{low:g} and up" if math.isinf(high) else f"{low:g} to {high:g}"
