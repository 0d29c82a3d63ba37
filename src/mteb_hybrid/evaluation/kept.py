"""Resuming a run that keeps values per query, or rankings: what lacks them is not there yet."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mteb.cache import ResultCache
from mteb.models import ModelMeta
from mteb.results import TaskResult

from mteb_hybrid.evaluation.predictions import ranked_subsets
from mteb_hybrid.evaluation.saving import retire
from mteb_hybrid.evaluation.task import CardTask
from mteb_hybrid.results.per_query import is_kept

LOG = logging.getLogger(__name__)


class KeptResults(ResultCache):
    """MTEB's results, less the subsets of which what is kept beside them is missing or damaged.

    MTEB then evaluates those again. In the file they stay until their new scores replace them.
    Results on another revision of the data are set aside, all of them.

    Args:
        cache_path: Where MTEB keeps results.
        tasks: The tasks that are run.
        prediction_folder: Where rankings are to be; None if they are not asked for.
    """

    def __init__(
        self, cache_path: Path, tasks: Iterable[CardTask], prediction_folder: Path | None = None
    ):
        super().__init__(cache_path)
        self._prediction_folder = prediction_folder
        self._tasks = {task.metadata.name: task for task in tasks}
        self._whole: dict[str, set[str]] = {}
        self._ranked: dict[str, set[str]] = {}

    def load_task_result(
        self, task_name: str, model_name: Any, *args: Any, **options: Any
    ) -> TaskResult | None:
        """As MTEB's."""
        result = super().load_task_result(task_name, model_name, *args, **options)
        task = self._tasks.get(task_name)
        folder = task.folder_of(model_name) if task else None
        if result is None or task is None or folder is None:
            return result
        if result.dataset_revision != task.metadata.revision:
            file = Path(self.get_task_result_path(task_name, model_name))
            retire(file, task.metadata.revision, folder)
            return super().load_task_result(task_name, model_name, *args, **options)
        there = _subsets(result) & set(task.hf_subsets)
        lost = self._lost(task, folder, there, result)
        unranked = self._unranked(task, model_name, there - lost)
        if lost:
            LOG.warning(
                "%s: values per query of %s are missing, damaged or of another evaluation in %s; "
                "evaluating these again",
                *(task_name, ", ".join(sorted(lost)), folder),
            )
        if unranked:
            LOG.warning(
                "%s: rankings of %s are missing in %s; evaluating these again",
                *(task_name, ", ".join(sorted(unranked)), self._prediction_folder),
            )
        lost |= unranked
        if not lost:
            return result
        scores = {
            split: [row for row in rows if row["hf_subset"] not in lost]
            for split, rows in result.scores.items()
        }
        return result.model_copy(update={"scores": scores})

    def there(self, model: ModelMeta) -> dict[str, set[str]]:
        """By task, the subsets that are there and will not be evaluated again."""
        found: dict[str, set[str]] = {}
        for name, task in self._tasks.items():
            result = super().load_task_result(name, model)
            there = set[str]()
            if result is not None and result.dataset_revision == task.metadata.revision:
                there = _subsets(result) & set(task.hf_subsets)
                if folder := task.folder_of(model):
                    there -= self._lost(task, folder, there, result)
                    there -= self._unranked(task, model, there)
            found[name] = there
        return found

    def _lost(self, task: CardTask, folder: Path, there: set[str], result: TaskResult) -> set[str]:
        """The subsets of which what is kept beside the results is missing, damaged or another's."""
        scores = {row["hf_subset"]: row for rows in result.scores.values() for row in rows}
        name, revision = task.metadata.name, task.metadata.revision
        asked = there - self._whole.setdefault(name, set())
        lost = {
            subset
            for subset in asked
            if not is_kept(
                *(folder, name, subset, task.keeps_rankings, revision), scores=scores[subset]
            )
        }
        self._whole[name] |= asked - lost
        return lost

    def _unranked(self, task: CardTask, model: ModelMeta, there: set[str]) -> set[str]:
        """The subsets without the rankings that are asked for."""
        if self._prediction_folder is None:
            return set()
        name = task.metadata.name
        if name not in self._ranked:  # the file may have hundreds of megabytes
            file = task._predictions_path(self._prediction_folder)
            self._ranked[name] = ranked_subsets(
                *(file, model, task.card.split, task.metadata.revision)
            )
        return there - self._ranked[name]


def _subsets(result: TaskResult) -> set[str]:
    return {row["hf_subset"] for rows in result.scores.values() for row in rows}
