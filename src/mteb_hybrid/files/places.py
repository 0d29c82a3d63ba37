"""Where files lie: the environment variables that name folders, and the user's cache."""

from pathlib import Path
from tempfile import TemporaryFile

import platformdirs

from mteb_hybrid.files.errors import DataError

TASKS_VARIABLE = "MTEB_HYBRID_TASKS"


DATA_VARIABLE = "MTEB_HYBRID_DATA"


def cache_folder() -> Path:
    """Folder for downloaded files, in the user's cache.

    Raises:
        DataError: If the user has no home, and XDG_CACHE_HOME names none.
    """
    return _own(platformdirs.user_cache_path("mteb-hybrid"), "XDG_CACHE_HOME")


def data_folder() -> Path:
    """Folder for what a user makes: registered models, translated queries.

    Raises:
        DataError: If the user has no home, and XDG_DATA_HOME names none.
    """
    return _own(platformdirs.user_data_path("mteb-hybrid"), "XDG_DATA_HOME")


def _own(folder: Path, variable: str) -> Path:
    if not folder.is_absolute():  # else a folder called ~ would be made, wherever this is
        raise DataError(f"{folder}: there is no home folder; set HOME, or {variable} to a folder")
    return folder


def expanded(path: str | Path) -> Path:
    """A path in which a home folder stands for ``~`` or ``~user`` at its beginning.

    Raises:
        DataError: If there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        whose = Path(path).parts[0]
        raise DataError(
            f"{path}: no home folder is known for {whose}; write the path in full"
        ) from None


def check_writable(folder: Path) -> None:
    """Find out whether a folder can be written to, or made; nothing is left there.

    Raises:
        OSError: If it cannot; it names the folder, or the one in which it would be made.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(there)) from None


def utf8_fault(path: Path) -> str | None:
    """Why a path cannot be given to libraries in Rust and C++, None if it can."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "the path is not UTF-8, and the libraries that open it need that; rename it"
    return None


FOLDER_VARIABLE = "MTEB_HYBRID_PER_QUERY"


MODELS_VARIABLE = "MTEB_HYBRID_MODELS"


STORE_VARIABLE = "MTEB_HYBRID_STORE"


MEMORY_VARIABLE = "MTEB_HYBRID_MEMORY"


VECTORS_VARIABLE = "MTEB_HYBRID_VECTORS"


HTTP_VARIABLE = "MTEB_HYBRID_ALLOW_HTTP"
