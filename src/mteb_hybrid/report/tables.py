"""The tables of a report: rows of text, written as HTML, Markdown or LaTeX."""

import math
from dataclasses import dataclass

import numpy as np

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings
from mteb_hybrid.cards.translations import provenance
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.languages.traits import language_traits
from mteb_hybrid.report.glossary import words
from mteb_hybrid.report.published import published
from mteb_hybrid.results.results import Floats, Results
from mteb_hybrid.results.summary import cell, macro_by_language, pool_loss, pool_map_intervals
from mteb_hybrid.results.text_table import Format, write_table
from mteb_hybrid.retrieval.views import Setting

NONE = "–"
COMMON = (
    ("Mo. map", Setting.MONOLINGUAL, "map"),
    ("Cr. map", Setting.CROSSLINGUAL, "map"),
    ("Mul. map", Setting.MULTILINGUAL, "map"),
    ("pool loss", Setting.MULTILINGUAL, "pool_loss"),
)
PARALLEL = (*COMMON, ("rank distance", Setting.MULTILINGUAL, "rank_distance"))
JUDGED_IN_ONE = (
    *COMMON,
    ("lift at 10", Setting.MULTILINGUAL, "same_language_lift_at_10"),
    ("Mo. unjudged at 10", Setting.MONOLINGUAL, "unjudged_at_10"),
    ("Mul. unjudged at 10", Setting.MULTILINGUAL, "unjudged_at_10"),
)
"""Where queries are judged in their own language only, other measures say more."""


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
    """

    key: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    published: tuple[tuple[str, ...], ...] = ()

    def text(self, format: Format) -> str:
        """The table in Markdown below its caption, or in LaTeX (booktabs)."""
        marked = [(f"[published] {title}", *rest) for title, *rest in self.published]
        table = write_table(self.head, [*self.rows, *marked], format, labels=self.labels)
        return f"{self.caption}\n\n{table}\n" if format is Format.MARKDOWN else f"{table}\n"


def headline_columns(card: TaskCard) -> tuple[tuple[str, Setting, str], ...]:
    """Title, setting and measure of the columns that come first in a collection's chapter."""
    if card.source.parallel:
        return PARALLEL
    settings = card_settings(card)
    return tuple(column for column in JUDGED_IN_ONE if column[1] in settings)


def headline(results: Results, collection: str) -> Table:
    """The three settings and the bias, per model, beside the literature."""
    columns = headline_columns(results.collections[collection])
    rows = []
    for model in results.models(collection):
        found = [cell(results, collection, model, setting, name) for _, setting, name in columns]
        texts = [
            value.text(words()[name].digits) if value else NONE
            for value, (_, _, name) in zip(found, columns, strict=True)
        ]
        rows.append((model, *texts))
    literature = [
        (
            f"{p.model} ({p.source})",
            *(number(v, p.digits) for v in (p.monolingual, p.crosslingual, p.multilingual)),
            NONE,
            number(p.rank_distance, 1),
        )
        for p in published(results.collections[collection])
    ]
    return Table(
        key="headline",
        caption=f"{collection}: means over subsets. (4/11): over 4 of 11 subsets only. [top k]: "
        "from rankings cut at k.",
        head=("Model", *(title for title, _, _ in columns)),
        rows=tuple(rows),
        published=tuple(literature),
    )


def bias(results: Results, collection: str) -> Table | None:
    """Every other measure of the multilingual setting: a row each, a column per model."""
    models = results.models(collection)
    shown = {name for _, _, name in headline_columns(results.collections[collection])}
    rows = []
    for name, about in words().items():
        if about.by_language or name in shown:
            continue
        texts = [_bias_text(results, collection, model, name, about.digits) for model in models]
        if any(text != NONE for text in texts):
            rows.append((about.title, about.better[0], *texts))
    if not rows:
        return None
    return Table(
        key="bias",
        caption=f"{collection}: language bias in the pool of all languages; means over query "
        "languages.",
        head=("Measure", "Better", *models),
        rows=tuple(rows),
        labels=2,
    )


def _bias_text(results: Results, collection: str, model: str, name: str, digits: int) -> str:
    if name == "language_concordance_p":
        values = results.values(collection, model, Setting.MULTILINGUAL, name)
        known = values[~np.isnan(values)]
        return f"{(known < 0.05).sum()} of {known.size}" if known.size else NONE
    value = cell(results, collection, model, Setting.MULTILINGUAL, name)
    return value.text(digits) if value else NONE


def matrix(results: Results, collection: str, model: str, prefix: str | None) -> Table:
    """The numbers of a heat map."""
    languages = tuple(results.collections[collection].languages)
    values = results.matrix(collection, model, prefix)
    rows = [
        (language, *(number(value, 4) for value in row))
        for language, row in zip(
            languages if prefix else results.query_languages(collection), values, strict=True
        )
    ]
    return Table(
        key="gold-language" if prefix else "transfer",
        caption=f"{collection}, {model}: rows are query languages, columns passage languages.",
        head=("Query", *languages),
        rows=tuple(rows),
    )


def by_passage_language(results: Results, collection: str, prefix: str) -> Table:
    """A measure per passage language, a column per model; shares come with those of the pool."""
    models = results.models(collection)
    columns = {model: macro_by_language(results, collection, model, prefix) for model in models}
    if prefix == "language_share_at_10":
        pools = [macro_by_language(results, collection, model, "pool_share") for model in models]
        known = [pool for pool in pools if not np.isnan(pool).all()]
        columns |= {"share of the pool": known[0]} if known else {}
    return _per_language(
        *(results, collection, prefix.replace("_", "-"), words()[prefix].title),
        *("Passages", columns, words()[prefix].digits),
    )


def by_query_language(results: Results, collection: str) -> Table:
    """Map in the pool and what the pool costs, per query language."""
    columns: dict[str, Floats] = {}
    limits: dict[str, Floats] = {}
    for model in results.models(collection):
        columns[model] = results.by_language(collection, model, Setting.MULTILINGUAL, "map")
        limits[model] = pool_map_intervals(results, collection, model)
        columns[f"pool loss, {model}"] = pool_loss(results, collection, model)
    title = "map in the pool of all languages (95% interval), and what the pool costs"
    return _per_language(results, collection, "pool-map", title, "Queries", columns, 4, limits)


def by_kind_of_language(results: Results, collection: str) -> Table | None:
    """Map in the pool per family, script and resource class of the query language.

    A model without a value for one of a kind's languages has none for the kind: a mean over other
    languages would not be comparable.
    """
    card, models = results.collections[collection], results.models(collection)
    values = {
        model: results.by_language(collection, model, Setting.MULTILINGUAL, "map")
        for model in models
    }
    shown = [model for model in models if not np.isnan(values[model]).all()]
    codes = [language.code for language in card.languages.values()]
    rows = []
    for title, kinds in (
        ("Family", [language_traits(code).family for code in codes]),
        ("Script", [code.partition("-")[2] for code in codes]),
        ("Resource class", [language_traits(code).resource_class for code in codes]),
    ):
        for kind in sorted(set(kinds)):
            own = [place for place, other in enumerate(kinds) if other == kind]
            members = ", ".join(np.array(list(card.languages))[own])
            means = [number(float(values[model][own].mean()), 4) for model in shown]
            rows.append((title, kind, members, *means))
    if not shown:
        return None
    return Table(
        key="kinds",
        caption=f"{collection}: map in the pool of all languages, means over the query languages "
        "of a family, a script, or a resource class (0 to 5, Joshi et al. 2020). Few languages "
        "share a kind, so read differences between kinds as hints.",
        head=("By", "Kind", "Query languages", *shown),
        rows=tuple(rows),
        labels=3,
    )


def _per_language(
    results: Results,
    collection: str,
    key: str,
    title: str,
    first: str,
    columns: dict[str, Floats],
    digits: int,
    limits: dict[str, Floats] | None = None,
) -> Table:
    def text(name: str, place: int) -> str:
        low, high = limits[name][place] if limits and name in limits else (math.nan, math.nan)
        interval = "" if math.isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
        return number(float(columns[name][place]), digits) + interval

    shown = [name for name, values in columns.items() if not np.isnan(values).all()]
    return Table(
        key=key,
        caption=f"{collection}: {title}.",
        head=(first, *shown),
        rows=tuple(
            (language, *(text(name, place) for name in shown))
            for place, language in enumerate(results.collections[collection].languages)
        ),
    )


def environment(results: Results) -> Table:
    """What every result was made with."""
    rows = [
        (
            results.labels[e.model, e.revision],
            e.task,
            e.revision,
            ", ".join(e.mteb_versions),
            e.dataset_revision[:12],
            e.date or NONE,
            f"{len(e.scores)} of {len(e.expected)}",
        )
        for e in results.evaluations
    ]
    head = ("Model", "Task", "Revision", "MTEB", "Data set revision", "Date (UTC)", "Subsets")
    return Table("environment", "What the results were made with.", head, tuple(rows), len(head))


def languages(results: Results) -> Table:
    """Names of all languages that appear."""
    named = {
        short: (language_name(code), code)
        for card in results.collections.values()
        for short, code in _codes(card).items()
    }
    rows = tuple((short, *named[short]) for short in sorted(named))
    return Table("languages", "The languages.", ("Short", "Language", "Code"), rows, 3)


def _codes(card: TaskCard) -> dict[str, str]:
    """Codes of a collection's languages, and of those that its queries were translated into."""
    translated = provenance(card)
    own = {short: language.code for short, language in card.languages.items()}
    return {**(translated.languages if translated else {}), **own}


def number(value: float | None, digits: int) -> str:
    """A value with some decimals; a dash where there is none."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"
