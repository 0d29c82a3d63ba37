"""Map within languages against map in the pool: what a repair, training or a merging trades."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mteb_hybrid.report.figures import shorten, styled
from mteb_hybrid.report.picture import Picture
from mteb_hybrid.report.style import INK, MARKERS, MUTED, SERIES, WIDTH
from mteb_hybrid.report.tables import Table
from mteb_hybrid.results.cells import NONE, Cell, cell_text
from mteb_hybrid.results.evaluation import Floats
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting

LEFT = 0.6
SIDE = WIDTH - LEFT - 0.15
"""Inches of the square that the points stand in."""

MERGED = re.compile(r"(?P<model>.+)-merged-[\w-]+(?P<options>( \(.*\))?)")
"""What `mteb_hybrid.evaluation.evaluate` calls a model whose rankings are merged."""


@dataclass(frozen=True)
class Point:
    """A model in the picture.

    Attributes:
        label: What to call it.
        within: Its map within languages.
        pool: Its map in the pool of all languages.
        rank_distance: In the pool; None if it has none.
        parent: Label of the model that it was made of, if that has a point too.
        shared: Whether `within` is its parent's: in a pool of one language there is nothing to
            merge.
    """

    label: str
    within: Cell
    pool: Cell
    rank_distance: Cell | None
    parent: str | None
    shared: bool

    @property
    def mark(self) -> str:
        """The marks of all values, each once."""
        cells = [cell for cell in (self.within, self.pool, self.rank_distance) if cell]
        marks = "".join(cell.mark for cell in cells)
        return "".join(dict.fromkeys(re.findall(r" \[.*?\]", marks)))

    def is_comparable(self, other: "Point") -> bool:
        """Whether none of the values is known to be on another revision of the data."""
        pairs = (self.within.data, other.within.data), (self.pool.data, other.pool.data)
        return all(one == another or "" in (one, another) for one, another in pairs)


def trade_off(collection: CollectionSummary) -> Picture | None:
    """The picture of a collection; None if fewer than two models have both settings whole."""
    found = points(collection)
    if len(found) < 2:
        return None
    low, span = _limits(_places(found))
    about = (
        "Further to the right is better within languages, further up is better in the pool of all "
        "languages. Both axes have the same scale."
        + (
            " An arrow leads from a model to what was made of it: repaired, trained, or with its "
            "rankings merged."
            if _arrows(found)
            else ""
        )
        + (
            " On the dashed line the pool costs nothing."
            if low[1] + span > low[0]
            and low[0] + span > low[1]
            and collection.card.source.same_queries
            else ""
        )
    )
    return Picture(
        file=f"{collection.card.file.stem}-trade-off",
        caption=f"{collection.title}: map within languages, and in the pool",
        figure=draw(found),
        numbers=_table(collection, found),
        about=about,
    )


def points(collection: CollectionSummary) -> list[Point]:
    """The models that have map in both settings, over all subsets."""
    found = []
    for model in collection.models:
        parent, merged = _parent(model, collection.models)
        shared = merged and Setting.MONOLINGUAL not in model.evaluations
        within = _whole(parent if parent and shared else model, Setting.MONOLINGUAL, "map")
        pool = _whole(model, Setting.MULTILINGUAL, "map")
        # A damaged value that is no map stands in the tables, but has no place here.
        if within and pool and all(0 <= cell.value <= 1 for cell in (within, pool)):
            distance = _whole(model, Setting.MULTILINGUAL, "rank_distance")
            label = parent.label if parent else None
            found.append(Point(model.label, within, pool, distance, label, shared))
    there = {point.label for point in found}
    return [p if p.parent in there else replace(p, parent=None) for p in found]


def _whole(model: ModelSummary, setting: Setting, measure: str) -> Cell | None:
    cell = model.cells.get((setting, measure))
    return cell if cell and cell.is_whole else None


def _parent(
    model: ModelSummary, models: Sequence[ModelSummary]
) -> tuple[ModelSummary | None, bool]:
    """What a model was made of, if that is known and among the models; whether it was merged."""
    if name := MERGED.fullmatch(model.model):
        title = name["model"] + name["options"]
        for other in models:
            if (other.model, other.revision) == (title, model.revision):
                return other, True
    named = [m for m in models if m.model == model.adapted_from and m is not model]
    return (named[0] if len(named) == 1 else None), False


@styled
def draw(found: Sequence[Point]) -> Figure:
    """One point a model, an arrow from each to what was made of it; both axes in one scale.

    An arrow across revisions of the data would show what these changed too: there is none.
    """
    # By hand: with a legend outside, matplotlib's layouts cut off labels of a square.
    below, legend = 0.5, 0.25 + 0.36 * len(found)
    height = below + SIDE + legend
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((LEFT / WIDTH, below / height, SIDE / WIDTH, SIDE / height))
    places = _places(found)
    low, span = _limits(places)
    axes.set_xlim(low[0], low[0] + span)
    axes.set_ylim(low[1], low[1] + span)
    axes.grid(visible=True, axis="both")
    axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.8, linestyle="--", zorder=1)
    arrows = _arrows(found)
    for start, end in arrows:
        style: dict[str, Any] = {"arrowstyle": "-|>", "color": MUTED, "shrinkA": 5, "shrinkB": 5}
        axes.annotate("", tuple(end), tuple(start), arrowprops=style, zorder=2)
    for number, point in enumerate(found):
        colour = SERIES[number % len(SERIES)]
        # With more models than colours, each colour comes again with another marker.
        marker = MARKERS[(number + number // len(SERIES)) % len(MARKERS)]
        label = f"{number + 1}  {shorten(point.label, 38)}"
        if point.rank_distance:
            label += f"\nrank distance {point.rank_distance.value:,.0f}"
        label += point.mark
        style = {"color": colour, "markersize": 7, "clip_on": False, "zorder": 3}
        axes.plot(*places[number], marker, label=label, **style)
    _number(axes, places, arrows, span)
    axes.set_xlabel("map within languages")
    axes.set_ylabel("map in the pool of all languages")
    figure.legend(loc="upper left", handlelength=1.2, labelspacing=0.35)
    return figure


def _places(found: Sequence[Point]) -> Floats:
    return np.array([(point.within.value, point.pool.value) for point in found])


def _arrows(found: Sequence[Point]) -> list[tuple[Floats, Floats]]:
    """From where to where, of what was made of another on the same data."""
    where = {point.label: place for point, place in zip(found, _places(found), strict=True)}
    by_label = {point.label: point for point in found}
    return [
        (where[point.parent], where[point.label])
        for point in found
        if point.parent is not None and point.is_comparable(by_label[point.parent])
    ]


def _limits(places: Floats) -> tuple[Floats, float]:
    """The lower corner and the side of a square that has all points, within 0 and 1."""
    least, most = places.min(0), places.max(0)
    span = min(max(1.25 * (most - least).max(), 0.1), 1)
    return np.clip((least + most - span) / 2, 0, 1 - span), span


def _number(
    axes: Axes, places: Floats, arrows: Sequence[tuple[Floats, Floats]], span: float
) -> None:
    """Write each point's number beside it, where it is farthest from all else."""
    reach = 0.055 * span
    angles = np.arange(8) * np.pi / 4 + np.pi / 4
    around = reach * np.column_stack([np.cos(angles), np.sin(angles)])
    taken = [*places, *(spot for ends in arrows for spot in np.linspace(*ends, 50))]
    for number, place in enumerate(places, 1):
        gaps = [np.linalg.norm(place + step - taken, axis=1).min() for step in around]
        best = place + around[int(np.argmax(gaps))]
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": INK}
        axes.text(float(best[0]), float(best[1]), str(number), **style)
        taken.append(best)


def _table(collection: CollectionSummary, found: Sequence[Point]) -> Table:
    shared = any(point.shared for point in found)
    apart = any(point.rank_distance for point in found)
    return Table(
        key="trade-off",
        caption=f"{collection.title}: models with both settings whole. Made from: what the results "
        "say that a model was adapted from, or whose rankings were merged."
        + (
            " *: of the model whose rankings were merged; within a language there is nothing to "
            "merge."
            if shared
            else ""
        ),
        head=("Model", "Made from", "Mo. map", "Mul. map", *["rank distance"] * apart),
        rows=tuple(
            (
                f"{number}  {point.label}",
                point.parent or NONE,
                point.within.text(4) + "*" * point.shared,
                point.pool.text(4),
                *[cell_text(point.rank_distance, 1)] * apart,
            )
            for number, point in enumerate(found, 1)
        ),
        labels=2,
    )
