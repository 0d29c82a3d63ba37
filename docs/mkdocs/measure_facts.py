"""What a measure says of itself: definition, range, direction, settings and source."""

import inspect
import math
import re
from functools import partial
from pathlib import Path

from escape import escaped

from mteb_hybrid.measures import MEASURES, Landmarks, Measure
from mteb_hybrid.measures.ranking_consistency import CONSISTENCY_LANDMARKS
from mteb_hybrid.retrieval.views import Setting

FOLDER = Path(__file__).parents[1] / "measures"
BETTER = {
    "higher": "higher is better",
    "lower": "lower is better",
    "zero": "0 is unbiased",
    "none": "a description, not a goal",
}
LINKS = (
    (re.compile(r"arXiv:(\d{4}\.\d{5})"), r"[arXiv:\1](https://arxiv.org/abs/\1)"),
    (re.compile(r"\b(10\.\d{4,}/[\w.]+\w)"), r"[doi:\1](https://doi.org/\1)"),
)


def facts(name: str) -> str:
    """The facts of one measure, as a list."""
    measure = next(measure for measure in MEASURES if measure.name == name)
    source = measure.citation
    for pattern, link in LINKS:
        source = pattern.sub(link, source)
    per = "subset" if measure.of_view else "query"
    if measure.by_language:
        per += f" and language: `{name}_en`, …"
    return "\n".join(
        [
            f"- **Definition:** `{measure.formula}`",
            f"- **Range:** {_range(measure)}; {BETTER[measure.better]}",
            f"- **Values:** one per {per}, {_settings(measure)}",
            *_landmarks(measure.landmarks),
            f"- **Source:** {source}",
        ]
    )


def consistency() -> str:
    """What encoders get of the measures between queries, as a list."""
    return "\n".join(_landmarks(CONSISTENCY_LANDMARKS))


def _landmarks(marks: Landmarks) -> list[str]:
    return [
        f"- **All scores equal:** {marks.constant}",
        f"- **Random order:** {marks.chance}",
        f"- **Relevant passages on top:** {marks.ideal}",
        f"- **Below a cut:** {marks.below_cut}",
    ]


def table() -> str:
    """All measures, each with a link to where it is explained.

    Raises:
        ValueError: If one is not explained on any page, or on several.
    """
    pages = [
        (name, file.name)
        for file in sorted(FOLDER.glob("*.md"))
        for name in re.findall(r"^<!-- generated: measure (\w+) -->$", file.read_text(), re.M)
    ]
    if sorted(name for name, _ in pages) != sorted(measure.name for measure in MEASURES):
        raise ValueError(f"docs/measures explains {pages}; expected each of MEASURES once")
    place = dict(pages)
    rows = [
        f"| [`{measure.name}`]({place[measure.name]}#{measure.name}) | {_summary(measure)} "
        f"| {_range(measure)}; {BETTER[measure.better]} |"
        for measure in MEASURES
    ]
    head = ["| measure | what it is | range |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows])


def _summary(measure: Measure) -> str:
    function = measure.values
    doc = inspect.getdoc(function.func if isinstance(function, partial) else function) or ""
    return escaped(" ".join(doc.partition("\n\n")[0].split())).replace("|", r"\|")


def _range(measure: Measure) -> str:
    ends = (measure.lowest, measure.highest)
    lowest, highest = ("∞" if math.isinf(end) else f"{end:g}" for end in ends)
    return f"{lowest} to {highest}"


def _settings(measure: Measure) -> str:
    if len(measure.settings) == len(Setting):
        return "in all settings"
    return f"in the {' and '.join(sorted(measure.settings))} setting"
