"""What a word means that may be a name or a path: names that are known win, and that is said."""

import logging
import os
from collections.abc import Container
from functools import cache
from pathlib import Path

LOG = logging.getLogger(__name__)
BEGINNINGS = tuple(
    f"{start}{slash}" for start in ("", ".", "..") for slash in {"/", os.sep, os.altsep or os.sep}
)


def is_path(word: str | Path) -> bool:
    """Whether a word is written as a path: it begins with ``/``, ``./``, ``../`` or ``~``."""
    if isinstance(word, Path) or word in (".", ".."):
        return True
    return word.startswith((*BEGINNINGS, "~")) or bool(Path(word).drive)


def is_name(word: str | Path, known: Container[str], what: str) -> bool:
    """Whether a word means what is known by that name, and no file or folder called so.

    One that is passed over is told of, once.

    Args:
        word: As it was given.
        known: The names.
        what: What they are of, in a word.
    """
    if is_path(word) or word not in known:
        return False
    if os.path.lexists(word):
        _tell(str(word), what)
    return True


@cache
def _tell(word: str, what: str) -> None:
    LOG.warning(
        "%s: the %s of that name is meant, not what is called so in this folder; for that write %s",
        *(word, what, os.path.join(".", word)),  # noqa: PTH118  Path takes the dot away
    )
