"""Locks of files and folders, across processes and, where the file system has them, machines."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mteb_hybrid.files.leftovers import lock_file

if TYPE_CHECKING:
    from filelock import FileLock

LOG = logging.getLogger(__name__)
_TOLD: set[Path] = set()

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


class LockedError(OSError):
    """Another process holds a lock that was not to be waited for."""


@contextmanager
def lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file or folder; wait for another process that holds it, and say so.

    For what is read, changed and written back. A file that is only written needs none: of two
    processes that do so with `whole` the later one wins. A process that is killed lets go of its
    locks. A thread that holds a lock must not ask for it again; `whole` and `whole_folder` ask for
    that of a folder while they put it in its place.

    Args:
        path: What is locked, there or not; its folder is made if need be. The lock itself is the
            file ``.NAME.lock`` beside it, which goes when it is let go; what a killed process
            leaves, the next that locks takes away.
        wait: Whether to wait.

    Raises:
        LockedError: If another process holds it, and it is not waited for.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    file = lock_file(path)
    held = FileLock(file, poll_interval=0.1)
    locked = _acquire(held, path, wait)
    try:
        yield
    finally:
        if locked:
            # While it is held: whoever waits finds that the file is gone, and makes another.
            # Windows refuses, and filelock does it there.
            with suppress(OSError):
                file.unlink()
            held.release()


def _acquire(held: "FileLock", path: Path, wait: bool) -> bool:
    """Wait for a lock; False where the file system has none, as some of clusters."""
    from filelock import Timeout

    try:
        try:
            held.acquire(timeout=0.3)  # what takes a moment is not worth a word
        except Timeout:
            if not wait:
                said = "another process is at work on it"
                raise LockedError(errno.EWOULDBLOCK, said, str(path)) from None
            if path not in _TOLD:  # where two take turns, once
                LOG.warning("%s: another process is at work on it; waiting for that to end", path)
                _TOLD.add(path)
            held.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        LOG.warning("%s: no locks there (%s); have one process at a time", path, error.strerror)
        return False
    return True
