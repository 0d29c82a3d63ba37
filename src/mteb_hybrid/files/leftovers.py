"""What a process that was killed while it wrote has left beside the place."""

import errno
import hashlib
import os
import platform
import re
import shutil
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

UNFINISHED = re.compile(r"\.(.+)-([0-9a-f]{8})-(\d{1,9})-\w{8}\.(part|old)", re.DOTALL)
"""Names of what is written, and of what it takes the place of: see `unfinished`."""

_SHORTENED = re.compile(r".{30}~[0-9a-f]{16}\Z", re.DOTALL)

LONGEST = 220
"""Bytes of a name that may stand in another one: file systems have 255, and ours adds up to 34."""

DAY = 24 * 3600
"""Seconds after which what another machine left untouched is taken for abandoned."""


def unfinished(name: str) -> str:
    """How the names begin that a file or folder has while this process writes it.

    They tell where and by which process; eight characters at random and ``.part`` or ``.old``
    follow.
    """
    return f".{_fitting(name)}-{_place()}-{os.getpid()}-"


def lock_file(path: Path) -> Path:
    """The file with which a file or folder is locked, beside it."""
    return path.with_name(f".{_fitting(path.name)}.lock")


def pointed_to(path: Path) -> Path:
    """Where a link at a place leads, there or not; the place itself if no link is there.

    Raises:
        OSError: If links lead in a circle.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def clean(path: Path) -> None:
    """Clear away what dead processes left beside a place, and put back what one took from there.

    `whole` and `whole_folder` do it before they write. Whoever reads a folder that is replaced as a
    whole does it before reading: between two renames its old content lies beside it. What was left
    of other files and folders beside the place goes too, as nobody may ever write those again. The
    place's own lock goes if nobody holds it. Where a link leads from the place, the same is done.

    Args:
        path: The place that was written to.
    """
    with suppress(OSError):
        for left in path.parent.iterdir():
            if found := UNFINISHED.fullmatch(left.name):
                with suppress(OSError):
                    _clear(left, found, path)
    if path.name:
        _unlock(lock_file(path))
    with suppress(OSError):
        if (target := pointed_to(path)) != path:
            clean(target)


def is_unfinished(path: Path) -> bool:
    """Whether a file or folder is one that we write, took from its place, or lock with."""
    return bool(UNFINISHED.fullmatch(path.name) or re.fullmatch(r"\..+\.lock", path.name))


def _unlock(file: Path) -> None:
    if not file.exists():
        return
    from filelock import FileLock, Timeout

    held = FileLock(file)
    with suppress(OSError, Timeout):
        held.acquire(blocking=False)
        with suppress(OSError):  # while it is held, as `lock` does
            file.unlink()
        held.release()


def _clear(left: Path, found: re.Match[str], path: Path) -> None:
    name, place, process, kind = found.groups()
    if not _abandoned(left, place, int(process)):
        return
    whole = path if _fitting(path.name) == name else left.with_name(name)
    if kind == "old" and not whole.exists():
        if whole == path or not _SHORTENED.search(name):  # else its place alone knows its name
            left.rename(whole)
    elif left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _abandoned(left: Path, place: str, process: int) -> bool:
    """Whether nobody writes it any more: by its process, where that could be seen from here."""
    if place == _place() and sys.platform != "win32":  # there, signal 0 would end the process
        return not _runs(process)
    below = [left, *left.rglob("*")] if left.is_dir() else [left]
    return time.time() - max(file.lstat().st_mtime for file in below) > DAY


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _fitting(name: str) -> str:
    """A name, or its beginning and a checksum where more stands around it than a name may have."""
    raw = os.fsencode(name)
    if len(raw) <= LONGEST:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:16]
    return f"{raw[: LONGEST - 17].decode(errors='ignore')}~{digest}"


@cache
def _place() -> str:
    """Where process numbers mean the same: this machine, since it started, in this container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
