"""MTEB's result files: found below folders, and read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class ResultError(ValueError):
    """Results that cannot be shown. The message names the file and the remedy."""


def result_files(paths: Iterable[Path]) -> Iterable[Path]:
    """The result files among some paths; folders are searched for ``*Retrieval.json``.

    Raises:
        ResultError: If a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise ResultError(f"{path}: no such file or folder; name a folder of MTEB results")
        yield from [path] if path.is_file() else sorted(path.rglob("*Retrieval.json"))


def read_result(file: Path) -> dict[str, Any]:
    """The content of one result file.

    Raises:
        ResultError: If it is not JSON, or not a result file.
    """
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultError(
            f"{file}: not JSON ({error}); the file was cut short. Delete it and "
            "run that task again."
        ) from None
    if not isinstance(result, dict) or not isinstance(result.get("scores"), dict):
        raise ResultError(f"{file}: not an MTEB result file: it has no 'scores'. Leave it out.")
    return result


def model_of(file: Path) -> tuple[str, str]:
    """Model name and revision: from MTEB's ``model_meta.json`` if there, else from the folders."""
    meta = file.parent / "model_meta.json"
    if meta.is_file():
        described = json.loads(meta.read_text(encoding="utf-8"))
        if described.get("name"):
            return str(described["name"]), str(described.get("revision"))
    return file.parent.parent.name.replace("__", "/"), file.parent.name
