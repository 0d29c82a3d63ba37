"""What a model card says of a model's results: its rows of the table, and the hub's metadata."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import EvalResult

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.results.cells import COLUMNS
from mteb_hybrid.results.mteb_files import (
    EvaluatedModel,
    ResultError,
    ResultFile,
    read_result_files,
)
from mteb_hybrid.results.results import results_of
from mteb_hybrid.results.summary import Summary, summarise
from mteb_hybrid.results.table import Row, rows_of

if TYPE_CHECKING:
    from mteb.models import ModelMeta

MTEB = "https://github.com/embeddings-benchmark/mteb"
TASK_TYPE = "text-retrieval"


@dataclass(frozen=True)
class Evaluation:
    """The results of one model.

    Attributes:
        rows: Its rows of the table, one per collection.
        summary: What they are rows of.
    """

    rows: list[Row]
    summary: Summary


def read_evaluation(paths: Iterable[Path], meta: "ModelMeta") -> Evaluation:
    """Find the results of a model among those of others.

    A folder that was evaluated before it was registered has them under ``local/…``; its revision
    tells that they are the same files.

    Args:
        paths: Result files, or folders to search for them.
        meta: The model.

    Raises:
        ResultError: If there are no results of our tasks at its revision, or a file is damaged.
    """
    found: dict[EvaluatedModel, list[ResultFile]] = {}
    for file in read_result_files(paths):
        found.setdefault(file.model, []).append(file)
    own = [
        model
        for model in found
        if model.revision == meta.revision
        and not model.experiment
        and (model.name == meta.name or model.name.startswith("local/"))
    ]
    if not own:
        others = ", ".join(f"{model.title} at {model.revision}" for model in found)
        raise ResultError(
            f"no results of {meta.name} at revision {meta.revision} below "
            f"{', '.join(map(str, paths))}; there are: {others}. Evaluate it with `mteb run` or "
            "`mteb-hybrid run`."
        )
    # The registered name first, then that of a folder.
    best = min(own, key=lambda model: model.name != meta.name)
    summary = summarise(results_of(found[best]))
    return Evaluation(rows_of(summary), summary)


def cards_by_title() -> dict[str, TaskCard]:
    """The cards of all collections that have tasks, benchmarks before samples."""
    return {card.title: card for card, _ in tasks_by_name().values()}


def eval_results(rows: Iterable[Row]) -> list[EvalResult]:
    """Results in the hub's terms: a mean over all subsets of a setting is one metric.

    Means over some subsets, or from cut rankings, are left out: the hub's format cannot say that
    they are.

    Args:
        rows: Rows of the table, of one model.
    """
    cards = cards_by_title()
    return [
        EvalResult(
            task_type=TASK_TYPE,
            task_name=f"{column.setting} retrieval".capitalize(),
            dataset_type=cards[row.collection].source.repository,
            dataset_name=row.collection,
            dataset_config=f"{cards[row.collection].name}-{column.setting}",
            dataset_split=cards[row.collection].split,
            dataset_revision=cell.data or None,
            metric_type=column.score,
            metric_name=column.title,
            metric_value=round(cell.value, 5),
            source_name="MTEB",
            source_url=MTEB,
        )
        for row in rows
        for column, cell in zip(COLUMNS, row.cells, strict=True)
        if cell and cell.is_whole and cell.truncated_at is None
        if math.isfinite(cell.value)
    ]


def is_ours(result: EvalResult) -> bool:
    """Whether `eval_results` makes such an entry."""
    configs = {
        (card.source.repository, f"{card.name}-{setting}")
        for card, setting in tasks_by_name().values()
    }
    return (result.dataset_type, result.dataset_config) in configs
