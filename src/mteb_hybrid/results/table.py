"""The table of one or more models: monolingual, cross-lingual, multilingual, and the bias."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.source import AnySource
from mteb_hybrid.cards.tasks import card_settings, task_views
from mteb_hybrid.results.cells import (
    COLUMNS,
    FURTHER,
    JUDGED_ACROSS,
    JUDGED_IN_ONE,
    OTHER_DATA,
    POOL_LOSS,
    Cell,
    Column,
    cell_text,
    short_revision,
)
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import ModelSummary, Summary, summarise
from mteb_hybrid.results.text_table import Format, write_csv, write_table

LEGEND_COLUMNS = (
    "Mo.: queries and passages in one language.",
    "Cr.: passages in another language.",
    "Mul.: one pool of all languages.",
    "Rank distance: how many ranks lie between the best and the worst placed translation of an "
    "answer in that pool (lower is better, and less biased). For n translations in a pool of N "
    "passages a perfect encoder has map 1 and a distance of n - 1; a random one a map near 0 in a "
    "large pool and, like one that scores all alike, (n - 1)(N + 1) / (n + 1).",
)
"""Of `COLUMNS`."""
LEGEND_JUDGED_IN_ONE = (
    "Where queries are judged in their own language only: pool loss is Mo. minus Mul.; lift less "
    "1, how much more of the top 10 than of the pool is in the query's language (0: as much, 1: "
    "twice as much); unjudged, how much of the top 10 nobody judged. A passage of another "
    "language counts as wrong even if it answers the question, so pool loss is an upper bound of "
    "what wrong ones cost."
)
LEGEND_JUDGED_ACROSS = (
    "Where passages are not parallel but judged across languages: lift less 1, how much more of "
    "the top 10 than of the pool is in the query's language; unjudged, how much of the top 10 "
    "nobody judged. A query without a relevant passage in a pool is left out of it, so that each "
    "pool has queries of its own."
)


@dataclass(frozen=True)
class Row:
    """One model on one collection.

    Attributes:
        collection: Title of the collection.
        model: Name of the model, and the options if it was an experiment.
        revision: Its revision.
        label: What to call it: the name, with the revision where there are several.
        cells: One for each of `COLUMNS`, None if not evaluated.
        further: One for each of `FURTHER`, None where collections of that kind have none.
        note: What limits results on the collection; empty if nothing.
        missing: How many subsets of the collection's settings have no value yet.
    """

    collection: str
    model: str
    revision: str
    label: str
    cells: tuple[Cell | None, ...]
    further: tuple[Cell | None, ...]
    note: str = ""
    missing: int = 0


def result_rows(paths: Iterable[Path]) -> list[Row]:
    """The rows of the results of our tasks below some folders.

    Args:
        paths: Result files, or folders to search for them.

    Returns:
        As `rows_of`.

    Raises:
        ResultError: As `load_results`.
    """
    return rows_of(summarise(load_results(paths), queries=False))


def rows_of(summary: Summary) -> list[Row]:
    """The rows of a summary, by collection, then name and revision of the model."""
    return [
        Row(
            collection=collection.title,
            model=model.model,
            revision=model.revision,
            label=model.label,
            cells=_cells(model, COLUMNS),
            further=tuple(
                model.cells.get((column.setting, column.score)) if column in columns else None
                for columns in [_further(collection.card.source)]
                for column in FURTHER
            ),
            note=" ".join(collection.card.source.limits),
            missing=_missing(collection.card, model),
        )
        for collection in summary.collections
        for model in sorted(collection.models, key=lambda m: (m.model, m.revision))
    ]


def _missing(card: TaskCard, model: ModelSummary) -> int:
    cells = ((setting, model.cells.get((setting, "map"))) for setting in card_settings(card))
    return sum(
        len(task_views(card, setting)) - (cell.subsets if cell else 0) for setting, cell in cells
    )


def _further(source: AnySource) -> tuple[Column, ...]:
    if source.parallel:
        return ()
    return JUDGED_ACROSS if source.judged_across else JUDGED_IN_ONE


def _cells(model: ModelSummary, columns: Iterable[Column]) -> tuple[Cell | None, ...]:
    return tuple(model.cells.get((column.setting, column.score)) for column in columns)


def render(rows: Sequence[Row], format: Format = Format.TEXT, width: int | None = None) -> str:
    """Write rows as a table.

    Args:
        rows: What `result_rows` found.
        format: ``text``, ``markdown``, ``latex`` (booktabs) or ``csv`` (full precision).
        width: Columns of the terminal, for text; as wide as needed if None.
    """
    if format is Format.CSV:
        return _csv(rows)
    columns = [*COLUMNS, *FURTHER]
    shown = [
        at for at in range(len(columns)) if at < len(COLUMNS) or any(_all(row)[at] for row in rows)
    ]
    head = ["Collection", "Model", *(columns[at].title for at in shown)]
    body = [
        [row.collection, row.label, *(cell_text(_all(row)[at], columns[at].digits) for at in shown)]
        for row in rows
    ]
    return write_table(head, body, format, width)


def legend(rows: Sequence[Row]) -> str:
    """What the columns and marks mean that `render` shows, and what limits the rows."""
    columns = [
        words for at, words in enumerate(LEGEND_COLUMNS) if any(row.cells[at] for row in rows)
    ]
    in_one = [LEGEND_JUDGED_IN_ONE] if _any(rows, POOL_LOSS) else []
    across = [LEGEND_JUDGED_ACROSS] if _any(rows, "ndcg_at_20") else []
    return " ".join([*columns, *_marks(rows), *in_one, *across, *limits(rows)])


def _marks(rows: Sequence[Row]) -> Iterator[str]:
    cells = [cell for row in rows for cell in _all(row) if cell]
    if not all(cell.is_whole for cell in cells):
        yield "(k/m): k of m subsets."
    if any(cell.truncated_at is not None for cell in cells):
        yield "[top k]: rankings cut at k."
    if any(cell.measured_on not in (None, 1) for cell in cells):
        yield "[x% of queries]: the others have no value."


def limits(rows: Sequence[Row]) -> list[str]:
    """What collections leave out, and which rows are on another revision of the data."""
    left_out = dict.fromkeys(f"{row.collection}: {row.note}" for row in rows if row.note)
    others = dict.fromkeys(
        f"{row.collection}, {row.label}: {short_revision(cell.data)}, now "
        f"{short_revision(cell.data_now)}."
        for row in rows
        for cell in _all(row)
        if cell and cell.is_on_other_data
    )
    marked = [f"{OTHER_DATA}: on another revision of the data than they have now."]
    return [*left_out, *(marked if others else []), *others]


def _all(row: Row) -> tuple[Cell | None, ...]:
    return (*row.cells, *row.further)


def _any(rows: Sequence[Row], score: str) -> bool:
    at = [column.score == score for column in FURTHER]
    return any(cell and yes for row in rows for cell, yes in zip(row.further, at, strict=True))


def _csv(rows: Sequence[Row]) -> str:
    head = ["collection", "model", "revision", "setting", "score", "value", "subsets", "of"]
    body = [
        (
            *(row.collection, row.model, row.revision, column.setting, column.score),
            *(cell.value, cell.subsets, cell.expected, cell.truncated_at),
            1.0 if cell.measured_on is None else cell.measured_on,
            *(cell.data, cell.data_now),
        )
        for row in rows
        for cell, column in zip(_all(row), (*COLUMNS, *FURTHER), strict=True)
        if cell
    ]
    return write_csv([*head, "top", "measured_on", "data_revision", "data_revision_now"], body)
