"""What this process has saved of its results, and what of them waits for the next save.

MTEB saves all subsets whenever one is evaluated: of a thousand, that takes longer than ranking.
Where there are more than `FEW`, what comes too soon waits for the next call, so that saving takes
hardly more than `SHARE` of the time.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mteb.results import TaskResult

LOG = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class _Waiting:
    """Results that came too soon.

    Attributes:
        subsets: Which are among them.
        save: Saves them.
    """

    subsets: set[tuple[str, str]]
    save: Callable[[], None]


_SAVED: dict[Path, _Saved] = {}

_WAITING: dict[Path, _Waiting] = {}

if hasattr(os, "register_at_fork"):  # what waits is the parent's
    os.register_at_fork(after_in_child=_WAITING.clear)


def adds_nothing(file: Path, result: TaskResult) -> bool:
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


def waits(file: Path, result: TaskResult, save: Callable[[], None]) -> bool:
    """Put a save off, if it is too soon.

    Args:
        file: The file.
        result: What is to be saved in it.
        save: Saves that.

    Returns:
        Whether it waits now.
    """
    saved = _SAVED.get(file)
    too_soon = (
        saved is not None
        and time.monotonic() < saved.again
        and sum(map(len, result.scores.values())) > FEW
        and adds_nothing(file, result)
    )
    if too_soon:
        _WAITING[file] = _Waiting(_subsets(result), save)
    return too_soon


def is_saved(file: Path, result: TaskResult, seconds: float) -> None:
    """Note that a file has been saved, with whatever waited.

    Args:
        file: The file.
        result: What is in it.
        seconds: How long that took.
    """
    again = time.monotonic() + seconds * (1 - SHARE) / SHARE
    _SAVED[file] = _Saved(_stamp(file), result.dataset_revision, _subsets(result), again)
    forget(file)


def forget(file: Path) -> None:
    """Let nothing wait for a file."""
    _WAITING.pop(file, None)


def save_waiting(file: Path, but: TaskResult | None = None) -> None:
    """Save what waits for a file.

    Args:
        file: The file.
        but: What is saved next; what waits may be lost if all of it is in this.
    """
    waiting = _WAITING.get(file)
    if waiting is None or (but is not None and waiting.subsets <= _subsets(but)):
        return
    if not file.parent.exists():  # somebody has removed it
        forget(file)
        return
    _SAVED.pop(file, None)  # else it were too soon again
    waiting.save()


def save_all_waiting() -> None:
    """Save what waits for any file."""
    for file in list(_WAITING):
        save_waiting(file)


@atexit.register
def _save_at_exit() -> None:
    for file in list(_WAITING):
        try:
            save_waiting(file)
        except Exception as error:  # of which nobody is left to be told, and others wait
            LOG.error("%s: the last results could not be saved: %s", file, error)


def _stamp(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _subsets(result: TaskResult) -> set[tuple[str, str]]:
    return {(split, row["hf_subset"]) for split, rows in result.scores.items() for row in rows}
