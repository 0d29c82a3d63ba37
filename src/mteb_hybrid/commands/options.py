"""What several commands share: options, and the width of the terminal."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.files.places import DATA_VARIABLE

DataOption = Annotated[
    Path | None,
    typer.Option(
        help=f"Folder that holds the collections' files; overrides {DATA_VARIABLE}. Without "
        "either, files are downloaded once into the user's cache.",
        exists=True,
        file_okay=False,
    ),
]


def terminal_width() -> int | None:
    """Columns of the terminal, None where the output is no terminal."""
    if not sys.stdout.isatty():
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns
