"""Sizes in bytes, as people write them."""

import os
import re

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import MEMORY_VARIABLE

LEAST = 2**28
"""Bytes of memory that ranking cannot do without: a few tiles of scores, and their vectors."""

_UNITS = {
    **{letter + "B": 1000**power for power, letter in enumerate(("", "K", "M", "G", "T"))},
    **{letter + "IB": 1024**power for power, letter in enumerate(("K", "M", "G", "T"), 1)},
}


def parse_size(text: str) -> int:
    """Bytes of a size such as ``4GB``, ``512 MiB`` or ``1.5TB``.

    Raises:
        DataError: If it is none.
    """
    found = re.fullmatch(
        r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]?i?B)", text.strip(), re.IGNORECASE | re.ASCII
    )
    if not found or found[2].upper() not in _UNITS:
        raise DataError(f"{text!r} is no size; write a number and a unit, as 4GB or 512MiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def memory_limit() -> int | None:
    """Bytes that ``MTEB_HYBRID_MEMORY`` allows; None if it is not set.

    Raises:
        DataError: If it is no size, or too little to rank anything.
    """
    said = os.environ.get(MEMORY_VARIABLE)
    return check_memory(said, MEMORY_VARIABLE) if said else None


def check_memory(text: str, where: str) -> int:
    """Bytes of memory that a user allows.

    Args:
        text: As of `parse_size`.
        where: Who says so, for errors.

    Raises:
        DataError: If it is no size, or too little to rank anything.
    """
    try:
        size = parse_size(text)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if size < LEAST:
        raise DataError(f"{where}: {text} is too little to rank anything; allow at least 256MiB")
    return size
