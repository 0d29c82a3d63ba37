"""What stands for the content of data and models, so that a run knows them from those of yesterday.

Of what is not at hand, `ABSENT` stands: a plan can be made of it, and nothing run.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.rewritten import RewrittenCard
from mteb_hybrid.cards.tasks import own_digest
from mteb_hybrid.files import places
from mteb_hybrid.files.named import is_name
from mteb_hybrid.files.whole import write_text
from mteb_hybrid.models.contents import folder_hash, loaded_files
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.recipes.places import data_path

Stamp: TypeAlias = tuple[str, int, int, int]

ABSENT = "not at hand"

LARGE = 2**26
"""Bytes from which on the hash of a file is kept in the user's cache."""


def data_content(data: Data) -> str:
    """Of training data."""
    if data.format == "collection":
        return collection_content(data.path)
    try:
        path = data_path(data.path)
    except CardError:
        return ABSENT
    return _of_files(path, _below(path) if path.is_dir() else [path])


def texts_content(name: str) -> str:
    """Of what a repair is fitted on: a folder's texts, a file, or a collection."""
    if is_name(name, collections(), "collection"):
        return collection_content(name)
    path = Path(name)
    if not path.exists():
        return ABSENT
    return _of_files(path, path.glob("*.txt") if path.is_dir() else [path])


def model_content(name: str) -> str:
    """Of the model that is no name on the hub."""
    folder = Path(name)
    if not folder.is_dir():
        return ABSENT
    return _of_folder(folder, tuple(map(_stamp, sorted(loaded_files(folder)))))


@cache
def _of_folder(folder: Path, stamps: tuple[Stamp, ...]) -> str:
    return folder_hash(folder)


def collection_content(name: str) -> str:
    """Of a collection, as this process reads it."""
    card = collections()[name]
    rewritten = f"+{card.digest}" if isinstance(card, RewrittenCard) else ""
    revision = f"{card.source.revision}+{card.source.known_faults.digest}{rewritten}"
    own = own_digest(card)
    return f"{revision}+{own}" if own else revision


def _below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder, followlinks=True):
        yield from (Path(place, name) for name in names)


def _of_files(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        if file.is_file():
            name = file.relative_to(root) if root.is_dir() else Path(file.name)
            digest.update(f"{name.as_posix()}\0{_of_file(_stamp(file))}\0".encode())
    return digest.hexdigest()[:16]


def _stamp(file: Path) -> Stamp:
    """What tells whether a file changed."""
    stat = file.stat()
    return str(file.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@cache
def _of_file(stamp: Stamp) -> str:
    path, size, *_ = stamp
    kept = None
    if size >= LARGE:
        name = hashlib.sha256(repr(stamp).encode()).hexdigest()[:32]
        kept = places.cache_folder() / "digests" / f"file-{name}"
        if kept.is_file():
            return kept.read_text(encoding="utf-8")
    with Path(path).open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if kept:
        write_text(kept, found)
    return found
