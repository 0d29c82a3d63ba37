"""The figures of a study, as wide as a telephone's screen: every seed is in them."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatter, MaxNLocator

from mteb_hybrid.report.figures import shorten, styled
from mteb_hybrid.report.style import INK, MARKERS, MUTED, PAPER, SERIES
from mteb_hybrid.results.cells import COLUMNS, Column
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.answer import Answer, Verdict
from mteb_hybrid.studies.effect import Effect
from mteb_hybrid.studies.evidence import Evidence
from mteb_hybrid.studies.report_tables import cell
from mteb_hybrid.studies.report_words import collection_of, figures, title
from mteb_hybrid.studies.tested import Tested

WIDTH = 4.2
"""Inches: 403 CSS pixels."""

Values = dict[str, list[float]]

# A line that ended in a cap would reach beyond the interval.
BAR: dict[str, Any] = {"linewidth": 5, "alpha": 0.45, "solid_capstyle": "butt"}
BAND: dict[str, Any] = {"color": MUTED, "alpha": 0.15, "lw": 0}

COLOUR = {
    Verdict.CONFIRMED: SERIES[0],
    Verdict.CONTRADICTED: SERIES[1],
    Verdict.UNDECIDED: MUTED,
}


def values(evidence: Evidence, start: str, test: Tested, measure: str) -> Values:
    """A measure of every trial that counts on a test, by condition, in their order."""
    found: Values = {}
    for trial in evidence.trials:
        if trial.start == start and (one := cell(evidence, trial, test, measure)):
            found.setdefault(trial.condition, []).append(one.value)
    return found


def curves(evidence: Evidence, collection: str, start: str) -> dict[str, Figure]:
    """By key of the recipe that takes numbers: each measure along its values; none if none does."""
    tests = evidence.collections[collection]
    panels = {
        column: found
        for column in COLUMNS
        if column.setting in tests
        and (found := values(evidence, start, tests[column.setting], column.score))
    }
    return {
        key: _curve(evidence, key, panels)
        for key in _numeric(evidence)
        if any(name in found for name in _numeric(evidence)[key] for found in panels.values())
    }


def trade_off(evidence: Evidence, collection: str, start: str) -> Figure | None:
    """Map in the pool against rank distance; None if fewer than two conditions have both."""
    test = evidence.collections[collection].get(Setting.MULTILINGUAL)
    if test is None:
        return None
    both: dict[str, list[tuple[float, float]]] = {}
    for trial in evidence.trials:
        found = [cell(evidence, trial, test, measure) for measure in ("map", "rank_distance")]
        if trial.start == start and found[0] and found[1]:
            both.setdefault(trial.condition, []).append((found[0].value, found[1].value))
    return _scatter(both) if len(both) > 1 else None


@styled
def forest(answers: Sequence[Answer]) -> Figure:
    """The difference of every claim with both its intervals, and the published ones beside it.

    Args:
        answers: Those that have an effect, one at least.
    """
    by_measure: dict[str, list[tuple[Answer, Effect]]] = {}
    for answer in answers:
        if answer.effect:
            row = (answer, answer.effect)
            by_measure.setdefault(answer.claim.measure, []).append(row)
    rows = [len(found) for found in by_measure.values()]
    height = 0.34 * sum(rows) + 0.62 * len(rows) + 0.75
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(len(rows), squeeze=False, height_ratios=[n + 0.6 for n in rows])
    several = {name: len({part(a) for a in answers}) > 1 for name, part in _PARTS.items()}
    there = list(chain.from_iterable(by_measure.values()))
    for axes, (measure, found) in zip(panels[:, 0], by_measure.items(), strict=True):
        _claims(axes, found, several)
        axes.set_xlabel(f"difference in {title(measure)}")
    _key(figure, panels[0, 0], there)
    return figure


_PARTS = {"start": lambda answer: answer.start, "collection": collection_of}


def _numeric(evidence: Evidence) -> dict[str, dict[str, tuple[str, float]]]:
    """By key that takes numbers: the conditions, and the line and place that each has."""
    found: dict[str, dict[str, tuple[str, float]]] = {}
    for condition in evidence.study.conditions:
        for key, numbers in condition.vary.items():
            if all(isinstance(number, float | int) for number in numbers):
                places = zip(condition.names, numbers, strict=True)
                found.setdefault(key, {}).update(
                    {name: (condition.name, float(number)) for name, number in places}
                )
    return found


@styled
def _curve(evidence: Evidence, key: str, panels: Mapping[Column, Values]) -> Figure:
    places = _numeric(evidence)[key]
    others = [c for c in evidence.study.conditions if not set(c.names) & set(places)]
    names = [name for condition in others for name in condition.names]
    lines = list(dict.fromkeys(line for line, _ in places.values()))
    height = 1.45 * len(panels) + 0.19 * (len(names) + len(lines) + 1) + 0.4
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    stacked = figure.subplots(len(panels), squeeze=False, sharex=True)[:, 0]
    for axes, (column, found) in zip(stacked, panels.items(), strict=True):
        _same_range(
            axes, evidence, column, {name: places[name] for name in places if name in found}
        )
        for number, line in enumerate(lines):
            points = [(x, found.get(name)) for name, (of, x) in places.items() if of == line]
            _line(axes, points, line, number)
        for number, name in enumerate(names, len(lines)):
            if name in found:
                axes.axhline(
                    float(np.mean(found[name])),
                    color=SERIES[number % len(SERIES)],
                    linestyle=("--", ":", "-.")[number % 3],
                    label=shorten(name),
                )
        axes.set_ylabel(column.title)
        axes.grid(visible=True, axis="both")
    numbers = [x for _, x in places.values()]
    margin = 0.05 * (max(numbers) - min(numbers)) or 0.5
    stacked[-1].set_xlim(min(numbers) - margin, max(numbers) + margin)
    stacked[-1].xaxis.set_major_locator(MaxNLocator(6))
    stacked[-1].set_xlabel(key)
    handles = {
        label: handle
        for axes in stacked
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", labelspacing=0.35)
    return figure


def _line(
    axes: Axes, points: Sequence[tuple[float, list[float] | None]], label: str, number: int
) -> None:
    means = {x: np.mean(found) if found else np.nan for x, found in sorted(points)}
    there = [(x, found) for x, found in points if found]
    style: dict[str, Any] = {"color": SERIES[number % len(SERIES)]}
    axes.plot(*zip(*means.items(), strict=True), label=shorten(label), **style)
    if len(there) < len(points):
        known = {x: mean for x, mean in means.items() if not np.isnan(mean)}
        axes.plot(*zip(*known.items(), strict=True), ":", label="values between not run", **style)
    for x, found in there:
        marker = MARKERS[number % len(MARKERS)]
        axes.plot([x] * len(found), found, marker, markersize=4, alpha=0.7, **style)


def _same_range(
    axes: Axes, evidence: Evidence, column: Column, places: Mapping[str, tuple[str, float]]
) -> None:
    """Shade where claims say that nothing, or little, is lost, as far as there are results."""
    about = [
        claim
        for claim in evidence.study.claims
        if (claim.setting, claim.measure) == (column.setting, column.score)
        and claim.condition in places
    ]
    spans = [
        ([claim.condition, claim.than], "claimed: the same")
        for claim in about
        if claim.expect == "within" and claim.than in places
    ]
    not_lower = [claim.condition for claim in about if claim.expect == "not-lower"]
    spans += [(not_lower, "claimed: little is lost")] * bool(not_lower)
    for names, label in spans:
        numbers = [places[name][1] for name in names]
        if len(numbers) > 1:
            axes.axvspan(min(numbers), max(numbers), **BAND, label=label)


@styled
def _scatter(both: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.0 + 0.19 * len(both)), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, points) in enumerate(both.items()):
        colour = SERIES[number % len(SERIES)]
        marker = MARKERS[(number + number // len(SERIES)) % len(MARKERS)]
        axes.plot(*np.transpose(points), marker, color=colour, alpha=0.8, label=shorten(name))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("map in the pool (higher is better)")
    axes.set_ylabel("rank distance (lower is better)")
    if all(distance > 0 for points in both.values() for _, distance in points):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.grid(visible=True, axis="both")
    figure.legend(loc="outside upper left", labelspacing=0.35)
    return figure


def _claims(
    axes: Axes, found: Sequence[tuple[Answer, Effect]], several: Mapping[str, bool]
) -> None:
    labels = []
    for row, (answer, effect) in enumerate(found):
        colour = COLOUR[answer.verdict]
        if effect.over_questions:
            axes.plot(effect.over_questions, [row, row], color=colour, **BAR)
        if effect.over_seeds:
            style: dict[str, Any] = {"linewidth": 1.2, "solid_capstyle": "butt"}
            axes.plot(effect.over_seeds, [row, row], "|-", color=colour, **style)
        axes.plot(effect.difference, row, "o", color=colour, markersize=5)
        theirs = [figure.condition - figure.than for figure in figures(answer)]
        axes.plot(theirs, [row + 0.25] * len(theirs), "D", color=INK, markerfacecolor=PAPER, ms=4)
        parts = [part(answer) for name, part in _PARTS.items() if several[name]]
        labels.append(shorten(", ".join([str(answer.number), *parts]), 24))
    axes.axvline(0, color=INK, linewidth=0.8)
    left, right = axes.get_xlim()
    for row, (answer, _) in enumerate(found):
        if (margin := answer.claim.margin) is not None:
            # To the right, what is not lower has no end.
            end = margin if answer.claim.expect == "within" else right
            axes.fill_betweenx([row - 0.4, row + 0.4], -margin, end, **BAND)
            left = min(left, -1.1 * margin)
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_yticks(range(len(found)), labels)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(visible=True)


def _key(figure: Figure, axes: Axes, found: Sequence[tuple[Answer, Effect]]) -> None:
    """What marks and colours mean."""
    marks: list[Artist] = [
        *(axes.plot([], [], "o", color=INK, label="ours")),
        *(axes.plot([], [], color=INK, **BAR, label="95% over questions")),
        *(axes.plot([], [], "|-", color=INK, label="95% over seeds")),
        *(axes.plot([], [], "D", color=INK, markerfacecolor=PAPER, label="published")),
    ]
    if any(answer.claim.margin is not None for answer, _ in found):
        marks.append(Patch(**BAND, label="as claimed"))
    verdicts = {answer.verdict for answer, _ in found}
    marks += [Patch(color=COLOUR[one], label=str(one)) for one in COLOUR if one in verdicts]
    figure.legend(handles=marks, loc="outside upper left", ncols=2, labelspacing=0.35)
