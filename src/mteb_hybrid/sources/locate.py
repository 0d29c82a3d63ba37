"""Files of a collection: in the user's data folder, downloaded once, or shipped with the card."""

import hashlib
import os
import sys
from pathlib import Path

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.source import FileSource
from mteb_hybrid.cards.tables import File
from mteb_hybrid.files.errors import DataError
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
    user's cache, to which it is downloaded first if need be. A card without a URL has its files
    beside it.

    Args:
        card: The collection's card.
        entry: What the card says of the file.

    Returns:
        Path of the file.

    Raises:
        DataError: If it is missing, cannot be downloaded or has another checksum. A refused
            download leaves nothing behind.
    """
    source = card.source
    if not isinstance(source, FileSource):
        raise TypeError(f"{card.file}: format {source.format!r} has no files")
    if source.url is None:
        remedy = f"Put it there, or correct {card.file}."
        return _checked(card.file.parent / source.path / entry.file, entry, remedy)
    folder = os.environ.get(DATA_VARIABLE)
    if folder:
        remedy = f"Put the published file there, or unset {DATA_VARIABLE} to download it."
        return _checked(Path(folder) / source.path / entry.file, entry, remedy)
    return _download(source, entry)


def _checked(file: Path, entry: File, remedy: str) -> Path:
    if not file.is_file():
        raise DataError(f"{file}: no such file. {remedy}")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise DataError(
            f"{file}: altered or cut short: its sha256 is {found}, the card expects "
            f"{entry.sha256}. {remedy}"
        )
    return file


def _download(source: FileSource, entry: File) -> Path:
    import pooch

    url = f"{source.url}{entry.published_as or entry.file}"
    folder = cache_folder() / source.path / source.revision
    file = folder / entry.file
    remedy = (
        f"Check the connection and try again, or set {DATA_VARIABLE} to a folder that holds "
        f"{source.path}/{entry.file}."
    )
    if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == entry.sha256:
        return file
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise DataError(f"{file}: not downloaded yet, and HF_HUB_OFFLINE is set. {remedy}")
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(
            url=url,
            known_hash=f"sha256:{entry.sha256}",
            fname=entry.file,
            path=folder,
            progressbar=sys.stderr.isatty(),
        )
    except ValueError as error:  # pooch deletes the temporary file of a wrong hash
        raise DataError(
            f"{url}: altered or cut short: what was downloaded does not have the sha256 that the "
            f"card expects ({entry.sha256}). {remedy}"
        ) from error
    except OSError as error:
        raise DataError(f"{url}: could not be downloaded ({error}). {remedy}") from error
    return file
