"""The tables of a report: rows of text, written as HTML, Markdown or LaTeX."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mteb_hybrid.files.safe_text import markdown
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.languages.traits import language_traits
from mteb_hybrid.report.glossary import words
from mteb_hybrid.results.cells import NONE, POOL_LOSS, short_revision
from mteb_hybrid.results.evaluation import NOT_KNOWN, Floats
from mteb_hybrid.results.summary import CollectionSummary, Summary
from mteb_hybrid.results.text_table import Format, write_table
from mteb_hybrid.retrieval.views import Setting

WHOLE, WHOLE_TITLE = 16, 9
"""Letters of a text, and of a column's title, from which on they may be broken (style.css)."""
LETTER, PADDING = 0.6, 1.4
"""Width of a bold letter in a table, and of what is beside a cell, in rem."""
NARROW, MEDIUM = 45.0, 69.0
"""Width of the text on screens of 48 and 72 rem, in rem."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        key: Its name among files.
        caption: What it shows.
        head: Column titles.
        rows: Cells; the first of each row is its title.
        labels: How many columns at the start are text.
        published: Rows of the literature, shown apart from the measured ones.
        landmarks: Rows of what an ideal model and chance get, likewise.
        measures: Names of the measures that it shows, by the cell that is to lead to what they are.
        is_matrix: Whether it stays a grid on a narrow screen, and scrolls there.
    """

    key: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    published: tuple[tuple[str, ...], ...] = ()
    landmarks: tuple[tuple[str, ...], ...] = ()
    measures: Mapping[str, str] = field(default_factory=dict)
    is_matrix: bool = False

    @property
    def cards(self) -> str:
        """On which screens its rows become cards, as a grid would not fit: a class of the page.

        From the widest of what is not broken in each column, of letters as wide as those of the
        widest common font: ``few`` below 48 rem, ``many`` below 72 rem, ``always``.
        """
        every = (*self.rows, *self.landmarks, *self.published)
        room = 0.0
        for place, title in enumerate(self.head):
            cells = [len(row[place]) for row in every]
            if place < self.labels:
                cells = [min(length, WHOLE) for length in cells]
            room += max([min(len(title), WHOLE_TITLE), *cells]) * LETTER + PADDING
        return "few" if room <= NARROW else "many" if room <= MEDIUM else "always"

    def text(self, format: Format) -> str:
        """The table in Markdown below its caption, or in LaTeX (booktabs)."""
        marked = [(f"[published] {title}", *rest) for title, *rest in self.published]
        rows = [*self.rows, *self.landmarks, *marked]
        table = write_table(self.head, rows, format, labels=self.labels)
        return (
            f"{markdown(self.caption)}\n\n{table}\n" if format is Format.MARKDOWN else f"{table}\n"
        )


def by_passage_language(collection: CollectionSummary, measure: str) -> Table:
    """A measure per passage language, a column per model; shares come with those of the pool."""
    columns = {
        model.marked(Setting.MULTILINGUAL, means=True): model.by_passage_language[measure]
        for model in collection.models
    }
    if measure == "language_share_at_10":
        pools = [model.by_passage_language["pool_share"] for model in collection.models]
        known = [pool for pool in pools if not np.isnan(pool).all()]
        columns |= {"share of the pool": known[0]} if known else {}
    about = words()[measure]
    names = {about.title: measure}
    if measure == "language_share_at_10":
        names["share of the pool"] = "pool_share"
    key = measure.replace("_", "-")
    return _per_language(
        collection, key, about.title, "Passages", columns, about.digits, measures=names
    )


def by_query_language(collection: CollectionSummary) -> Table:
    """Map in the pool and what the pool costs, per query language."""
    columns: dict[str, Floats] = {}
    limits: dict[str, Floats] = {}
    for model in collection.models:
        label = model.marked(Setting.MULTILINGUAL)
        columns[label] = model.pool_map
        limits[label] = model.pool_map_intervals
        columns[f"pool loss, {model.marked(Setting.MULTILINGUAL, POOL_LOSS)}"] = model.pool_loss
    known = any(not np.isnan(ends).all() for ends in limits.values())
    costs = any(not np.isnan(model.pool_loss).all() for model in collection.models)
    title = (
        "map in the pool of all languages"
        + " [95% interval]" * known
        + ", and what the pool costs" * costs
    )
    names = {"map": "map"} | ({"pool loss": POOL_LOSS} if costs else {})
    return _per_language(
        collection, "pool-map", title, "Queries", columns, 4, limits=limits, measures=names
    )


ONE = " (one language)"
"""Stands behind the only language of a kind."""


def by_kind_of_language(collection: CollectionSummary) -> Table | None:
    """Map in the pool per family, script and resource class of the query language.

    A model without a value for one of a kind's languages has none for the kind: a mean over other
    languages would not be comparable.
    """
    card = collection.card
    shown = [model for model in collection.models if not np.isnan(model.pool_map).all()]
    codes = [language.code for language in card.languages.values()]
    rows, alone = [], 0
    for title, kinds in (
        ("Family", [language_traits(code).family for code in codes]),
        ("Script", [code.partition("-")[2] for code in codes]),
        ("Resource class", [language_traits(code).resource_class for code in codes]),
    ):
        for kind in sorted(set(kinds)):
            own = [place for place, other in enumerate(kinds) if other == kind]
            members = ", ".join(np.array(list(card.languages))[own])
            members += ONE * (len(own) == 1)
            alone += len(own) == 1
            means = [number(float(model.pool_map[own].mean()), 4) for model in shown]
            rows.append((title, kind, members, *means))
    if not shown:
        return None
    return Table(
        key="kinds",
        caption=f"{collection.title}: map in the pool of all languages, means over the query "
        "languages of a family, a script, or a resource class (0 to 5, Joshi et al. 2020). Few "
        "languages share a kind, so read differences between kinds as hints."
        + f"{ONE}: it says as much of the language as of the kind."
        * bool(alone),
        head=(
            "By",
            "Kind",
            "Query languages",
            *(model.marked(Setting.MULTILINGUAL) for model in shown),
        ),
        rows=tuple(rows),
        labels=3,
        measures={"map": "map"},
    )


def _per_language(
    collection: CollectionSummary,
    key: str,
    title: str,
    first: str,
    columns: dict[str, Floats],
    digits: int,
    *,
    measures: Mapping[str, str],
    limits: dict[str, Floats] | None = None,
) -> Table:
    def text(name: str, place: int) -> str:
        low, high = limits[name][place] if limits and name in limits else (math.nan, math.nan)
        interval = "" if math.isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
        return number(float(columns[name][place]), digits) + interval

    shown = [name for name, values in columns.items() if not np.isnan(values).all()]
    return Table(
        key=key,
        caption=f"{collection.title}: {title}.",
        head=(first, *shown),
        rows=tuple(
            (language, *(text(name, place) for name in shown))
            for place, language in enumerate(collection.card.languages)
        ),
        measures=measures if shown else {},
    )


def environment(summary: Summary) -> Table:
    """What every result was made with."""
    rows = [
        (
            label,
            e.task,
            e.revision,
            ", ".join(e.mteb_versions),
            ", ".join(e.our_versions) or NOT_KNOWN,
            short_revision(e.dataset_revision),
            e.date or NONE,
            f"{len(e.scores)} of {len(e.expected)}",
        )
        for label, e in summary.evaluations
    ]
    head = (
        "Model",
        "Task",
        "Revision",
        "MTEB",
        "mteb-hybrid",
        "Data set revision",
        "Date (UTC)",
        "Subsets",
    )
    return Table("environment", "What the results were made with.", head, tuple(rows), len(head))


def commands(summary: Summary) -> dict[str, list[str]]:
    """The commands that made the results, and the models that each of them evaluated."""
    found: dict[str, dict[str, None]] = {}
    for label, e in summary.evaluations:
        for made in e.made:
            if made.command:
                found.setdefault(made.command, {})[label] = None
    return {command: list(models) for command, models in found.items()}


def languages(summary: Summary) -> Table:
    """Names of all languages that appear."""
    named = {
        short: (language_name(code), code)
        for collection in summary.collections
        for short, code in collection.codes.items()
    }
    rows = tuple((short, *named[short]) for short in sorted(named))
    return Table("languages", "The languages.", ("Short", "Language", "Code"), rows, 3)


def number(value: float | None, digits: int) -> str:
    """A value with some decimals; a dash where there is none."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"
