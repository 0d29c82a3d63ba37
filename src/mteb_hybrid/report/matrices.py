"""Query language against passage language: heat maps, or two columns where all pairs share one."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.report.figures import styled
from mteb_hybrid.report.picture import Picture
from mteb_hybrid.report.style import COLOURS, MARKERS, MUTED, PAPER, SERIES, WIDTH
from mteb_hybrid.report.tables import Table, number
from mteb_hybrid.results.evaluation import Floats
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting

HOW_TO_READ = {
    "transfer": "Map of pairs: the darker a cell, the better queries in the language of its row "
    "find answers in the language of its column, one passage language at a time. Down the diagonal "
    "they are the same. A pale column: a language whose passages are hard to find. A pale row: one "
    "in which questions are hard to ask.",
    "gold-language": "Map in the pool: it holds all languages, but the answer only in that of the "
    "column. A model without bias has the same colour along a row. A dark diagonal: it leans on "
    "the query's own language. A pale column: a language that it neglects.",
}
"""By what a heat map shows, which is the key of its numbers."""

NUMBERED = 13
"""With more languages than these, a telephone shows no numbers in cells: the table has them."""


def pictures(
    collection: CollectionSummary, model: ModelSummary, stem: str, end: str
) -> list[Picture]:
    """What there is of a model: map of pairs of languages, and the heat map H.

    Args:
        collection: The collection.
        model: One of its models.
        stem: Beginning of the names among files.
        end: End of them.
    """
    found = []
    if Setting.CROSSLINGUAL in collection.settings and not np.isnan(model.transfer).all():
        # Without pairs of languages it would be a diagonal.
        about = _in_words(collection, model.transfer, collection.query_languages)
        picture = Picture(
            f"{stem}-transfer-{end}",
            f"{model.label}: map, query language against passage language",
            pairs(collection, model),
            transfer(collection, model),
            about,
        )
        found.append(picture)
    if not np.isnan(model.gold_language).all():
        about = _in_words(collection, model.gold_language, tuple(collection.card.languages))
        picture = Picture(
            f"{stem}-gold-language-{end}",
            f"{model.label}: map in the pool of all languages when one language has the only "
            "answer left",
            gold_language_matrix(collection, model),
            gold_language(collection, model),
            about,
        )
        found.append(picture)
    return found


def how_to_read(found: Iterable[Picture]) -> list[str]:
    """What heat maps among some pictures show, a paragraph for each kind."""
    there = {picture.numbers.key for picture in found if picture.numbers.is_matrix}
    return [words for key, words in HOW_TO_READ.items() if key in there]


def _in_words(collection: CollectionSummary, values: Floats, asked: tuple[str, ...]) -> str:
    """Which pairs are the best and the worst."""
    languages = list(collection.card.languages)

    def pair(place: int) -> str:
        row, column = np.unravel_index(place, values.shape)
        query, passage = (
            language_name(collection.codes[short]) for short in (asked[row], languages[column])
        )
        return f"{query} queries, {passage} answers ({values[row, column]:.2f})"

    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    if low == high:
        return ""
    return f"Lowest: {pair(low)}. Highest: {pair(high)}."


def hub_language(collection: CollectionSummary) -> str | None:
    """The language that every pair of a collection has, of three or more; None if there is none.

    There, as where all have English, a matrix would be empty but for a row and a column.
    """
    views = [
        view
        for model in collection.models
        for setting in (Setting.MONOLINGUAL, Setting.CROSSLINGUAL)
        if (found := model.evaluations.get(setting))
        for view in found.views.values()
    ]
    for language in collection.card.languages if len(collection.query_languages) > 2 else ():
        if views and all(language in (v.query_language, *v.passage_languages) for v in views):
            return language
    return None


def pairs(collection: CollectionSummary, model: ModelSummary) -> Figure:
    """Map of every query language and passage language, as a heat map if all languages meet."""
    hub = hub_language(collection)
    if hub is not None:
        return _to_and_from(collection, model, hub)
    return transfer_matrix(collection, model)


@styled
def transfer_matrix(collection: CollectionSummary, model: ModelSummary) -> Figure:
    """Heat map of the map of every query language and passage language."""
    unit = "map of each pair (darker is better)"
    return _heat_map(model.transfer, collection, unit, list(collection.query_languages))


@styled
def gold_language_matrix(collection: CollectionSummary, model: ModelSummary) -> Figure:
    """Heat map H: map in the pool of all languages, with the answer in one language left."""
    unit, asked = "map in the pool (darker is better)", list(collection.card.languages)
    return _heat_map(
        model.gold_language, collection, unit, asked, across="language of the only answer left"
    )


@styled
def _to_and_from(collection: CollectionSummary, model: ModelSummary, hub: str) -> Figure:
    others, directions = _directions(collection, model, hub)
    height = 0.22 * len(others) + 0.75 + 0.2 * len(directions)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(directions.items()):
        places = np.arange(len(others)) + 0.3 * (index - 0.5) * (len(directions) > 1)
        style: dict[str, Any] = {"color": SERIES[index], "markersize": 5, "clip_on": False}
        axes.plot(values, places, MARKERS[index], label=label, **style)
    axes.set_yticks(range(len(others)), others)
    axes.set_ylim(len(others) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.grid(visible=True)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("map")
    figure.legend(loc="outside upper left", handlelength=1.2, labelspacing=0.35)
    return figure


def _directions(
    collection: CollectionSummary, model: ModelSummary, hub: str
) -> tuple[list[str], dict[str, Floats]]:
    """The languages that have a value with the hub, and these values, by direction."""
    asked, passages = collection.query_languages, list(collection.card.languages)
    found = {
        (query, passage): model.transfer[row, column]
        for row, query in enumerate(asked)
        for column, passage in enumerate(passages)
    }
    nothing = float("nan")
    others = [short for short in asked if short != hub]
    both = {
        f"queries in the language, passages in {hub}": [
            found.get((short, hub), nothing) for short in others
        ],
        f"queries in {hub}, passages in the language": [
            found.get((hub, short), nothing) for short in others
        ],
    }
    values = {label: np.array(row) for label, row in both.items()}
    there = [not np.isnan(pair).all() for pair in zip(*values.values(), strict=True)]
    kept = [short for short, known in zip(others, there, strict=True) if known]
    return kept, {k: row[there] for k, row in values.items() if not np.isnan(row).all()}


def _heat_map(
    matrix: Floats,
    collection: CollectionSummary,
    unit: str,
    asked: list[str],
    across: str = "passage language",
) -> Figure:
    languages = list(collection.card.languages)
    numbered = len(languages) <= NUMBERED
    width = WIDTH if numbered else max(WIDTH, 0.6 + 0.22 * len(languages))
    height = 1.15 + (0.26 if numbered else 0.2) * len(asked)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    # Paths, not a picture: they stay sharp, and a page of them needs no image.
    shown = np.ma.masked_invalid(matrix)
    cells: dict[str, Any] = {"edgecolor": PAPER, "linewidth": 0.8, "clip_on": False}
    mesh = axes.pcolormesh(shown, cmap=COLOURS, vmin=0, vmax=1, **cells)
    axes.set_xticks(np.arange(len(languages)) + 0.5, languages)
    axes.set_yticks(np.arange(len(asked)) + 0.5, asked)
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(across)
    axes.set_ylabel("query language")
    for (row, column), value in np.ndenumerate(matrix) if numbered else ():
        missing = np.isnan(value)
        colour = MUTED if missing else _readable_on(COLOURS(value))
        text = "–" if missing else hundredths(float(value))
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}
        axes.text(column + 0.5, row + 0.5, text, color=colour, **style)
    levels = np.linspace(0, 1, 21)
    bar = figure.colorbar(
        mesh, ax=axes, location="bottom", aspect=40, pad=0.02, boundaries=levels,
        ticks=[0, 0.25, 0.5, 0.75, 1],
    )  # fmt: skip
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    bar.set_label(unit)
    return figure


def hundredths(value: float) -> str:
    """A value of 0 to 1 with two decimals and no leading zero, as in ``.43``."""
    return f"{value:.2f}".removeprefix("0")


def _readable_on(colour: tuple[float, ...]) -> str:
    """White or dark, whichever has the higher contrast (WCAG 2.2, relative luminance)."""
    channels = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    light = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    return "#ffffff" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else "#000000"


def transfer(collection: CollectionSummary, model: ModelSummary) -> Table:
    """The numbers of the pairs of languages."""
    hub = hub_language(collection)
    if hub is None:
        asked = collection.query_languages
        return _matrix(collection, model, "transfer", Setting.CROSSLINGUAL, model.transfer, asked)
    others, directions = _directions(collection, model, hub)
    columns = [[number(float(value), 4) for value in row] for row in directions.values()]
    return Table(
        key="transfer",
        caption=f"{collection.title}, {model.marked(Setting.CROSSLINGUAL)}: map of every language "
        f"with {language_name(collection.codes[hub])}; there are no other pairs.",
        head=("Language", *directions),
        rows=tuple(zip(others, *columns, strict=True)),
        measures={"map": "map"},
    )


def gold_language(collection: CollectionSummary, model: ModelSummary) -> Table:
    """The numbers of the heat map H."""
    asked = tuple(collection.card.languages)
    return _matrix(
        collection, model, "gold-language", Setting.MULTILINGUAL, model.gold_language, asked
    )


def _matrix(
    collection: CollectionSummary,
    model: ModelSummary,
    key: str,
    setting: Setting,
    values: Floats,
    asked: tuple[str, ...],
) -> Table:
    rows = [
        (language, *(number(value, 4) for value in row))
        for language, row in zip(asked, values, strict=True)
    ]
    name = "gold_language_map" if key == "gold-language" else "map"
    return Table(
        key=key,
        caption=f"{collection.title}, {model.marked(setting)}: rows are query languages, columns "
        + ("passage languages." if name == "map" else "the language of the only answer left."),
        head=("Query", *collection.card.languages),
        rows=tuple(rows),
        measures={name: name},
        is_matrix=True,
    )
