"""What the folders of repaired models tell: where the bias sat, and how the strength was chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings, task_name
from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.repair.record import Record, Row
from mteb_hybrid.repair.where import Where, chance
from mteb_hybrid.report.figures import shorten, styled
from mteb_hybrid.report.picture import Picture
from mteb_hybrid.report.style import HATCHES, INK, MARKERS, PAPER, SERIES, WIDTH
from mteb_hybrid.report.tables import Table, number

MOST = 40
"""Directions in the figure; the table beside has them all."""


@dataclass(frozen=True)
class RepairChapter:
    """What a report has on one repair.

    Attributes:
        record: What its folder says.
        seat: Where the bias sits.
        pictures: The strength and the spectrum.
    """

    record: Record
    seat: Table
    pictures: list[Picture]

    @property
    def tables(self) -> list[tuple[str, Table]]:
        """All tables, with their names among files."""
        stem = self.pictures[0].file.rpartition("-")[0]
        return [(f"{stem}-seat", self.seat), *((p.file, p.numbers) for p in self.pictures)]


def repair_chapters(records: Sequence[Record]) -> list[RepairChapter]:
    """One chapter for each repair, in their order."""
    return [_chapter(record, f"repair-{place}") for place, record in enumerate(records, 1)]


def fitted_on(records: Sequence[Record], card: TaskCard) -> list[str]:
    """What to say of repairs that were fitted on texts of a collection, under its results."""
    tasks = {task_name(card, setting) for setting in card_settings(card)}
    return [
        f"{record.base_model}, repaired ({record.label}): fitted on texts of {record.texts}, which "
        "are searched here. Values of it here would say little of texts that it was not fitted on."
        for record in records
        if tasks & {*(record.tasks or ())}
    ]


def _chapter(record: Record, stem: str) -> RepairChapter:
    curve = Picture(
        file=f"{stem}-strength",
        caption="Held-out figures by how much is removed",
        figure=strength(record),
        numbers=_curve(record),
        about="On text that the repair was not fitted on. Within a language: the second half of a "
        "text is searched by its first half, which is harder than a question. Pool: a text's "
        "translations are searched among the texts of all languages. The dashed line is what was "
        "chosen.",
    )
    seat = Picture(
        file=f"{stem}-spectrum",
        caption="Variance between languages, by direction",
        figure=spectrum(record),
        numbers=_spectrum(record),
    )
    return RepairChapter(record, _seat(record), [curve, seat])


@styled
def strength(record: Record) -> Figure:
    """Map within a language and in the pool, and rank distance, by the number of directions."""
    rows = record.curve
    named = any(row.directions is None for row in rows)
    places = list(range(len(rows))) if named else [row.directions for row in rows]
    lines: list[tuple[str, str, list[float | None]]] = [
        ("map", "within a language", [row.monolingual for row in rows]),
        ("map", "pool of all languages", [row.pool for row in rows]),
        ("rank distance", "rank distance", [row.rank_distance for row in rows]),
    ]
    known = [line for line in lines if any(value is not None for value in line[2])]
    units = list(dict.fromkeys(unit for unit, _, _ in known))
    figure = Figure(figsize=(WIDTH, 1.2 + 1.7 * len(units)), layout="constrained")
    panels = figure.subplots(len(units), sharex=True, squeeze=False)[:, 0]
    for index, (unit, label, values) in enumerate(known):
        axes = panels[units.index(unit)]
        heights = np.array(values, np.float64)  # None becomes NaN, which is not drawn
        style: dict[str, Any] = {
            "color": SERIES[index],
            "marker": MARKERS[index],
            "markersize": 5,
            "linewidth": 1.4,
        }
        axes.plot(places, heights, label=label, **style)
        axes.set_ylabel(unit)
    for axes in panels:
        axes.set_ylim(0, 1.1 * axes.dataLim.ymax or 1)
        axes.grid(visible=True, axis="both")
        mark = axes.axvline(places[record.chosen], color=INK, linewidth=1, linestyle="--", zorder=1)
    mark.set_label(f"chosen: {shorten(visible(record.label), 36)}")
    if named:
        panels[-1].set_xticks(places, [shorten(visible(row.repair), 16) for row in rows])
    else:
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[-1].set_xlabel("directions removed")
    figure.legend(loc="outside upper left", labelspacing=0.35)
    return figure


@styled
def spectrum(record: Record) -> Figure:
    """How much of the variance lies in each direction between languages, before and after."""
    sides = {"before": record.where.before, "after": record.where.after}
    count = min(MOST, max(len(side.spectrum) for side in sides.values()))
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for index, (label, side) in enumerate(sides.items()):
        shares = np.array(_shares(side)[:MOST])
        places = np.arange(1, len(shares) + 1) + 0.4 * (index - 0.5)
        style: dict[str, Any] = {
            "color": SERIES[index],
            "hatch": HATCHES[index],
            "edgecolor": PAPER,
        }
        axes.bar(places, shares, width=0.4, linewidth=0, label=f"{label} the repair", **style)
    axes.set_xlim(0.3, count + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("direction between languages, the largest first")
    axes.set_ylabel("% of the variance")
    axes.grid(visible=True, axis="y")
    figure.legend(loc="outside upper left", labelspacing=0.35)
    return figure


def _shares(side: Where) -> list[float]:
    """Percent of the variance in each direction."""
    return [100 * side.between * share for share in side.spectrum]


def _seat(record: Record) -> Table:
    sides = record.where
    between, probe = chance(sides.texts.values())
    rows = (
        ("variance between languages", sides.before.between, sides.after.between, between),
        ("texts whose language a linear probe reads", sides.before.probe, sides.after.probe, probe),
    )
    return Table(
        key="seat",
        caption=f"Vectors of {sum(sides.texts.values())} held-out texts, of which none was fitted "
        "on. By chance: if the vectors did not depend on the language. The probe is a linear "
        "discriminant analysis, fitted on one half of these texts and read on the other.",
        head=("Held-out vectors", "Before", "After", "By chance"),
        rows=tuple((title, *(f"{share:.1%}" for share in shares)) for title, *shares in rows),
    )


def _curve(record: Record) -> Table:
    def row(found: Row, star: str = "") -> tuple[str, ...]:
        numbers = number(found.monolingual, 4), number(found.pool, 4)
        return (found.repair + star, found.merging, *numbers, number(found.rank_distance, 1))

    curve = [row(found, "*" * (at == record.chosen)) for at, found in enumerate(record.curve)]
    return Table(
        key="strength",
        caption="Held-out text: map of the second half of a text within its language, map of its "
        "translations in a pool of all languages, and how far apart these are ranked. * was "
        "chosen." + " The last rows merge the rankings of the languages." * bool(record.mergings),
        head=("Repair", "Merging", "within a language", "pool", "rank distance"),
        rows=(*curve, *map(row, record.mergings)),
        labels=2,
    )


def _spectrum(record: Record) -> Table:
    sides = [_shares(record.where.before), _shares(record.where.after)]
    return Table(
        key="spectrum",
        caption="Percent of the variance of held-out vectors that lies in each direction between "
        "languages.",
        head=("Direction", "Before", "After"),
        rows=tuple(
            (str(place), *(number(share, 2) for share in shares))
            for place, shares in enumerate(zip_longest(*sides), 1)
        ),
    )
