"""What a process that was killed while it wrote has left beside the place."""

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

DAY = 24 * 3600
"""Seconds after which what another machine left untouched is taken for abandoned."""


def writer() -> str:
    """This process, as it stands in the names of what it writes: its place, and its number."""
    return f"{_place()}-{os.getpid()}"


def clean(path: Path) -> None:
    """Clear away what dead processes left beside a place, and put back what one took from it.

    `whole` and `whole_folder` do it before they write. Whoever reads a folder that is replaced as a
    whole does it before reading: between two renames its old content lies beside it.

    Args:
        path: The place that was written to.
    """
    with suppress(OSError):
        ours = re.compile(
            rf"\.{re.escape(path.name)}-([0-9a-f]{{8}})-(\d+)-[0-9a-f]{{8}}\.(part|old)"
        )
        for left in path.parent.iterdir():
            found = ours.fullmatch(left.name)
            if found and _abandoned(left, found[1], int(found[2])):
                if found[3] == "old" and not path.exists():
                    left.rename(path)
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


@cache
def _place() -> str:
    """Where process numbers mean the same: this machine, since it started, in this container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
