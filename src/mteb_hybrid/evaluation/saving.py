"""Results of our tasks, saved whole: what MTEB's `ResultCache` reads and writes of them.

MTEB writes its files in place, so that a kill leaves an empty one that no later run can read, and
two runs lose each other's subsets. `mteb_hybrid.plugin` puts these functions around the two methods
through which all of MTEB's evaluations go; what is not of our tasks is passed on as it came.
"""

import importlib.metadata
import json
import logging
import shutil
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import mteb
from mteb.cache import ResultCache
from mteb.models import ModelMeta
from mteb.results import TaskResult

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import task_name, task_views
from mteb_hybrid.evaluation.salvage import (
    DamagedError,
    read_result,
    rows_that_can_be_read,
    run_settings,
)
from mteb_hybrid.evaluation.told import EVALUATED, named
from mteb_hybrid.evaluation.waiting import (
    adds_nothing,
    forget,
    is_saved,
    save_all_waiting,
    save_waiting,
    waits,
)
from mteb_hybrid.files.command_line import given_command
from mteb_hybrid.files.documents import parse_json
from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.scratch import clean_scratch, scratch
from mteb_hybrid.files.whole import named as naming
from mteb_hybrid.files.whole import whole, write_text
from mteb_hybrid.results.mteb_files import META
from mteb_hybrid.results.per_query import set_values_aside
from mteb_hybrid.results.run_settings import RUN_SETTINGS, with_what_made
from mteb_hybrid.retrieval.views import Setting

LOG = logging.getLogger(__name__)
SCRATCH = "mteb-hybrid-results"


def saved_whole(save: Callable[..., None]) -> Callable[..., None]:
    """``ResultCache.save_to_cache`` that writes each file whole, and loses no subset.

    MTEB writes as always, but elsewhere; then each file takes its place, the results last. What
    is on the disk and not among the results that are saved, since another process has evaluated it,
    is kept; of a subset that both have the later one is.

    Results with many subsets may wait for the next call. MTEB's last one, with `encode_kwargs`, is
    never put off; where it does not come, what waits is saved at exit, and before this method saves
    other results or the other one reads.
    """

    @wraps(save)
    def save_to_cache(
        self: ResultCache, task_result: TaskResult, model_name: Any, *args: Any, **options: Any
    ) -> None:
        if not _is_ours(task_result.task_name, model_name):
            save(self, task_result, model_name, *args, **options)
            return
        file = Path(self.get_task_result_path(task_result.task_name, model_name))
        save_waiting(file, but=task_result)
        later = partial(save_to_cache, self, task_result, model_name, *args, **options)
        if options.get("encode_kwargs") is None and waits(file, task_result, later):
            return
        with lock(file.parent), scratch(SCRATCH) as folder:
            start = time.monotonic()
            there = None if adds_nothing(file, task_result) else _mended(file)
            if there is not None and there.is_mergeable(task_result):
                task_result = _merged(there, task_result)
            elif there is not None:
                revision = task_result.dataset_revision
                set_aside_outdated(file, there, revision)
                for kept in _kept(file, model_name):
                    # There are those of what was just evaluated, too.
                    set_values_aside(kept, task_result.task_name, but=revision)
            aside = ResultCache(folder)
            made = Path(aside.get_task_result_path(task_result.task_name, model_name)).parent
            made.mkdir(parents=True)
            before = _settings(file.parent / RUN_SETTINGS)
            (made / RUN_SETTINGS).write_bytes(before)
            with naming(made / file.name):
                save(aside, task_result, model_name, *args, **options)
            _note_what_made(made / RUN_SETTINGS, before, task_result.task_name, model_name)
            for part in sorted(made.iterdir(), key=lambda part: part.name == file.name):
                with whole(file.parent / part.name) as target:
                    shutil.copyfile(part, target)
            is_saved(file, task_result, time.monotonic() - start)
            if options.get("encode_kwargs") is not None:  # the last save of a call
                EVALUATED[*named(model_name), task_result.task_name].clear()

    return save_to_cache


def loaded_whole(load: Callable[..., TaskResult | None]) -> Callable[..., TaskResult | None]:
    """``ResultCache.load_task_result`` that sets damaged files aside before MTEB reads them."""

    @wraps(load)
    def load_task_result(
        self: ResultCache, task_name: str, model_name: Any, *args: Any, **options: Any
    ) -> TaskResult | None:
        if not isinstance(model_name, ModelMeta):  # a name, which is not that of one file
            save_all_waiting()
        elif _is_ours(task_name, model_name):
            file = Path(self.get_task_result_path(task_name, model_name))
            save_waiting(file)
            for place in (file, file.parent):
                clean(place)  # where all is there, nothing is saved any more
            clean_scratch()
            mend(file)
            meta = file.with_name(META)
            if file.exists() and not _is_object(meta):
                write_text(meta, json.dumps(model_name.to_dict(), default=str, indent=4))
        return load(self, task_name, model_name, *args, **options)

    return load_task_result


def mend(file: Path) -> None:
    """Set a damaged result file aside, and put in its place what can be read of it."""
    try:
        if file.exists():
            read_result(file)
    except DamagedError:
        with lock(file.parent):
            _mended(file)


def set_aside(file: Path, fault: str, remedy: str, kind: str = "damaged") -> None:
    """Copy a file to ``NAME.KIND``, and say so; an earlier one is replaced.

    Args:
        file: The file.
        fault: What is wrong with it.
        remedy: What comes of that, as sentences.
        kind: In a word.
    """
    aside = file.with_name(f"{file.name}.{kind}")
    with whole(aside) as part:
        shutil.copyfile(file, part)
    LOG.warning("%s: %s (%s); set aside as %s. %s", file, kind, fault, aside.name, remedy)


def set_aside_outdated(file: Path, result: TaskResult, revision: str) -> None:
    """Copy results on another revision of the data to ``NAME.outdated``.

    Args:
        file: The file that has them.
        result: What it has.
        revision: The revision that the data have now.
    """
    fault = f"on revision {result.dataset_revision} of the data, which now have {revision}"
    set_aside(file, fault, "What is asked for is evaluated anew.", "outdated")


def retire(file: Path, revision: str, folder: Path) -> None:
    """Set results on another revision of the data aside, with the values per query beside them.

    Args:
        file: A result file.
        revision: The revision that the data have now.
        folder: Where values per query are kept.
    """
    with lock(file.parent):
        there = _mended(file)
        if there is None or there.dataset_revision == revision:  # another process was faster
            return
        set_aside_outdated(file, there, revision)
        set_values_aside(folder, there.task_name, but=None)
        file.unlink()
        forget(file)


def _kept(file: Path, model: ModelMeta) -> set[Path]:
    """Where values per query of a result file may be."""
    task: Any = mteb.get_task(file.stem)
    return {file.parent, task.folder_of(model) or file.parent}


def _is_ours(task: str, model: object) -> bool:
    # Views are made of the one that it is alone: this is asked before every subset is saved.
    return isinstance(model, ModelMeta) and any(
        task == task_name(card, setting) and task_views(card, setting)
        for card in task_cards().values()
        for setting in Setting
    )


def _mended(file: Path) -> TaskResult | None:
    """The results in a file, without what is damaged; None if there are none. Needs the lock."""
    if not file.exists():
        return None
    try:
        return read_result(file)
    except DamagedError as error:
        fault = str(error)
    kept = rows_that_can_be_read(file)
    count = sum(len(rows) for rows in kept.scores.values()) if kept else 0
    set_aside(
        file, fault, f"{count} subsets in it can be read and are kept; others are evaluated again."
    )
    if kept is None:
        file.unlink()
        return None
    with whole(file) as part:
        kept.to_disk(part)
    return kept


def _merged(there: TaskResult, new: TaskResult) -> TaskResult:
    """The subsets of both. MTEB has added up the times of what it has loaded itself."""
    own = ("evaluation_time", "kg_co2_emissions", "evaluation_phases")
    return there.merge(new).model_copy(update={name: getattr(new, name) for name in own})


def _settings(file: Path) -> bytes:
    """The lines of ``run_settings.jsonl`` that MTEB can read."""
    if not file.exists():
        return b""
    kept, dropped = run_settings(file.read_bytes())
    if dropped:
        set_aside(file, f"{dropped} lines that MTEB does not write", "The other lines are kept.")
    return kept


def _note_what_made(file: Path, before: bytes, task: str, model: ModelMeta) -> None:
    """Add to MTEB's settings what of a task this process has evaluated, and by which command."""
    new = EVALUATED[*named(model), task]
    version = importlib.metadata.version("mteb-hybrid")
    file.write_bytes(with_what_made(before, file.read_bytes(), task, new, version, given_command()))


def _is_object(file: Path) -> bool:
    try:
        return isinstance(parse_json(file.read_bytes()), dict)
    except (FileNotFoundError, ValueError):
        return False
