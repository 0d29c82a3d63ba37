"""Published archives: zip files, unpacked whole or not at all, and nowhere but in their folder."""

import secrets
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from mteb_hybrid.files.errors import DataError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into a new folder, under another name that becomes its own at the end.

    Args:
        archive: The file.
        folder: What it becomes; its parents are made if need be.

    Raises:
        DataError: If the archive is damaged or encrypted, or holds anything but files and folders
            with paths inside of it. Then nothing is left behind.
    """
    part = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}.part")
    part.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                _check(archive, member)
            zipped.extractall(part)
        if not folder.is_dir():  # another process may have been faster
            part.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(
            f"{archive}: cannot be unpacked: {error}; expected a zip file without a password. "
            "Get it again, or correct the card."
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check(archive: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    path = PurePosixPath(name)
    kind = stat.S_IFMT(member.external_attr >> 16)
    fault = None
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        fault = "lies outside of the folder that it is unpacked to"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link or a device"
    if fault:
        raise DataError(
            f"{archive}: {name!r} {fault}; expected files and folders with relative paths. Do not "
            "use this archive."
        )
