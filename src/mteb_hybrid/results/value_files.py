"""A file of values per query: Parquet with a checksum of itself, read back and checked.

The checksum stands in the metadata, and is taken of all bytes with zeros in its place: damage is
noticed before a reader of Parquet meets it. The revision of the data stands there too.
"""

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mteb_hybrid.files.whole import whole

CHECKSUM = "mteb_hybrid.sha256"
DATA = "mteb_hybrid.data_revision"
AGAIN = (
    "Evaluate that subset again: the `mteb-hybrid run` or `mteb-hybrid study run` that evaluated "
    "it does, and writes the file anew."
)
PARALLEL = ("top", "top_languages", "top_relevant"), ("answers", "answer_languages", "answer_ranks")
"""Columns of lists whose rows belong together."""
MAY_LACK = ("answer_ranks",)
"""Columns in which null says something: the model did not return it."""

_NONE = b"0" * 64
_CHECKSUM = re.compile(re.escape(CHECKSUM.encode()) + rb".{1,3}?([0-9a-f]{64})", re.DOTALL)


class PerQueryError(ValueError):
    """Per-query values that are missing or cannot be read."""


def write_values(table: pl.DataFrame, file: Path, revision: str) -> Path:
    """Write rows, whole or not at all.

    Args:
        table: The rows.
        file: Where to.
        revision: That of the data; empty if it is not known.
    """
    stream = io.BytesIO()
    known = {CHECKSUM: _NONE.decode()} | ({DATA: revision} if revision else {})
    table.write_parquet(stream, compression="zstd", metadata=known)
    raw = stream.getvalue()
    place = _place(raw)
    with whole(file) as part:
        part.write_bytes(raw[:place] + _checksum(raw, place) + raw[place + len(_NONE) :])
    return file


def read_values(
    file: Path,
    schema: Mapping[str, pl.DataType | type[pl.DataType]],
    checksum: bool = False,
) -> tuple[pl.DataFrame, str]:
    """The rows of a file, and the revision of the data; that is empty if it does not say.

    Args:
        file: The file.
        schema: Its columns.
        checksum: Whether it has to have one: those of 0.1.0 do not.

    Raises:
        PerQueryError: If it is damaged, or has values that nothing here writes.
    """
    raw = file.read_bytes()
    place = _place(raw)
    if checksum and not place:
        raise PerQueryError(f"{file}: has no checksum, so it may have been edited. {AGAIN}")
    if place and raw[place : place + len(_NONE)] != _checksum(raw, place):
        raise PerQueryError(f"{file}: damaged: its bytes do not have its checksum. {AGAIN}")
    if len(raw) < 12 or not raw.startswith(b"PAR1") or not raw.endswith(b"PAR1"):
        raise PerQueryError(f"{file}: not a Parquet file, or cut short. {AGAIN}")
    try:
        table = pl.read_parquet(io.BytesIO(raw))
        revision = pl.read_parquet_metadata(io.BytesIO(raw)).get(DATA, "")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise PerQueryError(f"{file}: not a Parquet file ({error}). {AGAIN}") from None
    if table.schema != pl.Schema(schema):
        raise PerQueryError(
            f"{file}: has the columns {list(table.schema)}, expected {list(schema)}. {AGAIN}"
        )
    if odd := _odd(table):
        raise PerQueryError(f"{file}: {odd}. {AGAIN}")
    return table, revision


def _odd(table: pl.DataFrame) -> str:
    """What no measurement writes, in words; empty if there is nothing of it."""
    lists = {column.name: column for column in table if column.dtype == pl.List}
    is_view = "query" in table.columns  # else rankings of groups, of which some are not known
    for column in table.select(pl.all() if is_view else pl.exclude(lists)):
        if column.null_count():
            return f"a row without {column.name}"
    lengths = {name: column.list.len() for name, column in lists.items()}
    for name, column in lists.items():
        if name not in MAY_LACK and (lengths[name] > column.list.drop_nulls().list.len()).any():
            return f"nothing in a list of {name}"
    for names in PARALLEL if lists and is_view else ():
        if any((lengths[names[0]] != lengths[name]).any() for name in names):
            return f"lists of different lengths in {', '.join(names)}"
    if "value" in table.columns and table["value"].is_infinite().any():
        return "a value that is infinite"
    keys = [name for name in ("query", "measure") if name in table.columns]
    if is_view and table.select(keys).is_duplicated().any():
        return f"one {' and '.join(keys)} twice"
    return ""


def _place(raw: bytes) -> int:
    """Where the checksum of a file stands, 0 if nowhere. It is in the footer, after all values."""
    found = list(_CHECKSUM.finditer(raw, max(len(raw) - 2**16, 0)))
    return found[-1].start(1) if found else 0


def _checksum(raw: bytes, place: int) -> bytes:
    digest = hashlib.sha256(raw[:place] + _NONE)
    digest.update(raw[place + len(_NONE) :])
    return digest.hexdigest().encode()
