"""The figures of a report, as matplotlib figures; `svg.inline` puts one into a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mteb_hybrid.report.style import HATCHES, INK, MARKERS, PAPER, SERIES, STYLE, WIDTH
from mteb_hybrid.results.evaluation import Floats
from mteb_hybrid.results.summary import CollectionSummary
from mteb_hybrid.retrieval.views import Setting

P = ParamSpec("P")


def styled(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the style of reports."""

    @wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return function(*args, **kwargs)

    return draw


@styled
def mean_ranks(collection: CollectionSummary) -> Figure:
    """Mean rank of the answers in each passage language, over all query languages."""
    found = _by_passage_language(collection, "mean_rank")
    languages, (figure, axes) = _rows(collection, 1, len(found))
    for index, (model, ranks) in enumerate(found.items()):
        colour = SERIES[index % len(SERIES)]
        axes.axvline(float(np.nanmean(ranks)), color=colour, linewidth=0.8, linestyle="--")
        marker = MARKERS[index % len(MARKERS)]
        # Side by side, so that equal ranks do not hide each other.
        places = np.arange(len(languages)) + 0.5 * ((index + 0.5) / len(found) - 0.5)
        axes.plot(ranks, places, marker, color=colour, markersize=6, label=in_legend(model))
    axes.set_xlabel("mean rank of the answers, 1 is the top\n(dashed: mean over languages)")
    axes.set_xlim(left=0)
    _legend(figure, len(found))
    return figure


@styled
def language_shares(collection: CollectionSummary) -> Figure:
    """Share of each language among the top 10, beside its share of the pool."""
    found = _by_passage_language(collection, "language_share_at_10")
    pool = next(iter(_by_passage_language(collection, "pool_share").values()), None)
    _, (figure, axes) = _rows(collection, len(found), len(found) + 1)
    for index, (model, shares) in enumerate(found.items()):
        _bars(axes, index, len(found), 100 * shares, model)
    if pool is not None:
        for place, share in enumerate(100 * pool):
            label = "share of the pool" if place == 0 else None
            ends = (place - 0.45, place + 0.45)
            axes.plot([share, share], ends, color=INK, linewidth=1.8, label=label)
    axes.set_xlabel("% of the top 10, over all query languages")
    _legend(figure, len(found) + 1)
    return figure


@styled
def pool_map(collection: CollectionSummary) -> Figure:
    """Map in the pool of all languages per query language, with 95% intervals if known."""
    found = [model for model in collection.models if not np.isnan(model.pool_map).all()]
    _, (figure, axes) = _rows(collection, len(found), len(found))
    for index, model in enumerate(found):
        limits, label = model.pool_map_intervals, model.marked(Setting.MULTILINGUAL)
        _bars(axes, index, len(found), model.pool_map, label, limits)
    axes.set_xlabel("map in the pool of all languages")
    axes.set_xlim(0, min(1.0, axes.get_xlim()[1] * 1.08))
    _legend(figure, len(found))
    return figure


def shorten(label: str, length: int = 44) -> str:
    """A label that fits into a figure: its middle is left out if it is too long, never a mark."""
    label, bracket, marks = label.partition(" [")
    # matplotlib leaves what begins with "_" out of legends.
    label = f" {label}" if label.startswith("_") else label
    half = (length - 1) // 2
    name = label if len(label) <= length else f"{label[:half]}…{label[-half:]}"
    return f"{name}{bracket}{marks}"


def in_legend(label: str) -> str:
    """The same for a legend: its marks stand on a line of their own."""
    return shorten(label, 40).replace(" [", "\n[", 1)


def _by_passage_language(collection: CollectionSummary, measure: str) -> dict[str, Floats]:
    found = {
        model.marked(Setting.MULTILINGUAL, means=True): model.by_passage_language[measure]
        for model in collection.models
    }
    return {label: values for label, values in found.items() if not np.isnan(values).all()}


def _rows(
    collection: CollectionSummary, bars: int, entries: int
) -> tuple[list[str], tuple[Figure, Axes]]:
    """A figure with one row per language, high enough for some bars in each and for the legend."""
    languages = list(collection.card.languages)
    height = len(languages) * max(0.24, 0.11 * bars + 0.1) + 0.7 + 0.3 * entries
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yticks(range(len(languages)), languages)
    axes.set_ylim(len(languages) - 0.5, -0.5)
    axes.grid(visible=True)
    axes.spines["left"].set_visible(False)
    return languages, (figure, axes)


def _bars(
    axes: Axes,
    index: int,
    models: int,
    values: Floats,
    label: str,
    limits: Floats | None = None,
) -> None:
    height = 0.78 / models
    places = np.arange(len(values)) - 0.39 + height * (index + 0.5)
    there = ~np.isnan(values)
    colour = SERIES[index % len(SERIES)]
    axes.barh(
        places[there],
        values[there],
        height=height * 0.9,
        color=colour,
        edgecolor=PAPER,
        linewidth=0,
        hatch=HATCHES[index % len(HATCHES)],
        label=in_legend(label),
    )
    known = there & ~np.isnan(limits).any(axis=1) if limits is not None else np.zeros_like(there)
    if limits is not None and known.any():
        # A value whose interval does not hold it would be a fault; it may not stop the figure.
        reach = np.abs(limits[known].T - values[known])
        style: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 1.1, "capsize": 2}
        axes.errorbar(values[known], places[known], xerr=reach, **style)


def _legend(figure: Figure, entries: int) -> None:
    if entries > 1:
        figure.legend(loc="outside upper left", ncols=1, handlelength=1.6, labelspacing=0.35)
