"""Evaluate a model on chosen tasks and subsets, through MTEB."""

import logging
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.per_query import FOLDER_VARIABLE
from mteb_hybrid.settings import Setting, collections, task_views, tasks_by_name
from mteb_hybrid.translated_queries import NO_SETTING, translations

if TYPE_CHECKING:
    from mteb.models import MTEBModels


class SelectionError(ValueError):
    """Tasks or languages that do not exist, or leave nothing to evaluate."""


def select_tasks(
    names: Sequence[str],
    settings: Collection[Setting] = (),
    query_languages: Collection[str] = (),
    passage_languages: Collection[str] = (),
) -> dict[str, list[str]]:
    """Choose tasks and their subsets.

    Args:
        names: Collections (``xquad-r``: all its settings) or MTEB task names of ours.
        settings: Settings to keep; all if empty.
        query_languages: Short codes of query languages to keep; all if empty.
        passage_languages: Short codes of passage languages to keep; all if empty. A pool of all
            languages is kept only if this is empty.

    Returns:
        Task names to subset names, in order.

    Raises:
        SelectionError: If a name or a language is unknown, or no subset is left.
    """
    tasks, cards = tasks_by_name(), collections()
    chosen: list[str] = []
    for name in names:
        if name in cards:
            own = [task for task, (card, _) in tasks.items() if card.file.stem == name]
            if not own:
                raise SelectionError(f"{cards[name].title}: {NO_SETTING}")
            chosen += own
        elif name in tasks:
            chosen.append(name)
        else:
            raise SelectionError(
                f"no collection or task {name!r}; collections: {', '.join(cards)}; tasks: "
                f"see `mteb-hybrid tasks list`. MTEB's other tasks run with `mteb run`."
            )
    selected: dict[str, list[str]] = {}
    for name in dict.fromkeys(chosen):
        card, setting = tasks[name]
        found = task_views(card, setting)
        translated = [entry.into for entry in translations(card)]
        languages = dict.fromkeys([*card.languages, *translated])
        for code in (*query_languages, *passage_languages):
            if code not in languages:
                raise SelectionError(
                    f"no language {code!r} in {card.title}; it has {', '.join(languages)}"
                )
        subsets = [
            subset
            for subset, view in found.items()
            if (not settings or setting in settings)
            and (not query_languages or view.query_language in query_languages)
            and (not passage_languages or set(view.passage_languages) <= set(passage_languages))
        ]
        if subsets:
            selected[name] = subsets
    if not selected:
        raise SelectionError("no subset is left; give fewer settings and languages, or other ones")
    return selected


def evaluate(
    model: "MTEBModels",
    selected: dict[str, list[str]],
    output_folder: Path,
    batch_size: int = 32,
    overwrite_strategy: str = "only-missing",
    prediction_folder: Path | None = None,
) -> Path:
    """Evaluate a model with MTEB, which saves after every subset and resumes where it stopped.

    Per-query values are kept beside the results, or below the folder that the environment variable
    ``MTEB_HYBRID_PER_QUERY`` names.

    Args:
        model: An MTEB model.
        selected: Task names to subset names.
        output_folder: Where MTEB keeps results; they lie in ``results/`` below it.
        batch_size: Texts per batch.
        overwrite_strategy: One of MTEB's: ``only-missing``, ``always``, ``never``, ….
        prediction_folder: Where to save rankings; then MTEB's own, slower path is taken.

    Returns:
        The folder of this model's result files.
    """
    import datasets
    import mteb
    from mteb.cache import ResultCache

    # One bar for the tasks and one for each encoding; not one for each of datasets' small steps.
    show_progress = sys.stderr.isatty()
    datasets.disable_progress_bars()
    logging.getLogger("mteb").setLevel(logging.WARNING)
    cache = ResultCache(output_folder)
    encode_kwargs: Any = {"batch_size": batch_size, "show_progress_bar": show_progress}
    tasks: list[Any] = [mteb.get_task(name, hf_subsets=s) for name, s in selected.items()]
    for task in tasks:
        task.per_query_root = Path(os.environ.get(FOLDER_VARIABLE) or output_folder / "results")
    mteb.evaluate(
        model,
        tasks,
        cache=cache,
        encode_kwargs=encode_kwargs,
        overwrite_strategy=overwrite_strategy,
        prediction_folder=prediction_folder,
        show_progress_bar=show_progress,
    )
    return Path(cache.get_task_result_path(next(iter(selected)), model.mteb_model_meta)).parent
