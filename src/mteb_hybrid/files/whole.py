"""Files and folders that are written whole, or not at all."""

import filecmp
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mteb_hybrid.files.errors import ExportError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file or folder under another name, beside its place, and rename it when it is whole.

    If anything fails, its place is as it was before.

    Args:
        path: Where it goes; its folder is made if need be, and what is there is replaced.

    Yields:
        The path to write to, with nothing there yet. It has another suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        yield part
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8 and with line feeds as they are."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file whole."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def whole_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write a folder under another name, beside its place, and rename it when it is whole.

    A folder that already holds exactly what was written stays as it is, so an export that was
    interrupted can be given again. If anything fails, the target is as it was before.

    Args:
        target: Where the folder goes.
        overwrite: Whether a folder that holds anything else is replaced, with all that is in it.

    Yields:
        An empty folder to write into.

    Raises:
        ExportError: If the target is a file, or holds anything else and may not be replaced.
    """
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target}: is a file; expected a folder. Choose another --output.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part, old = (
        target.with_name(f".{target.name}-{secrets.token_hex(4)}.{kind}")
        for kind in ("part", "old")
    )
    part.mkdir()
    try:
        yield part
        if _files(target) and not overwrite and not _same(part, target):
            raise ExportError(
                f"{target}: holds other files than this export makes; expected a new or empty "
                "folder, or one from the same export. Choose another --output, or replace all "
                "that is in it with --overwrite."
            )
        if not target.exists():
            part.rename(target)
        elif not _same(part, target):
            target.rename(old)
            try:
                part.rename(target)
            except OSError:
                old.rename(target)
                raise
            shutil.rmtree(old)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def _same(first: Path, second: Path) -> bool:
    files = _files(first)
    return files == _files(second) and all(
        (first / file).is_dir() or filecmp.cmp(first / file, second / file, shallow=False)
        for file in files
    )
