"""The table of one or more models: monolingual, cross-lingual, multilingual, and the bias.

Reads MTEB's result files directly, so it needs neither mteb nor torch.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.results.mteb_files import ResultError, model_of, read_result, result_files
from mteb_hybrid.results.summary import Cell
from mteb_hybrid.results.text_table import Format, write_table
from mteb_hybrid.retrieval.views import Setting, View


@dataclass(frozen=True)
class Column:
    """One column: the mean of a score over the subsets of a setting's task.

    Attributes:
        title: Head of the column.
        setting: Which task's subsets.
        score: Name of the score in the result file.
        digits: Decimals shown.
    """

    title: str
    setting: Setting
    score: str
    digits: int


COLUMNS = (
    Column("Mo. map", Setting.MONOLINGUAL, "map", 4),
    Column("Cr. map", Setting.CROSSLINGUAL, "map", 4),
    Column("Mul. map", Setting.MULTILINGUAL, "map", 4),
    Column("rank distance", Setting.MULTILINGUAL, "rank_distance", 1),
)

POOL_LOSS = "pool_loss"
JUDGED_IN_ONE = (
    Column("pool loss", Setting.MULTILINGUAL, POOL_LOSS, 4),
    Column("lift at 10", Setting.MULTILINGUAL, "same_language_lift_at_10", 2),
    Column("unjudged at 10", Setting.MULTILINGUAL, "unjudged_at_10", 4),
)
"""Further columns of collections whose queries are judged in their own language only."""

LEGEND = (
    "Mo.: queries and passages in one language. Cr.: passages in another language. "
    "Mul.: one pool of all languages. Rank distance: how many ranks lie between the best and the "
    "worst placed translation of an answer in that pool (lower is better, and less biased)."
)
LEGEND_JUDGED_IN_ONE = (
    "Where queries are judged in their own language only: pool loss is Mo. minus Mul.; lift, how "
    "much more of the top 10 than of the pool is in the query's language (0: as much, 1: twice as "
    "much); unjudged, how much of the top 10 nobody judged. A passage of another language counts "
    "as wrong even if it answers the question, so pool loss is an upper bound of what wrong ones "
    "cost."
)


@dataclass(frozen=True)
class Row:
    """One model on one collection.

    Attributes:
        collection: Title of the collection.
        model: Name of the model.
        revision: Its revision.
        cells: One for each of `COLUMNS`, None if not evaluated.
        further: One for each of `JUDGED_IN_ONE` if the collection is of that kind.
    """

    collection: str
    model: str
    revision: str
    cells: tuple[Cell | None, ...]
    further: tuple[Cell | None, ...] = (None,) * len(JUDGED_IN_ONE)


def result_rows(paths: Iterable[Path]) -> list[Row]:
    """Collect the results of our tasks below some folders.

    Args:
        paths: Result files, or folders to search for them.

    Returns:
        Rows by collection (in the order of the cards, benchmarks first), then model.

    Raises:
        ResultError: If a path does not exist, a file is not a result file, or none is ours.
    """
    tasks = tasks_by_name()
    paths = list(paths)
    found: dict[tuple[str, str, str], dict[Setting, list[dict[str, Any]]]] = {}
    for file in result_files(paths):
        result = read_result(file)
        if result.get("task_name") not in tasks:
            continue
        card, setting = tasks[result["task_name"]]
        key = (card.title, *model_of(file))
        found.setdefault(key, {})[setting] = [
            row for rows in result["scores"].values() for row in rows
        ]
    if not found:
        raise ResultError(
            f"no results of our tasks below {', '.join(map(str, paths))}; expected MTEB result "
            "files such as results/MODEL/REVISION/XQuADRMultilingualRetrieval.json. Make them "
            "with `mteb run` or `mteb-hybrid run`."
        )
    by_title = {card.title: card for card, _ in tasks.values()}
    order = list(by_title)
    rows = []
    for key, settings in sorted(found.items(), key=lambda kv: (order.index(kv[0][0]), kv[0])):
        card = by_title[key[0]]
        row = Row(*key, tuple(_cell(card, settings, column) for column in COLUMNS))
        if not card.source.parallel:
            further = tuple(_cell(card, settings, column) for column in JUDGED_IN_ONE)
            row = replace(row, further=further)
        rows.append(row)
    return rows


def render(rows: Sequence[Row], format: Format = Format.TEXT, width: int | None = None) -> str:
    """Write rows as a table.

    Args:
        rows: What `result_rows` found.
        format: ``text``, ``markdown``, ``latex`` (booktabs) or ``csv`` (full precision).
        width: Columns of the terminal, for text; as wide as needed if None.
    """
    if format is Format.CSV:
        return _csv(rows)
    columns = COLUMNS + (JUDGED_IN_ONE if _any_further(rows) else ())
    head = ["Collection", "Model", *(column.title for column in columns)]
    body = [
        [row.collection, row.model]
        + [
            cell.text(column.digits) if cell else "–"
            for cell, column in zip((*row.cells, *row.further), columns, strict=False)
        ]
        for row in rows
    ]
    return write_table(head, body, format, width)


def legend(rows: Sequence[Row]) -> str:
    """What the columns mean that `render` shows."""
    return f"{LEGEND} {LEGEND_JUDGED_IN_ONE}" if _any_further(rows) else LEGEND


def _any_further(rows: Sequence[Row]) -> bool:
    return any(cell for row in rows for cell in row.further)


def _cell(
    card: TaskCard, settings: dict[Setting, list[dict[str, Any]]], column: Column
) -> Cell | None:
    rows = settings.get(column.setting, [])
    if column.score == POOL_LOSS:
        rows = _with_pool_loss(card, settings.get(Setting.MONOLINGUAL, []), rows)
    rows = [row for row in rows if column.score in row]
    if not rows:
        return None
    values = [float(row[column.score]) for row in rows]
    cuts = [int(row["truncated_at"]) for row in rows if "truncated_at" in row]
    expected = len(task_views(card, column.setting))
    return Cell(sum(values) / len(values), len(values), expected, max(cuts, default=None))


def _with_pool_loss(
    card: TaskCard, alone: list[dict[str, Any]], pooled: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of the pool, with what it costs where the query language is there alone too."""
    maps = {row["hf_subset"]: row["map"] for row in alone}
    partner = {
        name: View(view.query_language, (view.query_language,)).name
        for name, view in task_views(card, Setting.MULTILINGUAL).items()
    }
    return [
        {**row, POOL_LOSS: maps[own] - row["map"]}
        for row in pooled
        if (own := partner.get(row["hf_subset"])) in maps
    ]


def _csv(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["collection", "model", "revision", "setting", "score", "value", "subsets", "of", "top"]
    )
    for row in rows:
        cells = (*row.cells, *row.further)
        for cell, column in zip(cells, (*COLUMNS, *JUDGED_IN_ONE), strict=True):
            if cell:
                writer.writerow(
                    [
                        row.collection,
                        row.model,
                        row.revision,
                        column.setting,
                        column.score,
                        repr(cell.value),
                        cell.subsets,
                        cell.expected,
                        cell.truncated_at or "",
                    ]
                )
    return out.getvalue().rstrip("\n")
