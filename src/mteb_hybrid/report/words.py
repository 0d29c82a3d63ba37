"""The measures in plain words, and what a model's numbers say."""

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mteb_hybrid.languages import language_name
from mteb_hybrid.measures import MEASURES
from mteb_hybrid.report.results import Results
from mteb_hybrid.report.summary import cell, macro_by_language
from mteb_hybrid.settings import Setting

DIRECTIONS = {
    "higher": ("higher", "higher is better"),
    "lower": ("lower", "lower is better"),
    "zero": ("near 0", "nearest to 0 is least biased"),
    "none": ("–", "a description, no goal"),
}


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
        by_language: Whether it has a value per passage language.
    """

    name: str
    title: str
    digits: int
    plain: str
    range: str
    better: tuple[str, str]
    formula: str
    source: str
    by_language: bool = False


@cache
def words() -> dict[str, Words]:
    """All measures that a report knows, by name, in the order of tables."""
    text = Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
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
            by_language=bool(measure and measure.by_language),
        )
    for name, measure in measures.items():
        found[name] = Words(
            *(name, name.replace("_", " "), 4, "", _range(measure.lowest, measure.highest)),
            *(DIRECTIONS[measure.better], measure.formula, measure.citation, measure.by_language),
        )
    return found


def _range(low: float, high: float) -> str:
    return f"{low:g} and up" if math.isinf(high) else f"{low:g} to {high:g}"


def reading(results: Results, collection: str, model: str) -> str:
    """What a model's numbers say, in two or three sentences."""
    values = {
        (setting, name): found.value
        for setting, name in (
            *((setting, "map") for setting in Setting),
            (Setting.MULTILINGUAL, "rank_distance"),
            (Setting.MULTILINGUAL, "gold_language_gap"),
            (Setting.MULTILINGUAL, "pool_loss"),
            (Setting.MULTILINGUAL, "same_language_lift_at_10"),
            (Setting.MULTILINGUAL, "unjudged_at_10"),
        )
        if (found := cell(results, collection, model, setting, name))
        and found.subsets == found.expected
    }
    parts = [
        f"{values[setting, 'map']:.3f} {where}"
        for setting, where in (
            (Setting.MONOLINGUAL, "where it searches the language of the query"),
            (Setting.CROSSLINGUAL, "where it searches one other language"),
            (Setting.MULTILINGUAL, "where it searches all languages at once"),
        )
        if (setting, "map") in values
    ]
    if not parts:
        return "No setting is complete, so nothing is said about it."
    said = [f"Its map is {_and(parts)}."]
    if (distance := values.get((Setting.MULTILINGUAL, "rank_distance"))) is not None:
        said.append(
            "In the pool of all languages the best and the worst placed translation of an answer "
            f"lie {distance:,.0f} ranks apart on average."
        )
    if (unjudged := values.get((Setting.MULTILINGUAL, "unjudged_at_10"))) is not None:
        said += _judged_in_one(values, unjudged)
    if (gap := values.get((Setting.MULTILINGUAL, "gold_language_gap"))) is not None:
        said.append(
            f"A lone answer scores {abs(gap):.3f} {'higher' if gap > 0 else 'lower'} in the "
            "language of the query than in another one."
        )
    ranks = macro_by_language(results, collection, model, "mean_rank")
    if not any(math.isnan(rank) for rank in ranks):
        languages = [
            language_name(x.code) for x in results.collections[collection].languages.values()
        ]
        best, worst = languages[int(ranks.argmin())], languages[int(ranks.argmax())]
        said.append(
            f"Answers in {best} stand highest (mean rank {ranks.min():,.0f}), those in {worst} "
            f"lowest ({ranks.max():,.0f})."
        )
    return " ".join(said)


def _judged_in_one(values: dict[tuple[Setting, str], float], unjudged: float) -> Iterator[str]:
    """What the pool costs where queries are judged in their own language only."""
    if (loss := values.get((Setting.MULTILINGUAL, "pool_loss"))) is not None:
        yield (
            f"The pool costs up to {loss:.3f}: of the top 10 there {unjudged:.0%} were not judged, "
            "and some of them may answer the question."
        )
    if (lift := values.get((Setting.MULTILINGUAL, "same_language_lift_at_10"))) is not None:
        yield (
            f"The language of the query has {1 + lift:.1f} times as much of that top 10 as of the "
            "pool."
        )


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
