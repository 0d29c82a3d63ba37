"""Registration with MTEB: the only place that names its private registries (mteb 2.26).

It also puts `mteb_hybrid.evaluation.saving` around the two methods of ``mteb.ResultCache`` that all
evaluations save and resume with, so that results of *our* tasks are written whole and merged with
what other processes have saved; and `mteb_hybrid.evaluation.made_once` around the one that makes
results of scores. Results of other tasks are made and written by MTEB as ever.
"""

import importlib
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from mteb_hybrid.files.safe_text import message

OURS = "of_mteb_hybrid"


class UnsupportedMtebError(RuntimeError):
    """An mteb whose registries are not where we know them."""


def register() -> None:
    """Make MTEB know our tasks and benchmarks, the models that ship, and those of this user.

    MTEB then also saves the results of our tasks, and only theirs, whole or not at all: see
    `mteb_hybrid.evaluation.saving`.

    Calling it again changes nothing.

    After this, ``mteb.get_task(s)``, ``mteb run``, ``mteb available-tasks``, result loading and
    ``TaskResult.task`` find the tasks. The startup hook calls it once ``mteb`` is imported; call
    it yourself where the hook did not run. A name that MTEB has itself is left to MTEB.

    Raises:
        UnsupportedMtebError: If this version of mteb has no such registries.
        CardError: If a card is bad.
    """
    import mteb

    from mteb_hybrid.evaluation.made_once import made_once
    from mteb_hybrid.evaluation.saving import loaded_whole, saved_whole
    from mteb_hybrid.evaluation.task import task_classes
    from mteb_hybrid.models import offline
    from mteb_hybrid.models.registry import registered
    from mteb_hybrid.repair import offline as repaired_offline

    module = importlib.import_module("mteb.get_tasks")  # mteb.get_tasks is also a function
    models = _registry(importlib.import_module("mteb.models.model_implementations"), mteb)
    tasks: dict[str, Any] = _attribute(module, "_TASKS_REGISTRY", dict, mteb)
    similar: dict[str, list[str]] = _attribute(module, "_SIMILAR_TASKS", dict, mteb)
    listed: tuple[Any, ...] = _attribute(module, "TASK_LIST", tuple, mteb)
    benchmarks = importlib.import_module("mteb.benchmarks.get_benchmark")
    build = _attribute(benchmarks, "_build_registry", Callable, mteb)
    cache = _attribute(importlib.import_module("mteb.cache"), "ResultCache", type, mteb)
    save = _attribute(cache, "save_to_cache", Callable, mteb)
    load = _attribute(cache, "load_task_result", Callable, mteb)
    result = _attribute(importlib.import_module("mteb.results"), "TaskResult", type, mteb)
    make = _attribute(result, "from_task_results", Callable, mteb)

    shipped = [offline.model_meta(), repaired_offline.model_meta()]
    new = [task for task in task_classes() if task.metadata.name not in tasks]
    for task in new:
        tasks[task.metadata.name] = task
        for parent in task.metadata.adapted_from or ():
            similar.setdefault(parent, []).append(task.metadata.name)
    module.TASK_LIST = (*listed, *new)  # type: ignore[attr-defined]
    for meta in shipped:
        models.setdefault(str(meta.name), meta)
    for name in registered():
        _add_model(models, name)
    if not getattr(benchmarks._build_registry, OURS, False):
        benchmarks._build_registry = _with_our_benchmarks(build)  # type: ignore[attr-defined]

    if not getattr(save, OURS, False):
        for name, ours in (
            ("save_to_cache", saved_whole(save)),
            ("load_task_result", loaded_whole(load)),
        ):
            setattr(ours, OURS, True)
            setattr(cache, name, ours)
        result.from_task_results = classmethod(made_once(make))


def _with_our_benchmarks(build: Any) -> Any:
    """MTEB's registry of benchmarks with ours, made when it is asked for: that takes seconds."""

    @cache
    def registry() -> dict[str, Any]:
        from mteb_hybrid.evaluation.benchmarks import our_benchmarks

        return {**our_benchmarks(), **build()}

    setattr(registry, OURS, True)
    return registry


def _add_model(models: dict[str, Any], name: str) -> None:
    """Add a model of this user; one whose entry cannot be read must not hide all the others."""
    from mteb_hybrid.models.contents import ModelError
    from mteb_hybrid.models.registry import read_entry

    try:
        models.setdefault(name, read_entry(name)[1])
    except ModelError as error:
        warnings.warn(f"mteb-hybrid: {message(str(error))}", stacklevel=2)


def _registry(module: Any, mteb: Any) -> dict[str, Any]:
    registry: dict[str, Any] = _attribute(module, "MODEL_REGISTRY", dict, mteb)
    return registry


def _attribute(module: Any, name: str, expected: Any, mteb: Any) -> Any:
    value = getattr(module, name, None)
    if not isinstance(value, expected):
        raise UnsupportedMtebError(
            f"mteb {mteb.__version__} has no {expected.__name__} {module.__name__}.{name}"
        )
    return value
