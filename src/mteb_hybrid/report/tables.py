"""The tables of a report: rows of text, written as HTML, Markdown or LaTeX."""

import math
from dataclasses import dataclass

import numpy as np

from mteb_hybrid.files.safe_text import markdown
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.languages.traits import language_traits
from mteb_hybrid.report.glossary import words
from mteb_hybrid.report.published import published
from mteb_hybrid.results.cells import NONE, OTHER_DATA, POOL_LOSS, cell_text, short_revision
from mteb_hybrid.results.evaluation import Floats
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary, Summary
from mteb_hybrid.results.text_table import Format, write_table
from mteb_hybrid.retrieval.views import Setting

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
JUDGED_ACROSS = (
    *COMMON[:3],
    ("Mo. nDCG@20", Setting.MONOLINGUAL, "ndcg_at_20"),
    ("Cr. nDCG@20", Setting.CROSSLINGUAL, "ndcg_at_20"),
    ("Mul. nDCG@20", Setting.MULTILINGUAL, "ndcg_at_20"),
    ("lift at 10", Setting.MULTILINGUAL, "same_language_lift_at_10"),
    ("Mul. unjudged at 10", Setting.MULTILINGUAL, "unjudged_at_10"),
)
"""Where they are judged on passages of all languages, which are not parallel."""


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
        return (
            f"{markdown(self.caption)}\n\n{table}\n" if format is Format.MARKDOWN else f"{table}\n"
        )


def headline_columns(collection: CollectionSummary) -> tuple[tuple[str, Setting, str], ...]:
    """Title, setting and measure of the columns that come first in a collection's chapter."""
    source = collection.card.source
    if source.parallel:
        return PARALLEL
    columns = JUDGED_ACROSS if source.judged_across else JUDGED_IN_ONE
    return tuple(column for column in columns if column[1] in collection.settings)


def headline(collection: CollectionSummary) -> Table:
    """The three settings and the bias, per model, beside the literature."""
    columns = headline_columns(collection)
    rows = [
        (
            model.label,
            *(
                cell_text(model.cells.get((setting, name)), words()[name].digits)
                for _, setting, name in columns
            ),
        )
        for model in collection.models
    ]
    literature = [
        (
            f"{p.model} ({p.source})",
            *(number(v, p.digits) for v in (p.monolingual, p.crosslingual, p.multilingual)),
            NONE,
            number(p.rank_distance, 1),
        )
        for p in published(collection.card)
    ]
    return Table(
        key="headline",
        caption=f"{collection.title}: means over subsets. (4/11): over 4 of 11 subsets only. "
        f"[top k]: from rankings cut at k. {OTHER_DATA}: on another revision of the data than they "
        "have now.",
        head=("Model", *(title for title, _, _ in columns)),
        rows=tuple(rows),
        published=tuple(literature),
    )


def bias(collection: CollectionSummary) -> Table | None:
    """Every other measure of the multilingual setting: a row each, a column per model."""
    shown = {name for _, _, name in headline_columns(collection)}
    rows = []
    for name, about in words().items():
        if about.by_language or name in shown:
            continue
        texts = [_bias_text(model, name, about.digits) for model in collection.models]
        if any(text != NONE for text in texts):
            rows.append((about.title, about.better[0], *texts))
    if not rows:
        return None
    return Table(
        key="bias",
        caption=f"{collection.title}: language bias in the pool of all languages; means over query "
        "languages.",
        head=("Measure", "Better", *(model.label for model in collection.models)),
        rows=tuple(rows),
        labels=2,
    )


def _bias_text(model: ModelSummary, name: str, digits: int) -> str:
    if name == "language_concordance_p":
        low, known = model.concordant
        return f"{low} of {known}" if known else NONE
    return cell_text(model.cells.get((Setting.MULTILINGUAL, name)), digits)


def transfer(collection: CollectionSummary, model: ModelSummary) -> Table:
    """The numbers of the transfer matrix."""
    return _matrix(
        collection,
        model,
        "transfer",
        Setting.CROSSLINGUAL,
        model.transfer,
        collection.query_languages,
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
    return Table(
        key=key,
        caption=f"{collection.title}, {model.marked(setting)}: rows are query languages, columns "
        "passage languages.",
        head=("Query", *collection.card.languages),
        rows=tuple(rows),
    )


def by_passage_language(collection: CollectionSummary, measure: str) -> Table:
    """A measure per passage language, a column per model; shares come with those of the pool."""
    columns = {
        model.marked(Setting.MULTILINGUAL): model.by_passage_language[measure]
        for model in collection.models
    }
    if measure == "language_share_at_10":
        pools = [model.by_passage_language["pool_share"] for model in collection.models]
        known = [pool for pool in pools if not np.isnan(pool).all()]
        columns |= {"share of the pool": known[0]} if known else {}
    return _per_language(
        *(collection, measure.replace("_", "-"), words()[measure].title),
        *("Passages", columns, words()[measure].digits),
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
    title = "map in the pool of all languages (95% interval), and what the pool costs"
    return _per_language(collection, "pool-map", title, "Queries", columns, 4, limits)


def by_kind_of_language(collection: CollectionSummary) -> Table | None:
    """Map in the pool per family, script and resource class of the query language.

    A model without a value for one of a kind's languages has none for the kind: a mean over other
    languages would not be comparable.
    """
    card = collection.card
    shown = [model for model in collection.models if not np.isnan(model.pool_map).all()]
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
            means = [number(float(model.pool_map[own].mean()), 4) for model in shown]
            rows.append((title, kind, members, *means))
    if not shown:
        return None
    return Table(
        key="kinds",
        caption=f"{collection.title}: map in the pool of all languages, means over the query "
        "languages of a family, a script, or a resource class (0 to 5, Joshi et al. 2020). Few "
        "languages share a kind, so read differences between kinds as hints.",
        head=(
            "By",
            "Kind",
            "Query languages",
            *(model.marked(Setting.MULTILINGUAL) for model in shown),
        ),
        rows=tuple(rows),
        labels=3,
    )


def _per_language(
    collection: CollectionSummary,
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
        caption=f"{collection.title}: {title}.",
        head=(first, *shown),
        rows=tuple(
            (language, *(text(name, place) for name in shown))
            for place, language in enumerate(collection.card.languages)
        ),
    )


def environment(summary: Summary) -> Table:
    """What every result was made with."""
    rows = [
        (
            label,
            e.task,
            e.revision,
            ", ".join(e.mteb_versions),
            short_revision(e.dataset_revision),
            e.date or NONE,
            f"{len(e.scores)} of {len(e.expected)}",
        )
        for label, e in summary.evaluations
    ]
    head = ("Model", "Task", "Revision", "MTEB", "Data set revision", "Date (UTC)", "Subsets")
    return Table("environment", "What the results were made with.", head, tuple(rows), len(head))


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
