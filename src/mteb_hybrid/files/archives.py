"""Published archives: zip files, unpacked whole or not at all, and nowhere but in their folder.

An archive is looked through before anything of it is unpacked. Refused are those that make more of
themselves than any text does (bombs), and names that are not the same file on every system.
"""

import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.inside import path_fault
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole_folder

MEMBERS = 10_000
"""How many files and folders an archive may hold."""

BYTES = 2**34
"""How many bytes it may unpack to, where its card does not say more."""

RATIO = 50
"""How many times its size it may have unpacked, beyond `_LITTLE`; texts have 3 to 10 times."""

_LITTLE = 2**26
_HEADER = 30
"""Bytes of the least header before a member's content."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeError)


def unpack(archive: Path, folder: Path, most: int | None = None) -> None:
    """Unpack a zip file into a new folder, unless it is there.

    Args:
        archive: The file.
        folder: What it becomes; its parents are made if need be.
        most: How many bytes it may unpack to, if its card says so.

    Raises:
        DataError: If the archive is damaged or encrypted, holds anything but files and folders with
            paths inside of it, or unpacks to more than it may or the disk can take. Then nothing
            is left behind.
    """
    with lock(folder.with_name(f"{folder.name}.unpacking")):  # `whole_folder` locks the folder
        if folder.is_dir():  # another process was faster
            return
        with opened(archive, most) as zipped, whole_folder(folder) as part:
            size = sum(member.file_size for member in zipped.infolist())
            if size > (free := shutil.disk_usage(part).free):
                raise DataError(
                    f"{archive}: unpacks to {_mb(size)}, and {part.parent} has {_mb(free)} left; "
                    "make room there."
                )
            zipped.extractall(part)


@contextmanager
def opened(archive: Path, most: int | None = None) -> Iterator[zipfile.ZipFile]:
    """An open zip file that was looked through.

    Args:
        archive: The file.
        most: As for `unpack`.

    Raises:
        DataError: As `unpack`; also if its content turns out to be damaged while it is open.
    """
    try:
        try:
            zipped = zipfile.ZipFile(archive)
        except (ValueError, NotImplementedError) as error:  # a place before the file's beginning
            raise zipfile.BadZipFile(str(error)) from None
        with zipped:
            fault = _fault(zipped, archive.stat().st_size, most)
            if fault:
                raise DataError(f"{archive}: {fault}. Do not use this archive.")
            yield zipped
    except _DAMAGE as error:
        raise DataError(
            f"{archive}: cannot be unpacked: {error}; expected a whole zip file. Get it again, or "
            "correct the card, if one names it."
        ) from None


def _fault(zipped: zipfile.ZipFile, packed: int, most: int | None) -> str | None:
    """Why an archive is not unpacked, if so."""
    members = zipped.infolist()
    if len(members) > MEMBERS:
        return f"holds {len(members):,} files; expected {MEMBERS:,} at most"
    for member in members:
        if fault := _fault_of(member):
            return f"{member.orig_filename!r} {fault}"
    if twice := _same_place(members):
        return f"{twice[0]!r} and {twice[1]!r} are one file, or one in the other, on some system"
    if over := _overlapping(members, zipped.start_dir):
        return f"{over!r} shares its content with another member, as in a bomb"
    size = sum(member.file_size for member in members)
    if most is None and size > _LITTLE and size > RATIO * packed:
        return f"unpacks to more than {RATIO} times its size, as no text does"
    if size > (most or BYTES):
        return (
            f"unpacks to {_mb(size)}; expected {_mb(most or BYTES)} at most (unpacked_bytes in the "
            "card)"
        )
    return None


def _fault_of(member: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if fault := path_fault(member.orig_filename):
        return f"{fault}; expected files and folders with relative paths"
    if not PurePosixPath(member.orig_filename).parts:
        return "is no name of a file"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; expected files and folders"
    if member.flag_bits & 0x41:
        return "is encrypted; expected an archive without a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed by another method than zip's own (deflate); expected that"
    if member.flag_bits & 0x20:
        return "is a change of another file; expected whole files"
    return None


def _same_place(members: Sequence[zipfile.ZipInfo]) -> tuple[str, str] | None:
    """Two names that stand for one place where case or Unicode's forms do not count."""
    written: dict[tuple[str, ...], str] = {}
    files: dict[tuple[str, ...], str] = {}
    for member in members:
        parts = PurePosixPath(member.filename).parts
        folded = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            if (before := written.setdefault(folded[:end], name)) != name:
                return before, name
            if folded[:end] in files:
                return files[folded[:end]], member.filename
        if not member.is_dir():
            files[folded] = member.filename
    inner = {folded[:end]: folded for folded in files for end in range(1, len(folded))}
    both = next((folded for folded in files if folded in inner), None)
    return (files[both], files[inner[both]]) if both else None


def _overlapping(members: Sequence[zipfile.ZipInfo], end: int) -> str | None:
    """A member whose content is not its own alone."""
    for member in sorted(members, key=lambda member: member.header_offset, reverse=True):
        start = member.header_offset
        if start < 0 or start + _HEADER + member.compress_size > end:
            return member.filename
        end = start
    return None


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
