"""Locks of files and folders, across processes and, where the file system has them, machines."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOG = logging.getLogger(__name__)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder; wait for another process that holds it, and say so.

    For what is read, changed and written back. `whole` needs none: of two processes that write the
    same file with it the later one wins, and the file is that of one of them. A process that is
    killed lets go of its locks. A thread that holds a lock must not ask for it again.

    Args:
        path: What is locked, there or not; its folder is made if need be. The lock itself is the
            file ``.NAME.lock`` beside it, which goes when it is let go; what a killed process
            leaves, the next that locks takes away.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.lock")
    held = FileLock(file, poll_interval=0.1)
    try:
        held.acquire(timeout=0.3)  # what takes a moment is not worth a word
    except Timeout:
        LOG.warning("%s: another process is at work on it; waiting for that to end", path)
        held.acquire()
    try:
        yield
    finally:
        # While it is held: whoever waits finds that the file is gone, and makes another. Windows
        # refuses, and filelock does it there.
        with suppress(OSError):
            file.unlink()
        held.release()
