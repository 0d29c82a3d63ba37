"""Tables of docs/results/repair.md from what `repair.py` wrote, with intervals by question."""

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl

from mteb_hybrid.results.resample import bootstrap_interval

SETTINGS = ("monolingual", "crosslingual", "multilingual")
REST = ("rank_distance", "own_map", "other_map")
RESAMPLES = 2000


def interval(file: Path, other: Path) -> str:
    """95% interval of the gain of pool map over another row, by question."""
    pool = pl.col("setting") == "multilingual"
    pairs = [pl.read_parquet(path.with_suffix(".parquet")).filter(pool) for path in (file, other)]
    new, old = (table.with_columns(row=pl.int_range(pl.len())) for table in pairs)
    joined = new.join(old, on=["row", "group", "view"], suffix="_old")
    if len(joined) != len(new):
        raise ValueError(f"{file.name} and {other.name} hold other queries")
    gains = joined.with_columns(gain=pl.col("map").cast(pl.Float64) - pl.col("map_old"))
    sums = gains.pivot("view", index="group", values="gain", aggregate_function="sum")
    counts = gains.pivot("view", index="group", values="gain", aggregate_function="len")
    views = gains["view"].unique(maintain_order=True).to_list()
    shape = [
        part.select(views).fill_null(0).to_numpy().astype(np.float64) for part in (sums, counts)
    ]
    return "{:+.3f} to {:+.3f}".format(*bootstrap_interval(*shape, RESAMPLES, 0))


def main() -> None:
    """Print a table of each collection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="what repair.py was given as --output")
    options = parser.parse_args()
    found = {file: json.loads(file.read_text("utf-8")) for file in options.results.glob("*.json")}
    for collection in dict.fromkeys(row["collection"] for row in found.values()):
        mine = {file: row for file, row in found.items() if row["collection"] == collection}
        key = {(row["repair"], row["fit"], row["merging"]): file for file, row in mine.items()}
        plain = key["none", "", "none"]
        print(f"\n{collection}\n")
        rest = [name for name in REST if any(name in row for row in mine.values())]
        head = "| repair | fitted on | merging | Mo. | Cr. | Mul. | gain | of merging"
        print(f"{head} | {' | '.join(rest)} |")
        print("| --- | --- | --- | " + "---: | " * (5 + len(rest)))
        for (repair, fit, merging), file in sorted(key.items(), key=lambda item: str(item[0])):
            row = mine[file]
            unmerged = key.get((repair, fit, "none"), file)
            vectors = mine[unmerged]
            # A merging changes nothing in a pool of one language.
            values = [row.get(f"{s}_map", vectors.get(f"{s}_map")) for s in SETTINGS]
            cells = ["–" if value is None else f"{value:.4f}" for value in values]
            gains = ["" if x == file else interval(file, x) for x in (plain, unmerged)]
            cells += [*gains, *(f"{row[x]:.{0 if x == 'rank_distance' else 4}f}" for x in rest)]
            print(f"| {repair} | {fit} | {merging} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
