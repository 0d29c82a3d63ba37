"""Models of this user that MTEB knows by name: folders, each with the metadata MTEB asks for.

MTEB refuses local folders. A model that is registered here is ``org/name`` to it, at a fixed
revision, in every process of this user: ``mteb run -m org/name``.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mteb_hybrid.files.errors import in_words
from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.named import is_name
from mteb_hybrid.files.places import MODELS_VARIABLE, data_folder
from mteb_hybrid.files.whole import write_json
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.models.contents import CARD_FOLDER, ModelError, files_hash, folder_hash
from mteb_hybrid.models.describe import model_facts
from mteb_hybrid.models.load import check_folder, open_folder

if TYPE_CHECKING:
    from mteb.models import ModelMeta
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper


NAME = re.compile(r"(?!.*__)[a-z0-9](?:[\w.-]*[a-z0-9.-])?/[a-z0-9][\w.-]*", re.I | re.A)
"""``org/name``. In names of files the slash is a double underscore, here and in MTEB's results."""

COMMIT = re.compile(r"[0-9a-f]{40}")


class Entry(NamedTuple):
    """A registered model.

    Attributes:
        folder: Where it lies.
        meta: What MTEB is told of it.
        files_hash: Hash of its files when it was registered.
    """

    folder: Path
    meta: "ModelMeta"
    files_hash: str


class _Stored(BaseModel):
    """An entry as it is filed."""

    model_config = ConfigDict(strict=True)

    folder: str = Field(pattern=r"^[^\x00]+$")
    meta: dict[str, Any]
    hash: str | None = None


def models_folder() -> Path:
    """Where the entries lie: what ``MTEB_HYBRID_MODELS`` names, or a folder of the user's data."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named) if named else data_folder() / "models"


def registered() -> dict[str, Path]:
    """Names of the registered models and their entries, in order. Reads no entry."""
    files = sorted(models_folder().glob("[!.]*__*.json"))
    return {file.stem.replace("__", "/", 1): file for file in files}


def entry_file(name: str) -> Path:
    """Where the entry of a name lies; no other name has the same, and the file's gives it back."""
    return models_folder() / f"{name.replace('/', '__')}.json"


def add_model(
    folder: Path,
    name: str,
    fields: Mapping[str, Any] | None = None,
    *,
    revision: str | None = None,
    replace: bool = False,
) -> "ModelMeta":
    """Register a model folder under a name.

    Its metadata come from ``model_meta.json`` of the training run (in the folder or beside it), or
    else from the model itself; `fields` overrides both.

    Args:
        folder: What ``save_pretrained`` wrote.
        name: ``org/name``.
        fields: Fields of MTEB's ``ModelMeta``, such as languages, training_datasets and license.
        revision: Commit of these files on the hub, 40 hex digits; by default a hash of the files.
        replace: Whether to take the place of an entry of that name.

    Returns:
        What MTEB is told.

    Raises:
        ModelError: If the folder holds no model, the name is malformed or taken, the revision is
            no commit, or MTEB does not accept a field.
    """
    folder = folder.resolve()
    clean(folder)
    if revision is not None and not COMMIT.fullmatch(revision):
        raise ModelError(
            f"revision is {revision!r}; expected the commit of the model on the hub, 40 hex digits"
        )
    if not NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} is no name for a model; expected org/name of letters, digits and . _ - "
            "without a double underscore, and no underscore beside the slash"
        )
    file = entry_file(name)
    # The file of a name in other letters is the same one on some systems, and its lock with it.
    with lock(file.with_name(file.name.lower())):
        _check_free(name, replace=replace)
        found = folder_hash(folder)
        named = {**(fields or {}), "name": name, "revision": revision or found}
        meta = describe(folder, named)
        _check_tasks(meta)
        described_meta = meta.model_dump(mode="json", exclude={"loader"})
        if meta.training_datasets is not None:
            described_meta["training_datasets"] = sorted(meta.training_datasets)
        write_json(file, {"folder": str(folder), "hash": found, "meta": described_meta})
    return meta


def _check_free(name: str, *, replace: bool) -> None:
    from mteb.models.model_implementations import MODEL_REGISTRY

    known = registered()
    if name not in known and name in MODEL_REGISTRY:
        raise ModelError(f"{name} is a model that MTEB has itself; choose another name")
    if name in known and not replace:
        raise ModelError(
            f"{name} is registered already, in {known[name]}; give --replace, or remove it"
        )
    for other in known:
        if other != name and other.lower() == name.lower():
            raise ModelError(
                f"{name}: {other} is registered, and some systems do not tell their files and "
                "results apart; choose another name, or remove that one"
            )


def remove_model(name: str) -> None:
    """Forget a model; its folder stays.

    Raises:
        ModelError: If no model has that name, or a folder lies in place of its entry.
    """
    clean(entry_file(name.lower()))  # of one that was killed once it had forgotten the model
    file = _file(name)
    with lock(file.with_name(file.name.lower())):
        if _file(name).is_dir():
            raise ModelError(f"{file}: is a folder, and no entry; move it away")
        file.unlink()


def describe(folder: Path, fields: Mapping[str, Any]) -> "ModelMeta":
    """What MTEB is told of a model folder: what its training run or the model itself says.

    Args:
        folder: What ``save_pretrained`` wrote.
        fields: Fields of MTEB's ``ModelMeta`` that override that.

    Raises:
        ModelError: If the folder holds no model, or MTEB does not accept a field.
    """
    import mteb

    check_folder(folder)
    described = {**model_facts(folder), **fields, "loader": load_registered}
    try:
        return mteb.models.ModelMeta.model_validate(described)
    except ValidationError as error:
        problems = "; ".join(map(in_words, error.errors()))
        raise ModelError(
            f"{described.get('name')}: MTEB does not accept its metadata: {problems}"
        ) from None


def find_model(source: str) -> tuple[Path | None, "ModelMeta"]:
    """A model by its name or folder, and what MTEB knows of it; nothing is fetched.

    Args:
        source: Name of a registered model, a model folder, or the name of a model of MTEB's own.

    Returns:
        Its folder, None if MTEB's own loader fetches it, and its metadata. A folder that is not
        registered is described by its training run, or else by the model.

    Raises:
        ModelError: If there is no such model, or the folder is registered under several names.
    """
    from mteb.models.model_implementations import MODEL_REGISTRY

    if is_name(source, registered(), "model"):
        return read_entry(source)[:2]
    if is_name(source, MODEL_REGISTRY, "model"):
        return None, MODEL_REGISTRY[source]
    clean(folder := Path(source))
    if folder.is_dir():
        entries = {
            name: entry
            for name, entry in read_entries()
            if isinstance(entry, Entry) and entry.folder == folder.resolve()
        }
        if len(entries) > 1:
            raise ModelError(
                f"{folder} is registered as {', '.join(entries)}; give one of the names"
            )
        for entry in entries.values():
            return entry[:2]
        return folder, describe(folder, {"revision": folder_hash(folder)})
    raise ModelError(
        f"no model {source!r}: neither a registered name ({', '.join(registered()) or 'none'}), "
        "nor a folder, nor a model that MTEB has"
        f"{did_you_mean(source, [*registered(), *MODEL_REGISTRY])}"
    )


def read_entries() -> Iterator[tuple[str, Entry | ModelError]]:
    """What is registered, in order: names, and the entry of each or why it cannot be read."""
    for name in registered():
        try:
            yield name, read_entry(name)
        except ModelError as error:
            yield name, error


def read_entry(name: str) -> Entry:
    """What is registered under a name.

    Raises:
        ModelError: If no model has that name, or its entry cannot be read or is of another name.
    """
    import mteb

    file = _file(name)
    if not file.is_file():
        raise ModelError(f"{file}: not the entry of a model, but no file; move it away")
    try:
        stored = _Stored.model_validate(json_file(file))
        if stored.meta.get("name") != name:
            raise ValueError(f"it is of {stored.meta.get('name')!r}")
        meta = mteb.models.ModelMeta.model_validate(stored.meta | {"loader": load_registered})
    except Exception as error:  # MTEB's validators raise anything, and one entry hides no other
        said = str(error).removeprefix(f"{file}: ")
        if isinstance(error, ValidationError):
            said = in_words(error.errors()[0])
        raise ModelError(
            f"{file}: not the entry of a model ({said}); remove it with `mteb-hybrid models "
            f"remove {name}` and add the model again"
        ) from error
    # Entries of earlier versions had the hash as their revision.
    return Entry(Path(stored.folder), meta, stored.hash or str(meta.revision))


def load_registered(
    model_name: str, revision: str | None = None, device: str | None = None, **kwargs: Any
) -> "SentenceTransformerEncoderWrapper":
    """Load a registered model, as ``ModelMeta.load_model`` asks for it.

    Raises:
        ModelError: If its folder is gone, or holds other files than when it was registered, or
            it was registered at another revision.
    """
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    folder, meta, expected = read_entry(model_name)
    again = f"`mteb-hybrid models add FOLDER --name {model_name} --replace`"
    clean(folder)
    if not folder.is_dir():
        raise ModelError(f"{folder}: the folder of {model_name} is gone; put it back, or {again}")
    if revision not in (None, meta.revision):
        raise ModelError(f"{model_name} is registered at revision {meta.revision}, not {revision}")
    found = folder_hash(folder)
    if expected not in (found, _hash_of_all(folder)):
        raise ModelError(
            f"{folder}: its files have the hash {found}, but those that were registered as "
            f"{model_name} had {expected}; results would be filed under the wrong revision: {again}"
        )
    model = open_folder(folder, device)
    return SentenceTransformerEncoderWrapper(model, **kwargs)


def _hash_of_all(folder: Path) -> str | None:
    """The hash in entries of earlier versions: of all files, but without those in linked folders.

    None if there are such folders, as it says nothing of them.
    """
    below = list(folder.rglob("*"))
    if any(path.is_symlink() and path.is_dir() for path in below):
        return None
    named = [(path, path.relative_to(folder).parts) for path in below if path.is_file()]
    return files_hash(
        folder,
        (file for file, parts in named if file.name != "README.md" and parts[0] != CARD_FOLDER),
    )


def _check_tasks(meta: "ModelMeta") -> None:
    import mteb

    if not meta.training_datasets:
        return  # listing all tasks takes seconds
    known = [str(task.metadata.name) for task in mteb.get_tasks()]
    for name in sorted(meta.training_datasets):
        if name not in known:
            raise ModelError(
                f"training_datasets: MTEB has no task {name!r}{did_you_mean(name, known)} Expected "
                "names of tasks, as in `mteb available-tasks`"
            )


def _file(name: str) -> Path:
    known = registered()
    if name not in known:
        raise ModelError(
            f"no model {name!r} is registered{did_you_mean(name, known)} There are: "
            f"{', '.join(known) or 'none'}"
        )
    return known[name]
