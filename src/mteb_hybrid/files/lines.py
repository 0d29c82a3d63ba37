"""JSON lines and other text in lines: files one after another, plain or gzip, with line numbers."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mteb_hybrid.files.errors import DataError

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


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class ParallelDataError(DataError):
    """Parallel data that cannot be used: where, what was expected, and what to do."""


def lines(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """The lines of files one after another, with a progress bar if it takes more than 5 seconds.

    Args:
        paths: Files, compressed with gzip if they are called ``.gz``.

    Yields:
        ``file:line`` (counted from 1), and the line with its end.

    Raises:
        ParallelDataError: If a compressed file is damaged or cut off.
    """
    total = sum(path.stat().st_size for path in paths)
    with tqdm(total=total, unit="B", unit_scale=True, delay=5, leave=False, disable=None) as bar:
        before = 0
        for path in paths:
            bar.set_description(path.name, refresh=False)
            number = 0
            with path.open("rb") as raw:
                stream = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
                try:
                    for number, line in enumerate(stream, 1):
                        yield f"{path}:{number}", line
                        if not number % 4096:
                            bar.update(before + raw.tell() - bar.n)
                except EOFError:
                    raise ParallelDataError(
                        f"{path}:{number + 1}: the compressed file is cut off here; make or "
                        "download it again"
                    ) from None
                except (gzip.BadGzipFile, zlib.error) as error:
                    raise ParallelDataError(
                        f"{path}:{number + 1}: not what gzip writes ({error}); expected a .gz "
                        "file, make or download it again"
                    ) from None
                before += raw.tell()


def decoded(where: str, line: bytes) -> Any:
    """The JSON of one line.

    Args:
        where: What it is, for error messages.
        line: The line with its end; the last one of a file may lack it.

    Raises:
        ParallelDataError: If it is not UTF-8, or not JSON.
    """
    cut = "" if line.endswith(b"\n") else " The file ends in this line: it seems to be cut off."
    try:
        row = json.loads(line.decode())
        if _SURROGATE.search(line):
            json.dumps(row, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise ParallelDataError(
            f"{where}: not UTF-8 ({error.reason} at position {error.start} of the line); "
            f"expected JSON in UTF-8, convert the file.{cut}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ParallelDataError(
            f"{where}: invalid JSON: {error}; expected one whole object per line, correct or "
            f"remove the line.{cut}"
        ) from None
    return row


def shown(value: object) -> str:
    """A value as it stands in an error message, cut short."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text[:60] + "…" if len(text) > 60 else text)
