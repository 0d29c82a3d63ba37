"""JSON and TOML that others wrote: parsed within limits, and refused beyond them.

What is nested deeper than any honest file ends a parser in a `RecursionError`; a TOML key of many
thousand parts takes it minutes, and a number of as many digits ends in errors later on. So a text
is looked through once before it is parsed.
"""

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mteb_hybrid.files.errors import DataError

DEPTH = 100
"""How deep objects and arrays may be nested."""

DIGITS = 40
"""How many digits an integer may have in JSON."""

LARGE = 2**14
"""Bytes from which on it pays to look for faults before parsing."""

TOML_BYTES = 2**20
TOML_DEPTH = 20
"""How deep tables may be nested, and how many parts a key may have."""

_NO_MARKS = bytes(set(range(256)) - set(b"[]{}"))
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_JSON = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_TOML = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']++|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]++|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
_KEY = re.compile(r"[\w\-. \t]++")


class RepeatedKeyError(ValueError):
    """An object of JSON in which a key stands twice."""


def parse_json(raw: bytes) -> Any:
    """The JSON of some bytes.

    Raises:
        UnicodeError: If they are not UTF-8, or an escape is half of a surrogate pair.
        RepeatedKeyError: If a key stands twice in an object.
        ValueError: If they are not JSON, or beyond the limits.
    """
    found = _large(raw) if len(raw) > LARGE else _small(raw)
    if _SURROGATE.search(raw):
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _small(raw: bytes) -> Any:
    if raw.count(b"[") + raw.count(b"{") > DEPTH:
        _check_depth((match[0] for match in _JSON.finditer(raw)), b"[{", b"]}", DEPTH)
    return DECODER.decode(raw.decode())


def _large(raw: bytes) -> Any:
    """As `_small`; what no honest file has is looked for all at once, with what runs in C."""
    bare = b"".join(raw.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    marks = bare.translate(None, _NO_MARKS)
    for _ in range(DEPTH // 2):  # each takes away one level or two
        marks = marks.replace(b"{}", b"").replace(b"[]", b"")
        if not marks:
            break
    if marks or b"0" * (DIGITS + 1) in bare.translate(_AS_ZEROS):
        return _small(raw)
    keys = 0

    def count(content: dict[str, Any]) -> dict[str, Any]:
        nonlocal keys
        keys += len(content)
        return content

    found = json.loads(raw.decode(), object_hook=count)
    return found if keys == bare.count(b":") else _small(raw)


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        DataError: If it is not TOML in UTF-8, or beyond the limits.
    """
    try:
        if file.stat().st_size > TOML_BYTES:
            raise ValueError(f"larger than {TOML_BYTES // 2**20} MiB")
        text = file.read_text(encoding="utf-8-sig")
        rest = _TOML.sub("s", text)
        _check_depth(re.findall(r"[\[\]{}]", rest), "[{", "]}", TOML_DEPTH)
        if any(key.count(".") >= TOML_DEPTH for key in _KEY.findall(rest)):
            raise ValueError(f"a key of more than {TOML_DEPTH} parts")
        content = tomllib.loads(text)
        _check_numbers(content)
    except (ValueError, RecursionError) as error:  # tomllib.TOMLDecodeError is one
        raise DataError(f"{file}: not a TOML file in UTF-8: {error}. Correct that line.") from None
    return content


def toml_value(value: Any) -> str:
    """Strings, numbers, booleans, and lists of them, as TOML."""
    # JSON has them written alike, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_depth(
    marks: Iterable[str] | Iterable[bytes], opening: str | bytes, closing: str | bytes, most: int
) -> None:
    depth = 0
    for mark in marks:
        if mark in opening:  # type: ignore[operator]
            depth += 1
            if depth > most:
                raise ValueError(f"nested deeper than {most} levels")
        elif mark in closing:  # type: ignore[operator]
            depth -= 1


def _check_numbers(value: object) -> None:
    """Refuse integers that TOML does not have."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_numbers(part)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer beyond 64 bits")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        shown = repr(key[:60] + "…" if len(key) > 60 else key)
        raise RepeatedKeyError(f"the key {shown} stands twice in an object; keep one")
    return found


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a number of {len(digits)} digits; expected {DIGITS} at most")
    return int(digits)


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)
"""The decoder of `parse_json`, which checks depth and characters besides."""
