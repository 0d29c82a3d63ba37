"""Results of our tasks, saved whole: what MTEB's `ResultCache` reads and writes of them.

MTEB writes its files in place, so that a kill leaves an empty one that no later run can read, and
two runs lose each other's subsets. `mteb_hybrid.plugin` puts these functions around the two methods
through which all of MTEB's evaluations go; what is not of our tasks is passed on as it came.
"""

import atexit
import importlib.metadata
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from mteb_hybrid.evaluation.told import EVALUATED
from mteb_hybrid.files.command_line import given_command
from mteb_hybrid.files.documents import parse_json
from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.scratch import clean_scratch, scratch
from mteb_hybrid.files.whole import named, whole, write_text
from mteb_hybrid.results.mteb_files import META
from mteb_hybrid.results.per_query import set_values_aside
from mteb_hybrid.results.run_settings import RUN_SETTINGS, with_what_made
from mteb_hybrid.retrieval.views import Setting

LOG = logging.getLogger(__name__)
SCRATCH = "mteb-hybrid-results"

FEW = 50
"""Subsets up to which all of them are saved at once when another is there."""

SHARE = 0.1
"""How much of the time saving may take, where there are more."""


@dataclass(frozen=True)
class _Saved:
    """What this process has saved in a file last.

    Attributes:
        stamp: The file's.
        revision: The data's.
        subsets: Which are in it.
        again: From when on it may be saved again though subsets are still evaluated.
    """

    stamp: object
    revision: str
    subsets: set[tuple[str, str]]
    again: float


_SAVED: dict[Path, _Saved] = {}

_WAITING: dict[Path, Callable[[], None]] = {}
"""By file, what saves the results that came too soon."""


def saved_whole(save: Callable[..., None]) -> Callable[..., None]:
    """``ResultCache.save_to_cache`` that writes each file whole, and loses no subset.

    MTEB writes as always, but elsewhere; then each file takes its place, the results last. What
    is on the disk and not among the results that are saved, since another process has evaluated it,
    is kept; of a subset that both have the later one is.

    MTEB saves all subsets whenever one is evaluated: of a thousand, that takes longer than ranking.
    Where there are more than `FEW`, what comes too soon waits for the next call, so that saving
    takes hardly more than `SHARE` of the time. MTEB's last call, the one with `encode_kwargs`, is
    never put off; where it does not come, what waits is saved before it is read and at exit.
    """

    @wraps(save)
    def save_to_cache(
        self: ResultCache, task_result: TaskResult, model_name: Any, *args: Any, **options: Any
    ) -> None:
        if not _is_ours(task_result.task_name, model_name):
            save(self, task_result, model_name, *args, **options)
            return
        file = Path(self.get_task_result_path(task_result.task_name, model_name))
        start = time.monotonic()
        if options.get("encode_kwargs") is None and _too_soon(file, task_result, start):
            _WAITING[file] = partial(save_to_cache, self, task_result, model_name, *args, **options)
            return
        _WAITING.pop(file, None)
        with lock(file.parent), scratch(SCRATCH) as folder:
            there = None if _adds_nothing(file, task_result) else _mended(file)
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
            with named(made / file.name):
                save(aside, task_result, model_name, *args, **options)
            _note_what_made(made / RUN_SETTINGS, before, task_result.task_name, model_name)
            for part in sorted(made.iterdir(), key=lambda part: part.name == file.name):
                with whole(file.parent / part.name) as target:
                    shutil.copyfile(part, target)
            now = time.monotonic()
            again = now + (now - start) * (1 - SHARE) / SHARE
            subsets = _subsets(task_result)
            _SAVED[file] = _Saved(_stamp(file), task_result.dataset_revision, subsets, again)

    return save_to_cache


def loaded_whole(load: Callable[..., TaskResult | None]) -> Callable[..., TaskResult | None]:
    """``ResultCache.load_task_result`` that sets damaged files aside before MTEB reads them."""

    @wraps(load)
    def load_task_result(
        self: ResultCache, task_name: str, model_name: Any, *args: Any, **options: Any
    ) -> TaskResult | None:
        if _is_ours(task_name, model_name):
            file = Path(self.get_task_result_path(task_name, model_name))
            _save_waiting(file)
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


def _adds_nothing(file: Path, result: TaskResult) -> bool:
    """Whether a file is as this process has left it, and all of its subsets are in a result.

    A task of a thousand subsets is saved a thousand times; reading it each time costs more than
    writing it.
    """
    saved = _SAVED.get(file)
    return (
        saved is not None
        and saved.stamp is not None
        and saved.stamp == _stamp(file)
        and saved.revision == result.dataset_revision
        and saved.subsets <= _subsets(result)
    )


def _too_soon(file: Path, result: TaskResult, now: float) -> bool:
    """Whether a save can wait for the next."""
    saved = _SAVED.get(file)
    return (
        saved is not None
        and now < saved.again
        and sum(map(len, result.scores.values())) > FEW
        and _adds_nothing(file, result)
    )


def _save_waiting(file: Path) -> None:
    save = _WAITING.pop(file, None)
    if save is not None and file.exists():
        _SAVED.pop(file, None)  # else it were too soon again
        save()


@atexit.register
def _save_all_waiting() -> None:
    for file in list(_WAITING):
        _save_waiting(file)


def _stamp(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _subsets(result: TaskResult) -> set[tuple[str, str]]:
    return {(split, row["hf_subset"]) for split, rows in result.scores.items() for row in rows}


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
    new = EVALUATED[str(model.name), str(model.revision), task]
    version = importlib.metadata.version("mteb-hybrid")
    file.write_bytes(with_what_made(before, file.read_bytes(), task, new, version, given_command()))


def _is_object(file: Path) -> bool:
    try:
        return isinstance(parse_json(file.read_bytes()), dict)
    except (FileNotFoundError, ValueError):
        return False
