"""Evaluate a model on chosen tasks and subsets, through MTEB."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.files.safe_text import message
from mteb_hybrid.repair.merging import Merging

if TYPE_CHECKING:
    from mteb.models import MTEBModels

    from mteb_hybrid.evaluation.task import CardTask


def evaluate(
    model: "MTEBModels",
    selected: dict[str, list[str]],
    output_folder: Path,
    batch_size: int = 32,
    overwrite_strategy: str = "only-missing",
    prediction_folder: Path | None = None,
    merging: Merging | None = None,
) -> Path:
    """Evaluate a model with MTEB, which saves as it goes and resumes where it stopped.

    What of each task is there already, and what is evaluated now, is said on stderr.

    Per-query values are kept beside the results, or below the folder that the environment variable
    ``MTEB_HYBRID_PER_QUERY`` names. A subset without them, or with damaged ones, is evaluated again
    by the strategy ``only-missing``; so is one without rankings in `prediction_folder`.

    Args:
        model: An MTEB model.
        selected: Task names to subset names.
        output_folder: Where MTEB keeps results; they lie in ``results/`` below it.
        batch_size: Texts per batch.
        overwrite_strategy: One of MTEB's: ``only-missing``, ``always``, ``never``, ….
        prediction_folder: Where to save the first 1,000 places of each ranking.
        merging: How to merge the rankings of a pool of several languages. The results are filed
            under a name of their own, ``MODEL-merged-MERGING``, never with the model's.

    Returns:
        The folder of this model's result files.
    """
    import datasets
    import mteb
    from mteb.cache import ResultCache
    from mteb.timing import TimingStack

    from mteb_hybrid.evaluation.kept import KeptResults
    from mteb_hybrid.evaluation.saving import mend

    # A bar for each encoding; not one for each of datasets' small steps.
    show_progress = sys.stderr.isatty()
    datasets.disable_progress_bars()
    logging.getLogger("mteb").setLevel(logging.WARNING)
    if merging is not None:
        apart: Any = copy(model)
        named = {"name": f"{model.mteb_model_meta.name}-merged-{merging.name}"}
        apart.mteb_model_meta = model.mteb_model_meta.model_copy(update=named)
        model = apart
    encode_kwargs: Any = {"batch_size": batch_size, "show_progress_bar": show_progress}
    tasks: list[Any] = [mteb.get_task(name, hf_subsets=s) for name, s in selected.items()]
    root = Path(os.environ.get(FOLDER_VARIABLE) or output_folder / "results")
    for task in tasks:
        task.merging = merging
        task.per_query_root = root
    cache = ResultCache(output_folder)
    if overwrite_strategy == "only-missing":
        cache = KeptResults(output_folder, tasks, prediction_folder)
    folder = Path(cache.get_task_result_path(tasks[0].metadata.name, model.mteb_model_meta)).parent
    for file in folder.rglob("*Retrieval.json"):
        if file.stem in tasks_by_name():
            mend(file)
    there: dict[str, set[str]] = {}
    if isinstance(cache, KeptResults):
        there = cache.there(model.mteb_model_meta)
        _say_what_is_there(sum(map(len, there.values())), selected, folder)
    for task in tasks:
        timer = TimingStack()
        done = there.get(task.metadata.name, set())
        task.left = [subset for subset in task.hf_subsets if subset not in done]
        if task.left and overwrite_strategy in ("only-missing", "always"):
            task.load_data(timer=timer)
            _say_what_is_left(task, len(task.left), folder)
        mteb.evaluate(
            model,
            task,
            cache=cache,
            encode_kwargs=encode_kwargs,
            overwrite_strategy=overwrite_strategy,
            prediction_folder=prediction_folder,
            timer=timer,
        )
        if task.data_loaded:
            task.unload_data()
    return folder


def _say_what_is_there(count: int, selected: Mapping[str, Sequence[str]], folder: Path) -> None:
    total = sum(map(len, selected.values()))
    if count == total:
        _say(f"{folder}: all {total} subsets are there already; nothing is evaluated again")
    elif count:
        _say(f"{folder}: {count} of {total} subsets are there already; going on")


def _say_what_is_left(task: "CardTask", left: int, folder: Path) -> None:
    queries, passages = task.count_texts()
    _say(
        f"{task.metadata.name}: evaluating {left} of {len(task.hf_subsets)} subsets "
        f"({queries:,} queries, {passages:,} passages); saved in {folder}"
    )


def _say(text: str) -> None:
    print(message(text), file=sys.stderr, flush=True)
