"""What results come to: a sentence, and a picture from a search in one language to one in all."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mteb_hybrid.report.figures import shorten, styled
from mteb_hybrid.report.picture import Picture
from mteb_hybrid.report.style import INK, MARKERS, SERIES, WIDTH
from mteb_hybrid.report.tables import Table, number
from mteb_hybrid.results.cells import NONE, SHORT, cell_text
from mteb_hybrid.results.intervals import map_interval
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting

POOLS = {
    Setting.MONOLINGUAL: "query's language",
    Setting.CROSSLINGUAL: "one other",
    Setting.MULTILINGUAL: "all at once",
}
IN_WORDS = {
    Setting.MONOLINGUAL: "within the query's language",
    Setting.CROSSLINGUAL: "in one other language",
    Setting.MULTILINGUAL: "in all languages at once",
}
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Message:
    """What a collection's results come to.

    Attributes:
        sentence: In words.
        picture: Map in each setting; None if no model has two settings whole.
    """

    sentence: str
    picture: Picture | None


def message(collection: CollectionSummary) -> Message:
    """What the results of a collection come to; from settings that are whole alone."""
    settings = [s for s in collection.settings if any(_value(m, s) for m in collection.models)]
    drawn = [m for m in collection.models if sum(bool(_value(m, s)) for s in settings) > 1]
    if not drawn:
        return Message(_sentence(collection), None)
    intervals = {(m.label, s): map_interval(m, s) for m in drawn for s in settings}
    left_out = [model.label for model in collection.models if model not in drawn]
    known = any(intervals.values())
    about = (
        "From left to right: passages in the query's language, in one other language, in a pool "
        "of all languages. "
        + (
            "The lower a line ends, the more the pool costs."
            if collection.card.source.same_queries
            else "Each pool has queries of its own: those with an answer in it."
        )
        + " Bars: 95% intervals over questions with all their translations." * known
        + f" Not drawn, as subsets are missing: {', '.join(left_out)}." * bool(left_out)
    )
    picture = Picture(
        file=f"{collection.card.file.stem}-message",
        caption=f"{collection.title}: map in the {'three ' * (len(settings) == 3)}settings",
        figure=draw(drawn, settings, intervals),
        numbers=_table(collection, drawn, settings, intervals),
        about=about,
    )
    return Message(_sentence(collection), picture)


def _value(model: ModelSummary, setting: Setting) -> float | None:
    cell = model.cells.get((setting, "map"))
    # A damaged value that is no map stands in the tables, but has no place here.
    return cell.value if cell and cell.is_whole and 0 <= cell.value <= 1 else None


@styled
def draw(
    models: Sequence[ModelSummary],
    settings: Sequence[Setting],
    intervals: dict[tuple[str, Setting], Interval],
) -> Figure:
    """One line a model, from setting to setting; heights begin at 0."""
    figure = Figure(figsize=(WIDTH, 2.7 + 0.36 * len(models)), layout="constrained")
    axes = figure.add_subplot()
    for index, model in enumerate(models):
        found = [_value(model, setting) for setting in settings]
        heights = np.array(found, np.float64)  # None becomes NaN, which is not drawn
        limits = np.array([intervals[model.label, s] or (np.nan, np.nan) for s in settings])
        # Side by side, so that equal values do not hide each other.
        places = np.arange(len(settings)) + 0.3 * ((index + 0.5) / len(models) - 0.5)
        marks = "".join(
            dict.fromkeys(c.mark for s in settings if (c := model.cells.get((s, "map"))))
        )
        numbers = " → ".join(number(value, 3) for value in found)
        style: dict[str, Any] = {
            "color": SERIES[index % len(SERIES)],
            "marker": MARKERS[(index + index // len(SERIES)) % len(MARKERS)],
            "clip_on": False,
        }
        label = f"{shorten(model.label, 38)}\n{numbers}{marks}"
        axes.plot(places, heights, label=label, markersize=6, linewidth=1.4, **style)
        known = ~np.isnan(limits).any(axis=1) & ~np.isnan(heights)
        if known.any():
            reach = np.abs(limits[known].T - heights[known])
            bars: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 1.1, "capsize": 3}
            axes.errorbar(places[known], heights[known], yerr=reach, zorder=3, **bars)
    axes.set_xticks(range(len(settings)), [f"{SHORT[s]}\n{POOLS[s]}" for s in settings])
    axes.set_xlim(-0.35, len(settings) - 0.65)
    axes.set_ylim(0, min(1, 1.08 * max(axes.dataLim.ymax, 0.05)))
    axes.set_ylabel("map (higher is better)")
    axes.grid(visible=True, axis="y")
    figure.legend(loc="outside upper left", handlelength=1.8, labelspacing=0.5)
    return figure


def _table(
    collection: CollectionSummary,
    models: Sequence[ModelSummary],
    settings: Sequence[Setting],
    intervals: dict[tuple[str, Setting], Interval],
) -> Table:
    def text(model: ModelSummary, setting: Setting) -> str:
        limits = intervals[model.label, setting]
        interval = f" [{limits[0]:.4f}, {limits[1]:.4f}]" if limits else ""
        cell = model.cells.get((setting, "map"))
        return cell_text(cell, 4) + interval if _value(model, setting) is not None else NONE

    return Table(
        key="message",
        caption=f"{collection.title}: map"
        + " [95% interval]" * any(intervals.values())
        + " in the settings that are whole.",
        head=("Model", *(f"{SHORT[setting]} map" for setting in settings)),
        rows=tuple((model.label, *(text(model, s) for s in settings)) for model in models),
        measures={f"{SHORT[setting]} map": "map" for setting in settings},
    )


def _sentence(collection: CollectionSummary) -> str:
    """What the results say, of the widest setting that any model has whole."""
    sample = collection.card.kind == "sample"
    on = "On the sample, which is no benchmark," if sample else f"On {collection.title},"
    for setting in reversed(collection.settings):
        models = [m for m in collection.models if _value(m, setting) is not None]
        # Values on another revision of the data are no higher or lower than those of today.
        today = [m for m in models if not m.cells[setting, "map"].is_on_other_data]
        on_data = Counter(m.cells[setting, "map"].data for m in models)
        most = max(on_data, key=on_data.__getitem__, default="")
        one = today or [m for m in models if m.cells[setting, "map"].data == most]
        found = sorted(((m.cells[setting, "map"].value, m) for m in one), key=lambda x: -x[0])
        if found:
            break
    else:
        return f"{on} no setting is complete; how many subsets a mean has stands behind it."
    (best, first), (least, last) = found[0], found[-1]
    reached = [
        f"{value:.3f}{model.cells[setting, 'map'].mark}{_against(collection, model, setting)}"
        for value, model in ((best, first), (least, last))
    ]
    said = f"{on} searching {IN_WORDS[setting]}, {first.label} reaches a map of {reached[0]}"
    dropped = len(found) < len(models)
    others = "; the others are on other data" * dropped
    if len(found) == 1:
        return f"{said}{others}."
    if len(found) == 2:
        return f"{said}; {last.label} reaches {reached[1]}{others}."
    those = (" on today's data" if today else " on one revision of the data") * dropped
    return (
        f"{said}, the highest of {len(found)} models{those}"
        + f"; the lowest, {last.label}, reaches {reached[1]}."
    )


def _against(collection: CollectionSummary, model: ModelSummary, setting: Setting) -> str:
    """How far a value lies from that within the query's language, of the same queries."""
    within, value = _value(model, Setting.MONOLINGUAL), _value(model, setting)
    if setting is Setting.MONOLINGUAL or within is None or value is None:
        return ""
    if not collection.card.source.same_queries:
        return ""
    if any(model.cells[one, "map"].is_on_other_data for one in (Setting.MONOLINGUAL, setting)):
        return ""
    gap, mark = within - value, model.cells[Setting.MONOLINGUAL, "map"].mark
    return (
        f", {abs(gap):.3f} {'below' if gap > 0 else 'above'} its {within:.3f}{mark} within one "
        "language"
    )
