"""Files of a collection: in the user's data folder, downloaded once, or shipped with the card."""

import os
from pathlib import Path

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.source import FileSource
from mteb_hybrid.cards.tables import Archive, File
from mteb_hybrid.files.download import DownloadError, download, has_sha256, sha256_of
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.inside import inside
from mteb_hybrid.files.places import DATA_VARIABLE, cache_folder


def locate(card: TaskCard, language: str) -> Path:
    """The file of one language of a collection: see `locate_file`.

    Args:
        card: The collection's card.
        language: Short code of one of its languages.
    """
    entry = card.languages[language].model_dump(exclude={"code"})
    return locate_file(card, File.model_validate(entry))


def locate_file(card: TaskCard, entry: File) -> Path:
    """One file of a collection, with the right checksum.

    Looked for in the folder that the environment variable ``MTEB_HYBRID_DATA`` names, else in the
    user's cache, to which it is downloaded first if need be. Files that the user makes are in that
    folder alone, and a card without any address has its files beside it.

    Args:
        card: The collection's card.
        entry: What the card says of the file.

    Returns:
        Path of the file.

    Raises:
        DataError: If it is missing, cannot be downloaded or has another checksum, or a link leads
            out of the folder of the card or the cache. A refused download leaves nothing behind.
    """
    source = card.source
    if not isinstance(source, FileSource):
        raise TypeError(f"{card.file}: format {source.format!r} has no files")
    place = _place(card, source, entry)
    return _checked(*place, entry) if place else _download(source, entry)


def check_there(card: TaskCard) -> None:
    """Find out whether the files that a card lists are there, where none is downloaded.

    What is in them is read later; this is told before a model is loaded.

    Raises:
        DataError: If one is not.
    """
    source = card.source
    if not isinstance(source, FileSource):
        return
    own = [one.model_dump(exclude={"code"}) for one in card.languages.values() if one.file]
    for entry in (*map(File.model_validate, own), *source.further_files()):
        if not isinstance(entry, Archive) and (place := _place(card, source, entry)):
            _check_is_file(*place)


def is_there(card: TaskCard) -> bool | None:
    """Whether the files that a card lists are at hand; nothing is downloaded.

    Returns:
        None where that cannot be told: of texts that are loaded from a hub, and of archives.
    """
    source = card.source
    if not isinstance(source, FileSource) or getattr(source, "passages", None):
        return None
    own = [one.model_dump(exclude={"code"}) for one in card.languages.values() if one.file]
    entries = [*map(File.model_validate, own), *source.further_files()]
    if any(isinstance(entry, Archive) for entry in entries):
        return None
    for entry in entries:
        try:
            place = _place(card, source, entry)
        except DataError:  # nothing says where it is
            return False
        file = place[0] if place else _cached(source, entry)
        if not file.is_file():
            return False
    return True


def _cached(source: FileSource, entry: File) -> Path:
    return inside(cache_folder(), f"{source.path}/{source.revision}/{entry.file}")


def _place(card: TaskCard, source: FileSource, entry: File) -> tuple[Path, str] | None:
    """Where a file has to be, and what to do if it is not; None if it is downloaded."""
    if source.url is None and source.made_from is None:
        return beside(card, source, entry.file), (f"Put it there, or correct {card.file}.")
    folder = os.environ.get(DATA_VARIABLE)
    if source.made_from:
        remedy = f"Make it of {source.made_from}, see {source.path} in tasks/README.md."
        if not folder:
            raise DataError(
                f"{source.path}/{entry.file}: cannot be downloaded as it is. {remedy} Then set "
                f"{DATA_VARIABLE} to the folder that holds it."
            )
    elif not folder:
        return None
    else:
        remedy = f"Put the published file there, or unset {DATA_VARIABLE} to download it."
    return Path(folder) / source.path / entry.file, remedy


def beside(card: TaskCard, source: FileSource, path: str = ".") -> Path:
    """A file or folder of a collection that lies beside its card.

    Args:
        card: The card.
        source: Its source.
        path: Below the source's folder.

    Raises:
        DataError: If it is a link that leads out of the folder of the card.
    """
    return inside(card.file.parent, f"{source.path}/{path}")


def _check_is_file(file: Path, remedy: str) -> None:
    if not file.is_file():
        raise DataError(f"{file}: no such file. {remedy}")


def _checked(file: Path, remedy: str, entry: File) -> Path:
    _check_is_file(file, remedy)
    if (found := sha256_of(file)) != entry.sha256:
        raise DataError(
            f"{file}: altered or cut short: its sha256 is {found}, the card expects "
            f"{entry.sha256}. {remedy}"
        )
    return file


def _download(source: FileSource, entry: File) -> Path:
    url = f"{source.url}{entry.published_as or entry.file}"
    file = _cached(source, entry)
    remedy = (
        f"Check the connection and try again, or set {DATA_VARIABLE} to a folder that holds "
        f"{source.path}/{entry.file}."
    )
    if has_sha256(file, entry.sha256):
        return file
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise DataError(
            f"{file}: not downloaded yet, and HF_HUB_OFFLINE is set. Unset it to download, or set "
            f"{DATA_VARIABLE} to a folder that holds {source.path}/{entry.file}."
        )
    try:
        download(url, file, entry.sha256)
    except DownloadError as error:
        raise DataError(f"{error} {remedy}") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be written ({error.strerror or error}).") from None
    return file
