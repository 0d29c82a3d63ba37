"""Results of our tasks whose scores MTEB checks once, not again after each subset.

After each subset MTEB makes the results of all subsets so far and writes the scores of each as JSON
to check them: of 1,260 subsets, that are 800,000 checks. `mteb_hybrid.plugin` puts this around the
method that does it.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from mteb.results import TaskResult

from mteb_hybrid.evaluation.told import ToldOnce

Scores = Mapping[str, Mapping[str, Any]]
"""Scores by split and subset."""


def made_once(make: Callable[..., TaskResult]) -> Callable[..., TaskResult]:
    """``TaskResult.from_task_results`` that makes what a task's last results had from these.

    Scores are told apart by identity: MTEB hands the very objects on that the task returned.
    """

    @wraps(make)
    def from_task_results(
        cls: type[TaskResult], task: Any, scores: Scores, *args: Any, **options: Any
    ) -> TaskResult:
        if not isinstance(task, ToldOnce):
            return make(task, scores, *args, **options)
        known = dict(task.rows_made)  # another thread may evaluate the task with another model
        new = {
            split: {x: own for x, own in some.items() if not _is_of(own, known.get((split, x)))}
            for split, some in scores.items()
        }
        result = make(task, new, *args, **options)
        for split, some in result.scores.items():
            for row in some:
                known[split, row["hf_subset"]] = new[split][row["hf_subset"]], row
        task.rows_made.update(known)
        whole = {
            split: [known[split, x][1] for x in some] for split, some in scores.items() if some
        }
        versions = {row["mteb_version"] for some in whole.values() for row in some}
        if versions != {result.mteb_version}:  # what MTEB makes of several is its own affair
            return make(task, scores, *args, **options)
        return result.model_copy(update={"scores": whole})

    return from_task_results


def _is_of(scores: Any, made: tuple[Any, Any] | None) -> bool:
    return made is not None and made[0] is scores
