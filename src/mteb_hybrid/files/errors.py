"""Errors of files that are read and written."""

from collections.abc import Mapping
from typing import Any


class ExportError(ValueError):
    """An export that cannot be made. The message names the file, what is wrong and the remedy."""


class DataError(ValueError):
    """Data that cannot be used. The message names the file, what was expected and the remedy."""


def in_words(problem: Mapping[str, Any]) -> str:
    """What pydantic found wrong: the key, unless it is all of it, and what is expected there.

    Args:
        problem: One of the ``errors()`` of a ``ValidationError``.
    """
    key = ".".join(map(str, problem["loc"]))
    said = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else problem["msg"]
    return f"key {key!r}: {said}" if key else said
