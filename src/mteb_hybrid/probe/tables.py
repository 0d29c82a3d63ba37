"""What was found, as tables in the terminal and as files."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mteb_hybrid.files.places import check_writable
from mteb_hybrid.files.whole import write_json, write_text
from mteb_hybrid.probe.corpus import ProbeError
from mteb_hybrid.probe.probe import NONE, Probed
from mteb_hybrid.probe.rankings import ALL, EXPOSED
from mteb_hybrid.probe.words import words
from mteb_hybrid.results.text_table import Format, write_csv, write_table

CHANCE = "by chance"

FEW = 8
"""Languages of passages up to which a table has all of them for every query language."""

MOST = 3
"""Of more: how many beside the query's own, those that are met most above their share."""

SHORTENED = (
    f"Of more than {FEW} languages of passages, the table has for each query language its own and "
    f"the {MOST} of the highest lift; --format csv has all."
)

Row = Mapping[str, Any]


def check_output(file: Path) -> None:
    """Find out whether the figures can be written, before any are made.

    Raises:
        ProbeError: If the file is neither called .json nor .csv.
        OSError: If its folder cannot be written to.
    """
    if file.suffix not in (".json", ".csv"):
        raise ProbeError(f"{file}: expected a file that is called .json or .csv; rename --output")
    check_writable(file.parent)


def write_figures(found: Probed, file: Path) -> None:
    """Write all figures in full precision, as `check_output` says."""
    if file.suffix == ".csv":
        write_text(file, as_csv(found) + "\n")
        return
    figures = [
        {name: _plain(value) for name, value in row.items()}
        for row in found.figures.iter_rows(named=True)
    ]
    rest = {"notes": list(found.notes), "words": words(found)}
    write_json(file, {"about": found.about, "figures": figures, **rest})


def as_csv(found: Probed) -> str:
    """All figures, one a row; nothing where there is no value."""
    return write_csv(
        found.figures.columns,
        ([_plain(value) for value in row] for row in found.figures.iter_rows()),
    )


def heading(found: Probed) -> str:
    """What was looked at, in a line."""
    said = []
    for what in ("passages", "queries"):
        counts = found.about[what]
        each = ", ".join(f"{language} {count}" for language, count in counts.items())
        said.append(f"{sum(counts.values())} {what} ({each})")
    if "model" in found.about:
        said[0] = f"{found.about['model']}: {said[0]}"
    return "; ".join(
        [*said, *(f"repaired: {x}" for x in found.figures["repair"].unique() if x != NONE)]
    )


def tables(found: Probed, format: Format, width: int | None = None) -> str:
    """The tables, one after the other; with a repair, its figures stand beside the others.

    Args:
        found: What to show.
        format: How; CSV is `as_csv`.
        width: Columns of the terminal.
    """
    k = found.about["k"]
    labels = list(dict.fromkeys(found.figures["repair"]))
    rows = {
        (row["repair"], row["measure"], row["query_language"], row["passage_language"]): row
        for row in found.figures.iter_rows(named=True)
    }

    def cells(measure: str, query: str | None, passage: str | None) -> list[str]:
        return [_cell(rows.get((label, measure, query, passage))) for label in labels]

    def chance(measure: str, query: str | None, passage: str | None) -> str:
        row = rows.get((NONE, measure, query, passage))
        return "–" if row is None or math.isnan(row["chance"]) else f"{row['chance']:.3f}"

    def titles(*names: str) -> list[str]:
        return [name if label == NONE else "repaired" for name in names for label in labels]

    def most(x: str) -> list[str]:
        lifts = {y: rows[NONE, each[1], x, y]["value"] for y in spoken}
        kept = {x, *sorted(spoken, key=lambda y: -np.nan_to_num(lifts[y]))[:MOST]}
        return [y for y in spoken if y in kept]

    asked, spoken = (list(found.about[what]) for what in ("queries", "passages"))
    own = (f"own_language_lift_at_{k}", f"awrf_at_{EXPOSED}", f"ranking_consistency_at_{k}")
    near, above = f"same_language_neighbours_at_{k}", f"neighbour_excess_at_{k}"
    read = "language_probe_accuracy"
    each = (f"language_share_at_{k}", f"language_lift_at_{k}")
    names = ("own language's lift", f"AWRF@{EXPOSED}", "agreement")
    by_query = [
        [x, *(cell for measure in own for cell in cells(measure, x, None))] for x in (ALL, *asked)
    ]
    by_query.append([CHANCE, *(chance(measure, ALL, None) for measure in own for _ in labels)])
    languages = [
        [x, y, chance(each[0], x, y), *(cell for name in each for cell in cells(name, x, y))]
        for x in (ALL, *asked)
        for y in (spoken if x == ALL or len(spoken) <= FEW else most(x))
    ]
    shown = [
        write_table(["queries in", *titles(*names)], by_query, format, width, labels=1),
        write_table(
            ["queries in", "passages in", "of corpus", *titles(f"of first {k}", "lift")],
            languages,
            format,
            width,
        ),
    ]
    if "model" in found.about:
        apart = [
            [
                x,
                *cells(near, None, x),
                chance(near, None, x),
                *cells(above, None, x),
                *cells(read, None, x),
                chance(read, None, x),
            ]
            for x in (ALL, *spoken)
        ]
        head = ["passages in", *titles("neighbours in it"), CHANCE, *titles("above")]
        head += [*titles("read by a probe"), CHANCE]
        shown.append(write_table(head, apart, format, width, labels=1))
    return "\n\n".join(shown)


def _cell(row: Row | None) -> str:
    """A value with its interval, and how many have it where not all have."""
    if row is None or math.isnan(row["value"]):
        return "–"
    text = f"{row['value']:.3f}"
    if not math.isnan(row["low"]):
        text += f" [{row['low']:.3f}, {row['high']:.3f}]"
    if row["measured"] < row["count"]:
        text += f" ({row['measured']}/{row['count']})"
    return text


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
