"""Passages and queries as JSON lines: one text in one language a row, with any further keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import decoded, lines, shown


def rows(file: Path, what: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """The rows of a file; blank lines are none.

    Args:
        file: JSON lines.
        what: ``passage``, which may be without a word and have a title; or ``query``.

    Yields:
        ``file:line``, id, text, and the whole row.

    Raises:
        DataError: If a line is not a JSON object with an id and a text.
    """
    for where, line in lines([file]):
        if line.isspace():
            continue
        row = decoded(where, line)
        expected = "expected an object with an id ('_id' or 'id') and a 'text'. Correct that line."
        if not isinstance(row, dict):
            raise DataError(f"{where}: found {shown(row)}; {expected}")
        id_ = row.get("_id", row.get("id"))
        if isinstance(id_, int) and not isinstance(id_, bool):
            id_ = str(id_)
        if not isinstance(id_, str) or not id_.strip():
            raise DataError(f"{where}: the id is {shown(id_)}; {expected}")
        text, title = row.get("text"), row.get("title") if what == "passage" else None
        if not isinstance(text, str) or not isinstance(title, str | None):
            wrong = "text" if not isinstance(text, str) else "title"
            raise DataError(f"{where}: key {wrong!r}: found {shown(row.get(wrong))}; {expected}")
        whole = f"{title or ''} {text}".strip()
        if not whole and what == "query":
            raise DataError(
                f"{where}: the query {shown(id_)} is empty. Remove the line, or give it a text."
            )
        yield where, id_, whole, row


def value(row: dict[str, Any], key: str) -> Any:
    """What a row has under a key, or its ``metadata``; None if neither has it."""
    metadata = row.get("metadata")
    return row.get(key, metadata.get(key) if isinstance(metadata, dict) else None)
