"""Files and folders that are written whole, or not at all."""

import errno
import filecmp
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.leftovers import clean, pointed_to, unfinished
from mteb_hybrid.files.lock import lock

UNNAMED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing, of which Python does not say in which file."""

_SHORT = re.compile(r"\d+ requested and \d+ written|inline_container|PytorchStreamWriter")
"""How numpy and torch say that not all was written."""


@contextmanager
def whole(path: Path, *, follow: bool = False) -> Iterator[Path]:
    """Write a file or folder under another name, beside its place, and rename it when it is whole.

    If anything fails, its place is as it was before; a process that is killed or a machine that
    loses power leaves there what was before or what is new, and what lies beside it is cleared away
    by the next that writes to the same place.

    Args:
        path: Where it goes; its folder is made if need be, and what is there is replaced.
        follow: Whether a link there is followed, for a place that the user names. Else the link
            itself is replaced: in a folder that others filled, it may lead anywhere.

    Yields:
        The path to write to, with nothing there yet. It has another suffix.

    Raises:
        FileExistsError: If a file is written where a folder lies, or a folder where a file does.
        OSError: If a device or a pipe is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = pointed_to(path) if follow else path
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "neither a file nor a folder; name a file", str(path))
    clean(path)
    part, old = _beside(path)
    try:
        with named(path, part):
            yield part
            _flush(part)
            if path.exists() and path.is_dir() != part.is_dir():
                there = "folder" if path.is_dir() else "file"
                raise FileExistsError(
                    errno.EEXIST, f"is a {there}; move it away, or choose another name", str(path)
                )
            if part.is_dir():
                with lock(path):
                    _exchange(part, path, old)
            else:
                part.replace(path)
            _flush_folder(path.parent)
    finally:
        _remove(part)


def write_text(path: Path, text: str, *, follow: bool = False) -> None:
    """Write a text file whole, in UTF-8 and with line feeds as they are; see `whole`."""
    with whole(path, follow=follow) as part:
        part.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file whole."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    # What is not UTF-8 in a path: JSON can hold it as an escape.
    write_text(path, re.sub("[\ud800-\udfff]", lambda found: ascii(found[0])[1:-1], text) + "\n")


@contextmanager
def whole_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write a folder under another name, beside its place, and rename it when it is whole.

    A folder that already holds exactly what was written stays as it is, so an export that was
    interrupted can be given again. If anything fails, the target is as it was before.

    Args:
        target: Where the folder goes. A link there is followed: large folders lie on other disks.
        overwrite: Whether a folder that holds anything else is replaced, with all that is in it.

    Yields:
        An empty folder to write into.

    Raises:
        ExportError: If the target is a file, or holds anything else and may not be replaced.
    """
    target = pointed_to(target)
    clean(target)
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target}: is a file; expected a folder. Choose another --output.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part, old = _beside(target)
    try:
        with named(target, part):
            part.mkdir()
            yield part
            with lock(target):
                if not target.exists() or not _same(part, target):
                    if _files(target) and not overwrite:
                        raise ExportError(
                            f"{target}: holds other files than this export makes; expected a new "
                            "or empty folder, or one from the same export. Choose another "
                            "--output, or replace all that is in it with --overwrite."
                        )
                    _flush(part)
                    _exchange(part, target, old)
            _flush_folder(target.parent)
    finally:
        _remove(part)


@contextmanager
def named(path: Path, part: Path | None = None) -> Iterator[None]:
    """Have errors of writing name the place, and be an `OSError` whichever library raises them.

    Those of a full disk name nothing, and libraries in Rust and C++ have errors of their own.

    Args:
        path: What is written.
        part: The name under which it is.

    Raises:
        OSError: With the path, if it cannot be written.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            name = os.fsdecode(error.filename2 or error.filename or "")  # of a copy, the second
            if error.errno in UNNAMED and not name:
                error.filename, error.strerror = str(path), os.strerror(error.errno)
            elif part and name.startswith(str(part)):
                error.filename, error.filename2 = str(path) + name.removeprefix(str(part)), None
            raise
        rust = re.search(r"\(os error (\d+)\)", str(error))
        number = int(rust[1]) if rust else errno.ENOSPC if _SHORT.search(str(error)) else None
        if number not in UNNAMED:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def _beside(path: Path) -> tuple[Path, Path]:
    """Where the new one is made, and where the old one lies for a moment."""
    stem = f"{unfinished(path.name)}{secrets.token_hex(4)}"
    return path.with_name(f"{stem}.part"), path.with_name(f"{stem}.old")


def _exchange(part: Path, target: Path, old: Path) -> None:
    """Put a folder in its place, and what is there away; `clean` ends what a kill leaves begun."""
    try:
        if target.exists():
            target.rename(old)
        part.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    _remove(old)


def _flush(path: Path) -> None:
    """Have the disk hold a file, or a folder with all that is in it."""
    if path.is_symlink():
        return
    if path.is_dir():
        for below in path.iterdir():
            _flush(below)
        _flush_folder(path)
    else:
        _sync(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)


def _flush_folder(folder: Path) -> None:
    """Have the disk hold the names in a folder; systems that cannot do that keep them otherwise."""
    with suppress(OSError):
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # where nothing can be removed, nothing was written
            path.unlink(missing_ok=True)


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def _same(first: Path, second: Path) -> bool:
    files = _files(first)
    return files == _files(second) and all(
        (first / file).is_dir() or filecmp.cmp(first / file, second / file, shallow=False)
        for file in files
    )
