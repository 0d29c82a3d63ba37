"""Tables and picture of what `hybrid_effect.py` measured, as Markdown: means over seeds.

Intervals are 95% t intervals over three seeds or more: they show how far another seed may fall, not
how far other questions may. Of two seeds both values are shown.
"""

import argparse
import math
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from scipy import stats

from mteb_hybrid.report import load_results
from mteb_hybrid.retrieval.views import Setting

ORDER = (
    "untrained", "shuffle", "x-x", "x-y", "hybrid", "hybrid+projection", "hybrid-0.7",
    "hybrid-0.7+projection",
)  # fmt: skip
NAMES = {
    "shuffle": "plain shuffle",
    "x-x": "X-X: each batch in one language",
    "x-y": "X-Y: questions and passages differ",
    "hybrid": "hybrid: some X-X, some X-Y",
}
"""What a picture calls them."""
COLUMNS = (
    ("Mo. map", Setting.MONOLINGUAL, "map", 4),
    ("Cr. map", Setting.CROSSLINGUAL, "map", 4),
    ("Mul. map", Setting.MULTILINGUAL, "map", 4),
    ("rank distance", Setting.MULTILINGUAL, "rank_distance", 1),
)


def runs_by_method(results, collection):
    """Labels of the models of each method."""
    found: dict[str, list[str]] = {}
    for label in results.models(collection):
        method = re.sub(r"-seed\d+$", "", label.split("/")[-1])
        found.setdefault(method, []).append(label)
    return {method: found[method] for method in ORDER if method in found}


def text(values, digits):
    """Mean over seeds with the half width of its interval; of two seeds, both values."""
    values = np.asarray(values)
    mean = f"{values.mean():.{digits}f}"
    if len(values) < 2:
        return mean
    if len(values) == 2:
        return f"{values.min():.{digits}f} and {values.max():.{digits}f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return f"{mean} ± {half:.{digits}f}"


def part(results, collection, label, setting, measure, languages):
    """Mean over the subsets whose query language is one of some."""
    codes = list(results.collections[collection].languages)
    values = results.values(collection, label, setting, measure)
    if setting is Setting.CROSSLINGUAL:
        keep = [x in languages for x in codes for y in codes if x != y]
    else:
        keep = [x in languages for x in codes]
    return float(values[np.array(keep)].mean())


def table(results, collection, languages):
    """One row per method."""
    lines = [
        "| batches | seeds | " + " | ".join(title for title, *_ in COLUMNS) + " |",
        "| --- | ---: |" + " ---: |" * len(COLUMNS),
    ]
    for method, labels in runs_by_method(results, collection).items():
        cells = [
            text([part(results, collection, label, s, m, languages) for label in labels], digits)
            for _, s, m, digits in COLUMNS
        ]
        lines.append(f"| {method} | {len(labels)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def points_of(results, collection):
    """The pool's map and the rank distance of every seed, by method."""
    codes = list(results.collections[collection].languages)
    return {
        method: [
            [part(results, collection, label, Setting.MULTILINGUAL, m, codes) for label in labels]
            for m in ("map", "rank_distance")
        ]
        for method, labels in runs_by_method(results, collection).items()
    }


def picture(points, file):
    """Every seed as a point: the pool's map against the rank distance."""
    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "hybrid-effect"
    from matplotlib import pyplot as plt

    # As wide as a telephone, which then shows it at its size.
    figure, axes = plt.subplots(figsize=(4.4, 4.2), layout="constrained")
    markers = dict(zip(ORDER, "oXsD*P^v", strict=True))
    for method, values in points.items():
        axes.scatter(
            *values, label=NAMES.get(method, method), marker=markers[method], s=60, alpha=0.8
        )
    axes.set_xlabel("map in the pool of all languages (higher is better)")
    axes.set_ylabel("rank distance (lower is better)")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside upper left", frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--collection", default="XQuAD-R")
    parser.add_argument("--seen", nargs="+", required=True, help="languages that were trained on")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    results = load_results(options.results)
    codes = list(results.collections[options.collection].languages)
    seen = [code for code in codes if code in options.seen]
    unseen = [code for code in codes if code not in options.seen]
    for title, languages in (
        ("All languages", codes),
        (f"Queries in languages that were trained on ({', '.join(seen)})", seen),
        (f"Queries in languages that were not ({', '.join(unseen)})", unseen),
    ):
        if languages:
            print(f"\n{title}\n\n{table(results, options.collection, languages)}")
    if options.picture:
        picture(points_of(results, options.collection), options.picture)


if __name__ == "__main__":
    main()
