"""MIRACL's passages: compressed JSON lines ``{"docid": "462221#4", "title": …, "text": …}``.

They are read by pyarrow in blocks, without a Python object for each, and Python looks only at a
block that has a fault, to say in which line.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import polars as pl
import pyarrow as pa
from pyarrow import json as arrow_json
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mteb_hybrid.cards.known_faults import NOTHING, LeftOut
from mteb_hybrid.files.errors import DataError, in_words
from mteb_hybrid.files.lines import check_ratio

BLOCK = 2**24
"""How many bytes are unpacked at a time."""

NO_OBJECT = re.compile(rb"^[ \t\r]*[^{ \t\r\n].*", re.MULTILINE)
"""A line that holds something else."""

DOCID = r"^[^#\s]+#[0-9]+$"
KEYS = ("docid", "title", "text")
SCHEMA = pa.schema([(key, pa.string()) for key in KEYS])


class _Passage(BaseModel):
    model_config = ConfigDict(strict=True)

    docid: str = Field(pattern=DOCID)
    title: str
    text: str

    @model_validator(mode="after")
    def _not_blank(self) -> Self:
        if not f"{self.title}{self.text}".strip():
            raise ValueError("title and text are blank")
        return self


def read_passages(
    folder: Path, count: int | None, remedy: str, left_out: LeftOut = NOTHING
) -> pl.DataFrame:
    """Read the passages of one language.

    Args:
        folder: Holds ``docs-0.jsonl.gz``, ``docs-1.jsonl.gz``, ….
        count: How many of them; None if any number will do.
        remedy: What to do if one is missing.
        left_out: What may be left out.

    Returns:
        Columns id (MIRACL's ``docid``) and text: title and text joined by a space, as MTEB does
        it, or the text alone where the title is empty.

    Raises:
        DataError: If a file is missing, cut short or damaged, a line is not UTF-8 or not such an
            object, or a docid repeats.
    """
    files = _files(folder, count, remedy)
    tables = [_read(file) for file in files]
    table = pl.concat(tables)
    repeated = table.with_row_index().filter(pl.col("id").is_duplicated())
    later = repeated.filter(~pl.col("id").is_first_distinct())["index"]
    if not later.is_empty():
        if left_out("repeated_ids", [_place(files, tables, row) for row in later]):
            return table.filter(pl.col("id").is_first_distinct())
        docid = repeated["id"][0]
        first, second = (
            _place(files, tables, row) for row in repeated.filter(id=docid)["index"][:2]
        )
        raise DataError(
            f"{second}: repeats the docid {docid!r} of {first}; expected a docid of its own for "
            "every passage. Get these files again, or remove one of the lines."
            f"{left_out.more('repeated_ids')}"
        )
    return table


def _files(folder: Path, count: int | None, remedy: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected docs-0.jsonl.gz, …. {remedy}")
    numbers = {
        int(found[1])
        for file in folder.iterdir()
        if (found := re.fullmatch(r"docs-([0-9]+)\.jsonl\.gz", file.name))
    }
    wanted = range(max(numbers, default=0) + 1 if count is None else count)
    if missing := sorted(set(wanted) - numbers):
        raise DataError(
            f"{folder / f'docs-{missing[0]}.jsonl.gz'}: no such file; expected docs-0.jsonl.gz to "
            f"docs-{wanted[-1]}.jsonl.gz. {remedy}"
        )
    if further := sorted(numbers - set(wanted)):
        raise DataError(
            f"{folder / f'docs-{further[0]}.jsonl.gz'}: one file too many; the card counts "
            f"{count}. Remove it, or correct source.passages.files in the card."
        )
    return [folder / f"docs-{number}.jsonl.gz" for number in wanted]


def _read(file: Path) -> pl.DataFrame:
    parts: list[pl.DataFrame] = []
    first = 1
    for block in _blocks(file):
        parts.append(_table(file, block, first))
        first += len(parts[-1])
    if not parts:
        raise DataError(f"{file}: is empty; expected JSON lines. Get it again.")
    return pl.concat(parts)


def _blocks(file: Path) -> Iterator[bytes]:
    """The unpacked file in blocks of whole lines."""
    rest, lines, begun = b"", 0, False
    try:
        with file.open("rb") as raw, gzip.GzipFile(fileobj=raw) as stream:
            while block := stream.read(BLOCK).removeprefix(b"" if begun else codecs.BOM_UTF8):
                begun = True
                check_ratio(file, stream.tell(), raw)
                whole, newline, after = block.rpartition(b"\n")
                if newline:
                    yield rest + whole + newline
                    lines += whole.count(b"\n") + 1
                    rest = after
                else:
                    rest += block
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{file}: cut short or damaged after line {lines}, or later ({error}). Get it again."
        ) from None
    if rest:
        yield rest + b"\n"


def _table(file: Path, block: bytes, first: int) -> pl.DataFrame:
    """Columns id and text of the lines of a block, whose numbers begin with `first`."""
    try:
        table = pl.DataFrame(_parsed(block))
    except pa.ArrowInvalid:
        raise _fault(file, block, first) from None
    good = table.select(
        pl.all_horizontal(
            pl.col("docid").str.contains(DOCID),
            pl.concat_str("title", "text").str.strip_chars() != "",
        )
        .fill_null(value=False)
        .all()
    ).item()
    if not good or len(table) != block.count(b"\n"):
        raise _fault(file, block, first)
    title, text = pl.col("title"), pl.col("text")
    joined = pl.when(title == "").then(text).otherwise(pl.concat_str(title, text, separator=" "))
    return table.select(id="docid", text=joined)


def _parsed(block: bytes) -> pa.Table:
    # Arrow's reader ends the process where a value is null and not an object. Counting is fast.
    plain = block[:1] == b"{" and block.count(b"\n{") == block.count(b"\n") - 1
    if not plain and (stray := NO_OBJECT.search(block)):
        raise pa.ArrowInvalid(f"a line begins with {stray.group().strip()[:20]!r}")
    table = arrow_json.read_json(
        pa.BufferReader(block),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block)),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=SCHEMA, unexpected_field_behavior="ignore"
        ),
    )
    table.validate(full=True)  # that strings are UTF-8
    return table


def _fault(file: Path, block: bytes, first: int) -> DataError:
    lines = enumerate(block.split(b"\n")[:-1], first)
    number, fault = next((n, fault) for n, line in lines if (fault := _fault_of(line)))
    return DataError(
        f"{file}: line {number}: {fault}; expected a JSON object in UTF-8 with the strings 'docid' "
        "(as in '462221#4'), 'title' (may be empty) and 'text'. Correct that line, or get the file "
        "again."
    )


def _fault_of(line: bytes) -> str | None:
    if not line.strip():
        return "blank"
    try:
        line.decode()
        _Passage.model_validate_json(line)
        _parsed(line)
    except UnicodeDecodeError as error:
        return f"not UTF-8 ({error.reason})"
    except ValidationError as error:
        return in_words(error.errors()[0])
    except pa.ArrowInvalid as error:
        return str(error)
    return None


def _place(files: list[Path], tables: list[pl.DataFrame], row: int) -> str:
    """File and line of a row of all tables together."""
    number = 0
    while row >= len(tables[number]):
        row -= len(tables[number])
        number += 1
    return f"{files[number]}: line {row + 1}"
