"""The curves of a run: loss, evaluation, and what batches consisted of, over the steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mteb_hybrid.files.whole import whole
from mteb_hybrid.report.style import COLOURS, PAPER, SERIES, STYLE

Log = Sequence[dict[str, Any]]

PAIRS = "hybrid/pairs/"
SETTINGS = ("monolingual", "crosslingual", "multilingual")


def draw_curves(log: Log, folder: Path, languages: Sequence[str]) -> None:
    """Draw the curves of a run as ``curves.svg`` and ``curves.png``.

    Args:
        log: The trainer's log.
        folder: Where the pictures go.
        languages: Those that were trained on.
    """
    ours: Any = {
        "axes.grid.axis": "both",
        "figure.facecolor": "white",
        "svg.hashsalt": "mteb-hybrid",
    }
    with mpl.rc_context({**STYLE, **ours}):
        figure = Figure(figsize=(9, 6), layout="constrained")
        (loss, evaluation), (kinds, shares) = figure.subplots(2, 2)
        _lines(loss, "training loss", {"loss": _series(log, "loss")})
        _draw_evaluation(evaluation, log)
        alphas = {
            "monolingual so far": _series(log, "hybrid/monolingual"),
            "alpha": _series(log, "hybrid/alpha"),
        }
        _lines(kinds, "share of batches", alphas)
        kinds.set_ylim(-0.02, 1.02)
        _draw_languages(shares, log, languages)
        for axes in (kinds, shares):
            axes.set_xlabel("step")
        # Without its date, the same run gives the same file.
        for format, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            with whole(folder / f"curves.{format}") as part:
                figure.savefig(part, format=format, dpi=150, metadata=metadata)


def _series(log: Log, key: str) -> list[tuple[float, float]]:
    return [(entry["step"], entry[key]) for entry in log if key in entry]


def _lines(axes: Axes, title: str, series: dict[str, list[tuple[float, float]]]) -> None:
    axes.set_title(title, loc="left")
    axes.grid(visible=True)
    for colour, (label, points) in zip(SERIES, series.items(), strict=False):
        if points:
            style: Any = {"marker": "o", "markersize": 2.5} if len(points) < 40 else {}
            axes.plot(*zip(*points, strict=True), color=colour, label=label, **style)
    if len(axes.lines) > 1:
        place: Any = {"loc": "lower right", "bbox_to_anchor": (1, 1)}
        axes.legend(
            **place, ncols=len(axes.lines), borderaxespad=0, handlelength=1.2, columnspacing=1
        )
    elif not axes.lines:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center")


def _draw_evaluation(axes: Axes, log: Log) -> None:
    found: dict[str, list[tuple[float, float]]] = {}
    for setting in SETTINGS:
        ends = f"_{setting}_map"
        keys = [key for entry in log for key in entry if key.endswith(ends)]
        found[setting] = _series(log, keys[0]) if keys else []
    _lines(axes, "map", found)


def _draw_languages(axes: Axes, log: Log, languages: Sequence[str]) -> None:
    """Share of each language among the examples so far, as stacked areas; a side counts half."""
    axes.set_title("examples so far, by language", loc="left")
    pairs = {f"{PAIRS}{x}-{y}": (x, y) for x in languages for y in languages}
    entries = [entry for entry in log if not pairs.keys().isdisjoint(entry)]
    if not entries:
        return
    counts = np.zeros((len(languages), len(entries)))
    places = {code: place for place, code in enumerate(languages)}
    for column, entry in enumerate(entries):
        for key in pairs.keys() & entry.keys():
            for code in pairs[key]:
                counts[places[code], column] += entry[key]
    shades = np.linspace(0.1, 0.95, len(languages))
    areas = axes.stackplot(
        [entry["step"] for entry in entries],
        counts / counts.sum(axis=0),
        colors=[COLOURS(shade) for shade in shades],
        edgecolor=PAPER,
    )
    axes.set_ylim(0, 1)
    axes.legend(areas[::-1], languages[::-1], loc="center left", bbox_to_anchor=(1, 0.5))
