"""Models to evaluate: the ones MTEB knows by name, and local folders, which MTEB refuses."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import json_file

if TYPE_CHECKING:
    from mteb.models import MTEBModels


CARD_FOLDER = "model_card"

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


def load_model(name: str, revision: str | None = None, device: str | None = None) -> "MTEBModels":
    """Load a model by its MTEB name, its name on the hub, or its folder.

    Results of a folder are filed as ``local/FOLDER`` at a revision that is a hash of its files.

    Args:
        name: A name such as ``intfloat/multilingual-e5-small``, or a folder.
        revision: Revision on the hub; MTEB's own choice if None. Not for folders.
        device: A torch device; MTEB's or sentence-transformers' own choice if None.

    Raises:
        ModelError: If a folder holds no model, or the name is unknown.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module="mteb")
    folder = Path(name)
    if folder.is_dir():
        return _load_folder(folder, device)
    import mteb

    options: Any = {"device": device} if device else {}
    try:
        return mteb.get_model(name, revision, **options)
    except KeyError as error:
        raise ModelError(
            f"no model {name!r}: neither a folder nor a name that MTEB knows ({error.args[0]})"
        ) from None


def _load_folder(folder: Path, device: str | None) -> "MTEBModels":
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: no model: neither modules.json (sentence-transformers) nor config.json "
            "(transformers) is in it. Name the folder that save_pretrained wrote."
        )
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device=device, local_files_only=True)
    wrapper = SentenceTransformerEncoderWrapper(model)
    name = folder.resolve().name.replace("__", "_")
    wrapper.mteb_model_meta = wrapper.mteb_model_meta.model_copy(
        update={"name": f"local/{name}", "revision": folder_hash(folder)}
    )
    return wrapper


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
    if base := _base(folder):
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
        for module in _json(file, list):
            names.update(PurePosixPath(str(module.get("path") or "")).parts[:1])
    if (file := folder / "router_config.json").is_file():  # a Router keeps its modules at the root
        names.update(PurePosixPath(name).parts[0] for name in _json(file, dict).get("types", {}))
    return names


def _base(folder: Path) -> Path | None:
    """The folder of the model that an adapter changes, if that is a folder."""
    file = folder / "adapter_config.json"
    named = _json(file, dict).get("base_model_name_or_path") if file.is_file() else None
    base = Path(named) if named else None
    return base if base and base.is_dir() and base.resolve() != folder.resolve() else None


def _json(file: Path, kind: type) -> Any:
    try:
        found = json_file(file)
    except DataError as error:
        raise ModelError(str(error)) from None
    if not isinstance(found, kind):
        raise ModelError(f"{file}: expected a JSON {kind.__name__}, found {type(found).__name__}")
    return found
