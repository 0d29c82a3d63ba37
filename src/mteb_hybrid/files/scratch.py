"""Folders that are needed for a moment, in the system's temporary folder."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mteb_hybrid.files.leftovers import clean, unfinished


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Make a folder, and remove it in the end; those that killed processes left go first.

    Args:
        name: What it is for.

    Yields:
        The folder.
    """
    clean_scratch()
    with tempfile.TemporaryDirectory(prefix=unfinished(name), suffix=".part") as folder:
        yield Path(folder)


def clean_scratch() -> None:
    """Clear away what killed processes left in the system's temporary folder."""
    clean(Path(tempfile.gettempdir(), "scratch"))
