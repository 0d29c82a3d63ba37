"""What a model's folder holds: the files that loading reads, and their hash, its revision."""

import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import json_file

CARD_FOLDER = "model_card"
REPAIR_RECORD = "repair.json"
"""What a repaired model tells of its repair."""

NOT_LOADED = (
    *(".*", "*~", "*.tmp", "__pycache__", "Thumbs.db", "desktop.ini"),  # what tools leave
    *("*.md", "LICENSE*", "NOTICE*", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.pdf"),
    "model_meta.json",
    *("optimizer.*", "scheduler.*", "scaler.*", "rng_state*"),  # what training goes on from
    *("trainer_state.json", "training_args.bin", "events.out.tfevents*"),
    *("*.onnx", "*.h5", "*.msgpack", "*.ot"),  # weights for other frameworks
)
"""Names of files and folders that loading a model does not read. Any other file may be read."""


class ModelError(ValueError):
    """A model that cannot be loaded. The message says what was expected."""


def folder_hash(folder: Path) -> str:
    """Hash of the names and contents of a model's files, those that are loaded: 16 hex digits.

    Read are the files in the folder itself, in the folders that ``modules.json`` names, and in
    ``additional_chat_templates``; in every folder, where there is Python code, which may read
    anything; and those of the folder that an adapter names as its base. Of these, every file counts
    that is not one of `NOT_LOADED`. Symbolic links are followed.
    """
    return files_hash(folder, loaded_files(folder))


def files_hash(folder: Path, files: Iterable[Path]) -> str:
    """Hash of the names, relative to a folder, and the contents of files: 16 hex digits."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    if base := base_folder(folder):
        digest.update(folder_hash(base).encode())
    return digest.hexdigest()[:16]


def loaded_files(folder: Path) -> list[Path]:
    """The files that loading a model reads, as `folder_hash` says, but for those of its base."""
    found = list(_walk(folder, deep=False))
    for name in _module_folders(folder):
        found += _walk(folder / name, above=(folder.resolve(),))
    if any(file.suffix == ".py" for file in found):
        return [file for file in _walk(folder) if file.relative_to(folder).parts[0] != CARD_FOLDER]
    return found


def _walk(folder: Path, *, deep: bool = True, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    if not folder.is_dir() or (here := folder.resolve()) in above:  # a link back to where it lies
        return
    for entry in folder.iterdir():
        if any(fnmatchcase(entry.name, pattern) for pattern in NOT_LOADED):
            continue
        if entry.is_file():
            yield entry
        elif deep:
            yield from _walk(entry, above=(*above, here))


def _module_folders(folder: Path) -> set[str]:
    """The outermost of the folders that modules.json names, and that of chat templates."""
    names = {"additional_chat_templates"}
    if (file := folder / "modules.json").is_file():
        for module in checked_json(file, list):
            if not isinstance(module, dict):
                raise ModelError(f"{file}: expected a list of tables with a path, found {module!r}")
            names.update(_outermost(file, module.get("path") or ""))
    if (file := folder / "router_config.json").is_file():  # a Router keeps its modules at the root
        types = checked_json(file, dict).get("types", {})
        if not isinstance(types, dict):
            raise ModelError(f"{file}: key 'types': expected a table of modules, found {types!r}")
        for name in types:
            names.update(_outermost(file, name))
    return names


def _outermost(file: Path, path: object) -> tuple[str, ...]:
    """The first part of a path that a file of a model names; nothing of the model's own folder."""
    place = PurePosixPath(path) if isinstance(path, str) else None
    if place is None or place.is_absolute() or ".." in place.parts:
        raise ModelError(
            f"{file}: the path {path!r} is none inside of the model's folder; save the model anew "
            "with sentence-transformers"
        )
    return place.parts[:1]


def base_folder(folder: Path) -> Path | None:
    """The folder of the model that an adapter changes, if that is a folder.

    Raises:
        ModelError: If that holds an adapter too.
    """
    file = folder / "adapter_config.json"
    named = checked_json(file, dict).get("base_model_name_or_path") if file.is_file() else None
    base = Path(named) if named else None
    if not base or not base.is_dir() or base.resolve() == folder.resolve():
        return None
    if (base / file.name).is_file():  # in the end, of the first one
        raise ModelError(f"{file}: names {base} as its base, an adapter too; merge one of them")
    return base


def checked_json(file: Path, kind: type) -> Any:
    """As `json_file`, with a `ModelError` if it is not so."""
    try:
        return json_file(file, kind)
    except DataError as error:
        raise ModelError(str(error)) from None
