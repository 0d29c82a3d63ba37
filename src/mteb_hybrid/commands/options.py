"""What several commands share: options, and the width of the terminal."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.retrieval.views import Setting


def checked_what(what: str) -> str:
    """Refuse what is neither a file nor a collection, before anything is read."""
    from mteb_hybrid.training.precompute.given import check_given

    check_given(what)
    return what


def checked_model(name: str) -> str:
    """Refuse what is no model, before torch is imported, which takes seconds."""
    from mteb_hybrid.models.load import check_name, folder_of

    check_name(name)
    if folder := folder_of(name):
        checked_folder(folder)
    return name


def checked_folder(folder: Path) -> Path:
    """The same for a folder."""
    from mteb_hybrid.models.load import check_folder

    check_folder(folder)
    return folder


COMPUTING = "Computing"
"""Where help shows what computes."""

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A model that MTEB knows, one on the hub, or a local folder.",
        callback=checked_model,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        help=f"Folder that holds the collections' files; overrides {DATA_VARIABLE}. Without "
        "either, files are downloaded once into the user's cache.",
        exists=True,
        file_okay=False,
    ),
]
RevisionOption = Annotated[
    str | None, typer.Option(help="Revision on the hub; by default MTEB's choice, or the newest.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        help="Torch device, such as cuda:0; by default the GPU, where there is one.",
        rich_help_panel=COMPUTING,
    ),
]
BatchSizeOption = Annotated[
    int,
    typer.Option(metavar="N", help="Texts per batch.", min=1, rich_help_panel=COMPUTING),
]
SettingOption = Annotated[
    list[Setting] | None,
    typer.Option(
        metavar="SETTING", help=f"Only this setting: {', '.join(Setting)}; may be repeated."
    ),
]
QueryLanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LANGUAGE", help="Only queries in this language, such as en; may be repeated."
    ),
]
PassageLanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LANGUAGE",
        help="Only pools of passages in this language, or in several if it is repeated; pools of "
        "all languages are left out.",
    ),
]
SubsetOption = Annotated[
    str | None,
    typer.Option(help="Which subset of MTEB predictions, such as en-multi; needed for several."),
]
IgnoreIdenticalIdsOption = Annotated[
    bool,
    typer.Option(
        "--ignore-identical-ids",
        help="Leave the document with a query's own id out of its ranking, as MTEB does where "
        "queries are documents (xtd10, ntrex, tico-19, tatoeba, xm3600).",
    ),
]


class Engine(StrEnum):
    """Where texts are encoded."""

    PROCESS = "process"
    RAY = "ray"


class OverwriteStrategy(StrEnum):
    """MTEB's words for what is evaluated again."""

    ONLY_MISSING = "only-missing"
    ALWAYS = "always"
    NEVER = "never"
    ONLY_CACHE = "only-cache"


class VectorPrecision(StrEnum):
    """In which a store keeps vectors."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def terminal_width() -> int | None:
    """Columns of the terminal, None where the output is no terminal."""
    if not sys.stdout.isatty():
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80  # some do not say
