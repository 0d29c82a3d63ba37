"""Colours, hatches and markers of figures, alike in all of them."""

from typing import Any

from matplotlib.colors import LinearSegmentedColormap

# `svg.inline` maps these to variables of the page, which differ between light and dark.
INK, MUTED, GRID, PAPER = "#1c2733", "#5b6775", "#d5dbe2", "#fefefe"
SERIES = (
    *("#1763a6", "#b5470f", "#0f766f", "#7e2fb8"),
    *("#8a6a00", "#a61e5c", "#3f6212", "#57514d"),
)
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "oooo")
MARKERS = "osD^vP*X"
COLOURS = LinearSegmentedColormap.from_list("blues", ["#f1f5fa", "#9cc3e4", "#3579b8", "#0b2f5e"])
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,  # a model's name may hold dollar signs
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid.axis": "x",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "hatch.linewidth": 0.7,
}
WIDTH = 3.4
"""Inches of a figure: 326 CSS pixels, so that a telephone shows it whole, and its letters too."""
