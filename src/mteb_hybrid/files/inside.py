"""Paths that others wrote, in cards and archives: relative, and inside of a folder.

What they may hold is the same on every system, so that a card that works on one works on all.
"""

import re
from pathlib import Path, PurePosixPath

from mteb_hybrid.files.errors import DataError

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])( *\..*)?")
"""What Windows takes for a device, whatever follows the dot."""

_PART, _PATH = 255, 1024
"""The longest name and path in bytes that all usual file systems have."""


def path_fault(path: str) -> str | None:
    """Why a path may not stand in a card or an archive, None if it may.

    Args:
        path: With ``/`` between its parts. ``.`` is no fault: whether a folder will do is up to
            whoever reads it.
    """
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path:
        return "lies outside of the folder that it belongs to"
    if odd := [letter for letter in path if letter in '<>:"|?*' or not letter.isprintable()]:
        return f"has {odd[0]!r}, a character that file names do not have everywhere"
    if any(_RESERVED.fullmatch(part) or part[-1] in ". " for part in parts):
        return "has a name that Windows reserves, or one that ends in a dot or a space"
    if len(path.encode()) > _PATH or any(len(part.encode()) > _PART for part in parts):
        return f"is longer than {_PATH} bytes, or a part of it than {_PART}"
    return None


def checked_path(path: str) -> str:
    """A path of a file, as a card may have it.

    Raises:
        ValueError: If it may not stand there.
    """
    fault = path_fault(path) or ("names no file" if not PurePosixPath(path).parts else None)
    if fault:
        raise ValueError(f"the path {fault}; expected a relative one, inside of the folder")
    return path


def checked_folder(path: str) -> str:
    """A path of a folder, as a card may have it; ``.`` is one.

    Raises:
        ValueError: If it may not stand there.
    """
    if fault := path_fault(path) or ("is empty" if not path else None):
        raise ValueError(f"the path {fault}; expected a relative one")
    return path


def inside(folder: Path, path: str) -> Path:
    """A place below a folder that it does not leave, through links neither.

    To be asked when the place is opened: a link may have come since the path was read.

    Args:
        folder: The folder, which may be reached through links itself.
        path: Below it.

    Raises:
        DataError: If it lies elsewhere.
    """
    place = folder / path
    fault = path_fault(path)
    try:
        if not fault and not place.resolve().is_relative_to(folder.resolve()):
            fault = f"is a link to {place.resolve()}, which lies outside of {folder}"
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        fault = "is a link that leads nowhere"
    if fault:
        raise DataError(
            f"{place}: {fault}; expected a file inside of that folder. Put the file itself there."
        )
    return place
