"""Text files as people have them: lines, JSON lines and whole JSON files, plain or gzip, in UTF-8.

The one reader of every text format that the project takes. A line ends in a line feed, or in a
carriage return and a line feed, and nowhere else: U+2028, U+2029, U+0085 and the like stand inside
of texts. A byte order mark is no part of a text. What is compressed with gzip is told by its first
bytes, or by the name ``.gz``. A key that repeats in a JSON object is refused, as nothing tells
which of its values is meant.
"""

import codecs
import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tqdm import tqdm

from mteb_hybrid.files.documents import RepeatedKeyError, parse_json
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.safe_text import visible

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


_GZIP = b"\x1f\x8b"
RATIO = 50
"""How many times its size a compressed text may have unpacked: 3 to 10 times is usual."""

_LITTLE, _PIECE = 2**24, 2**20
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_INTEGER = re.compile(r"[+-]?0*[0-9]{1,6}")
_BLANKS = re.compile(r"[ \t\r\v\f]+")


class TextError(DataError):
    """Text that cannot be used: the file and the line or key, what was expected, what to do."""


ParallelDataError = TextError
"""What the readers of training data call it."""


def lines(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """The lines of files one after another, with a progress bar if it takes more than 5 seconds.

    Args:
        paths: Files, plain or gzip.

    Yields:
        ``file:line`` (counted from 1), and the line with its end.

    Raises:
        TextError: If a compressed file is damaged or cut off, or a file is in UTF-16.
    """
    total = sum(path.stat().st_size for path in paths)
    with tqdm(total=total, unit="B", unit_scale=True, delay=5, leave=False, disable=None) as bar:
        before = 0
        for path in paths:
            bar.set_description(visible(path.name), refresh=False)
            with path.open("rb") as raw:
                for number, (where, line) in enumerate(numbered(path, _unpacked(path, raw)), 1):
                    yield where, line
                    if not number % 4096:
                        bar.update(before + raw.tell() - bar.n)
                before += raw.tell()


def numbered(path: Path, stream: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """The lines of an open file, without its byte order mark.

    Args:
        path: What it is, for error messages.
        stream: Lines with their ends, unpacked.

    Yields:
        As `lines`.

    Raises:
        TextError: As `lines`.
    """
    number = 0
    with damage_named(path, lambda: f":{number + 1}"):
        for number, line in enumerate(stream, 1):
            if number == 1:
                line = _without_mark(path, line)
                if not line:
                    return
            yield f"{path}:{number}", line


def content(path: Path) -> bytes:
    """All of a file, unpacked and without its byte order mark.

    Raises:
        TextError: As `lines`.
    """
    with path.open("rb") as raw, damage_named(path, lambda: ""):
        return _without_mark(path, b"".join(_unpacked(path, raw)))


@contextmanager
def damage_named(path: Path, place: Callable[[], str]) -> Iterator[None]:
    """Turn what gzip raises into an error that names the file.

    Args:
        path: The file.
        place: Gives what stands behind its name, such as the number of the line.

    Raises:
        TextError: If the block raises one of gzip's errors.
    """
    try:
        yield
    except EOFError:
        raise TextError(
            f"{path}{place()}: the compressed file is cut off here; make or download it again"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TextError(
            f"{path}{place()}: not what gzip writes ({error}); expected a .gz file, make or "
            "download it again"
        ) from None


def _unpacked(path: Path, raw: IO[bytes]) -> Iterable[bytes]:
    packed = path.suffix == ".gz" or cast("Any", raw).peek(2).startswith(_GZIP)
    return _unpacked_lines(path, raw) if packed else raw


def _unpacked_lines(path: Path, raw: IO[bytes]) -> Iterator[bytes]:
    """The lines of a compressed file; a long one in pieces until its end is there."""
    size, parts = 0, list[bytes]()
    with gzip.GzipFile(fileobj=raw) as stream:
        while piece := stream.readline(_PIECE):
            size += len(piece)
            check_ratio(path, size, raw)
            parts.append(piece)
            if piece.endswith(b"\n"):
                yield parts[0] if len(parts) == 1 else b"".join(parts)
                parts = []
    if parts:
        yield b"".join(parts)


def check_ratio(path: Path, size: int, raw: IO[bytes]) -> None:
    """Refuse a compressed file that unpacks to what no text unpacks to.

    Args:
        path: The file.
        size: Bytes that were unpacked until now.
        raw: The open file, which is at the place that was read.

    Raises:
        TextError: If they are more than `RATIO` times what was read.
    """
    if size > _LITTLE and size > RATIO * raw.tell():
        raise TextError(
            f"{path}: unpacks to more than {RATIO} times its size, as no text does; expected a "
            "compressed text. Do not use this file, or unpack it yourself."
        )


def _without_mark(path: Path, start: bytes) -> bytes:
    if start.startswith(_UTF_16):
        raise TextError(
            f"{path}:1: not UTF-8 (its byte order mark is that of UTF-16); convert the file to "
            "UTF-8"
        )
    return start.removeprefix(codecs.BOM_UTF8)


def text_of(where: str, line: bytes) -> str:
    """The text of a line, without its end.

    Args:
        where: What it is, for error messages.
        line: The line.

    Raises:
        TextError: If it is not UTF-8, or has a NUL, as UTF-16 without a mark has.
    """
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise TextError(
            f"{where}: not UTF-8 ({error.reason} at position {error.start} of the line); convert "
            "the file to UTF-8"
        ) from None
    if "\0" in text:
        raise TextError(
            f"{where}: a NUL character; expected text in UTF-8, convert the file or correct the "
            "line"
        )
    return text


def columns(line: str, width: int) -> list[str]:
    """The columns of a line as TREC's files have them: separated by white space, or by tabs.

    Where the tabs of a line make as many columns as are expected, they alone separate, so that ids
    may have spaces in them. Other Unicode spaces are part of ids.

    Args:
        line: A line without its end.
        width: How many columns are expected.

    Returns:
        The columns, however many there are.
    """
    if line.count("\t") == width - 1:
        return [field.strip(" \r\v\f") for field in line.split("\t")]
    return [field for field in _BLANKS.split(line) if field]


def beir_columns(line: str) -> list[str]:
    """The columns of a tab-separated line, as BEIR's loader reads them: ids may be in quotes.

    Args:
        line: A line without its end.

    Returns:
        The columns; the line as one where a quotation mark is not closed.
    """
    try:
        return next(csv.reader([line], delimiter="\t", strict=True), [])
    except csv.Error:
        return [line]


def grade_of(text: str) -> int | None:
    """The grade that a text is: an integer in plain digits, up to six; None if it is none."""
    return int(text) if _INTEGER.fullmatch(text) else None


def decoded(where: str, line: bytes) -> Any:
    """The JSON of one line.

    Args:
        where: What it is, for error messages.
        line: The line with its end; the last one of a file may lack it.

    Raises:
        TextError: If it is not UTF-8, not JSON, or a key repeats in an object.
    """
    cut = "" if line.endswith(b"\n") else " The file ends in this line: it seems to be cut off."
    try:
        return parse_json(line)
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise TextError(
            f"{where}: not UTF-8 ({error.reason} at position {error.start} of the line); "
            f"expected JSON in UTF-8, convert the file.{cut}"
        ) from None
    except RepeatedKeyError as error:
        raise TextError(f"{where}: {error}") from None
    except ValueError as error:
        remedy = "correct or remove the line"
        if line.lstrip().startswith(b"["):
            remedy = "not an array of them; jq -c '.[]' writes one as lines"
        raise TextError(
            f"{where}: invalid JSON: {error}; expected one whole object per line, {remedy}.{cut}"
        ) from None


def json_file(path: Path, kind: type = object) -> Any:
    """The JSON of a whole file, plain or gzip.

    Args:
        path: The file.
        kind: What it must be: ``dict`` or ``list``; by default anything.

    Raises:
        TextError: If it is not UTF-8, not JSON, of another kind, or a key repeats in an object.
    """
    found = json_text(path, content(path))
    if not isinstance(found, kind):
        wanted = "a JSON array" if kind is list else "a JSON object"
        raise TextError(f"{path}: found {shown(found)}; expected {wanted}")
    return found


def json_text(path: Path, raw: bytes) -> Any:
    """The JSON of the content of a whole file.

    Args:
        path: What it is, for error messages.
        raw: As `content` gives it.

    Raises:
        TextError: As `json_file`.
    """
    try:
        return parse_json(raw)
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"{path}:{number}: not UTF-8 ({error.reason}); expected JSON in UTF-8, convert the file"
        ) from None
    except UnicodeEncodeError as error:
        raise TextError(
            f"{path}: not UTF-8 ({error.reason}): an escape such as \\ud800 is no character; "
            "correct it"
        ) from None
    except RepeatedKeyError as error:
        raise TextError(f"{path}: {error}") from None
    except ValueError as error:
        raise TextError(
            f"{path}: not JSON: {error}; correct it, or make the file again if it was cut short"
        ) from None


def shown(value: object) -> str:
    """A value as it stands in an error message, cut short."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text[:60] + "…" if len(text) > 60 else text)


def some(columns: Sequence[str]) -> list[str]:
    """The columns of a line as they stand in an error message, cut short."""
    return [column[:60] for column in columns[:10]]
