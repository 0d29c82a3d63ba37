"""The measures that matter first, beside an ideal model and chance, and the others by group."""

from typing import TypeAlias

from mteb_hybrid.report.glossary import GROUPS, words
from mteb_hybrid.report.landmarks import landmarks
from mteb_hybrid.report.published import published
from mteb_hybrid.report.tables import Table, number
from mteb_hybrid.results.cells import NONE, OTHER_DATA, Cell, cell_text
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting

Columns: TypeAlias = tuple[tuple[str, Setting, str], ...]

COMMON: Columns = (
    ("Mo. map", Setting.MONOLINGUAL, "map"),
    ("Cr. map", Setting.CROSSLINGUAL, "map"),
    ("Mul. map", Setting.MULTILINGUAL, "map"),
    ("pool loss", Setting.MULTILINGUAL, "pool_loss"),
)
PARALLEL = (*COMMON, ("rank distance", Setting.MULTILINGUAL, "rank_distance"))
JUDGED_IN_ONE = (
    *COMMON,
    ("lift at 10, less 1", Setting.MULTILINGUAL, "same_language_lift_at_10"),
    ("Mo. unjudged at 10", Setting.MONOLINGUAL, "unjudged_at_10"),
    ("Mul. unjudged at 10", Setting.MULTILINGUAL, "unjudged_at_10"),
)
"""Where queries are judged in their own language only, other measures say more."""
JUDGED_ACROSS = (
    *COMMON[:3],
    ("Mo. nDCG@20", Setting.MONOLINGUAL, "ndcg_at_20"),
    ("Cr. nDCG@20", Setting.CROSSLINGUAL, "ndcg_at_20"),
    ("Mul. nDCG@20", Setting.MULTILINGUAL, "ndcg_at_20"),
    ("lift at 10, less 1", Setting.MULTILINGUAL, "same_language_lift_at_10"),
    ("Mul. unjudged at 10", Setting.MULTILINGUAL, "unjudged_at_10"),
)
"""Where they are judged on passages of all languages, which are not parallel."""


def headline_columns(collection: CollectionSummary) -> tuple[tuple[str, Setting, str], ...]:
    """Title, setting and measure of the columns that come first in a collection's chapter.

    Those of settings that the collection has; what the pool costs also needs searches within a
    language.
    """
    has, source = collection.settings, collection.card.source
    columns: Columns = PARALLEL if source.parallel else JUDGED_IN_ONE
    if not source.same_queries:
        columns = JUDGED_ACROSS
    return tuple(
        (title, setting, name)
        for title, setting, name in columns
        if setting in has and (name != "pool_loss" or Setting.MONOLINGUAL in has)
    )


def headline(collection: CollectionSummary) -> Table:
    """The three settings and the bias, per model, beside an ideal, chance, and the literature."""
    columns = headline_columns(collection)
    cells = [
        [model.cells.get((setting, name)) for _, setting, name in columns]
        for model in collection.models
    ]
    rows = [
        (
            model.label,
            *(
                cell_text(cell, words()[name].digits)
                for cell, (*_, name) in zip(ours, columns, strict=True)
            ),
        )
        for model, ours in zip(collection.models, cells, strict=True)
    ]
    literature = []
    for p in published(collection.card):
        known = {
            (Setting.MONOLINGUAL, "map"): number(p.monolingual, p.digits),
            (Setting.CROSSLINGUAL, "map"): number(p.crosslingual, p.digits),
            (Setting.MULTILINGUAL, "map"): number(p.multilingual, p.digits),
            (Setting.MULTILINGUAL, "rank_distance"): number(p.rank_distance, 1),
        }
        values = (known.get((setting, name), NONE) for _, setting, name in columns)
        literature.append((f"{p.model} ({p.source})", *values))
    shown = [
        (title, name)
        for place, (title, _, name) in enumerate(columns)
        if any(ours[place] for ours in cells)
    ]
    marks = _marks([cell for ours in cells for cell in ours])
    return Table(
        key="headline",
        caption=f"{collection.title}: means over subsets.{marks}",
        head=("Model", *(title for title, _, _ in columns)),
        rows=tuple(rows),
        published=tuple(literature),
        landmarks=landmarks(collection, columns),
        measures=dict(shown),
    )


def _marks(cells: list[Cell | None]) -> str:
    """What the marks behind values mean; of those that occur."""
    there = [cell for cell in cells if cell]
    said = (
        ("(k/m): over k of m subsets only.", any(not cell.is_whole for cell in there)),
        ("[top k]: from rankings cut at k.", any(cell.truncated_at is not None for cell in there)),
        (
            "[x% of queries]: the others have no value.",
            any(cell.measured_on not in (None, 1) for cell in there),
        ),
        (
            f"{OTHER_DATA}: on another revision of the data than they have now.",
            any(cell.is_on_other_data for cell in there),
        ),
    )
    return "".join(f" {text}" for text, occurs in said if occurs)


def bias(collection: CollectionSummary) -> list[tuple[str, Table]]:
    """Every other measure of the multilingual setting, by what it asks: a table for each group.

    A row for each measure, a column for each model.

    Returns:
        What the group asks, and the table.
    """
    first = {name for _, _, name in headline_columns(collection)}
    found = []
    for key, (title, asks) in GROUPS.items():
        rows, cells = [], []
        names = {}
        for name, about in words().items():
            if about.group != key or about.by_language or name in first:
                continue
            texts = [_bias_text(model, name, about.digits) for model in collection.models]
            if any(text != NONE for text in texts):
                rows.append((about.title, about.better[0], *texts))
                names[about.title] = name
                cells += [m.cells.get((Setting.MULTILINGUAL, name)) for m in collection.models]
        if rows:
            table = Table(
                key=f"bias-{key}",
                caption=f"{collection.title}, {title.lower()}: means over query languages, in the "
                f"pool of all languages.{_marks(cells)}",
                head=("Measure", "Better", *(model.label for model in collection.models)),
                rows=tuple(rows),
                labels=2,
                measures=names,
            )
            found.append((f"{title}: {asks}", table))
    return found


def _bias_text(model: ModelSummary, name: str, digits: int) -> str:
    if name == "language_concordance_p":
        low, known = model.concordant
        return f"{low} of {known}" if known else NONE
    return cell_text(model.cells.get((Setting.MULTILINGUAL, name)), digits)
