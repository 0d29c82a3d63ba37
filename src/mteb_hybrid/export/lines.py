"""Lines of text files that every reader splits alike, and ids that fit in their columns."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mteb_hybrid.collection import Collection
from mteb_hybrid.export.folder import ExportError
from mteb_hybrid.settings import Qrels

# JSON leaves these as they are, but ``str.splitlines`` and some readers end a line there.
_ESCAPED = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
_BREAK = re.compile("\r\n|[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def json_line(row: Mapping[str, Any]) -> str:
    """A row as JSON on one line; text stays as it is and is not turned into ASCII."""
    return json.dumps(row, ensure_ascii=False).translate(_ESCAPED)


def one_line(text: str) -> str:
    """A text with a space in place of every tab and line break."""
    return _BREAK.sub(" ", text)


def write_lines(file: Path, lines: Iterable[str]) -> None:
    """Write a file in UTF-8 whose lines end in a line feed, also on Windows.

    Args:
        file: The file; its folder is made if need be.
        lines: Its lines, without their ends.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def judgments(queries: pl.DataFrame, qrels: Qrels) -> Iterator[tuple[str, str, int]]:
    """The judgments of a view: query id, passage id and relevance, in an order that is fixed."""
    for query in queries["id"]:
        for passage, relevance in sorted(qrels[query].items()):
            yield query, passage, relevance


def check_ids(collection: Collection, *tables: pl.DataFrame) -> None:
    """Refuse ids that would break the columns of a file.

    Args:
        collection: Its name is in the message.
        *tables: Passages and queries.

    Raises:
        ExportError: If an id is empty, or has white space or a quotation mark in it.
    """
    for table in tables:
        for id_ in table["id"]:
            if not id_ or re.search(r'[\s"]', id_):
                raise ExportError(
                    f"{collection.name}: the id {id_!r} would break the columns of a file; "
                    "expected one without white space and quotation marks. Change it in the "
                    "collection, or export with --format hub, which takes any id."
                )
