"""Files that are downloaded: once, whole, with the checksum that is expected, or not at all."""

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tqdm import tqdm

from mteb_hybrid.files.addresses import address_fault, is_private, without_user
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole

if TYPE_CHECKING:
    from requests import Response, Session

_REDIRECTS = 10
_SECONDS = (20, 60)
"""How long a server may take to answer, and then to go on."""

_LEAST = 1_000
_WINDOW = 60.0
"""A server that sends fewer bytes in a second, all through so many seconds, is given up."""

SHARE = 0.9
"""How much of what is free on the disk a file may take: others write there too."""


class DownloadError(DataError):
    """A file that cannot be had. The message names its address, and what was wrong."""


def has_sha256(file: Path, sha256: str) -> bool:
    """Whether a file is there, and has a checksum."""
    return file.is_file() and sha256_of(file) == sha256


def sha256_of(file: Path) -> str:
    """The checksum of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(url: str, file: Path, sha256: str) -> None:
    """Download a file, unless it is there. Of several processes, one does it and the others wait.

    Args:
        url: Its address; see `mteb_hybrid.files.addresses.address_fault`. Redirects are followed
            to addresses of the same kind, and from a public network to none that is not.
        file: Where it goes; its folder is made if need be.
        sha256: Its checksum.

    Raises:
        DownloadError: If it cannot be had, is larger than what the disk can take, or is another
            one. Then nothing is left behind.
    """
    with lock(file):
        if has_sha256(file, sha256):
            return
        with whole(file) as part:
            found = _fetch(url, part)
            if found != sha256:
                raise DownloadError(
                    f"{url}: altered or cut short: the sha256 of what was downloaded is {found}, "
                    f"the card expects {sha256}."
                )


def _fetch(url: str, part: Path) -> str:
    """Write what an address gives to a file; its checksum."""
    from requests import RequestException, Session
    from urllib3.exceptions import HTTPError

    try:
        with Session() as session, part.open("wb") as stream:
            response = _response(session, url)
            digest = hashlib.sha256()
            stated = response.headers.get("content-length", "")
            size = int(stated) if stated.isascii() and stated.isdecimal() else None
            most = int(shutil.disk_usage(part.parent).free * SHARE)
            if size and size > most:
                raise _too_large(url, part, f"it has {size / 1e6:,.0f} MB", most)
            with tqdm(
                total=size, unit="B", unit_scale=True, disable=not sys.stderr.isatty()
            ) as bar:
                for chunk in _chunks(response, url):
                    if stream.tell() + len(chunk) > most:
                        raise _too_large(url, part, "it goes on and on", most)
                    stream.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
            return digest.hexdigest()
    except (RequestException, HTTPError) as error:
        raise DownloadError(f"{without_user(url)}: not downloaded: {_said(error)}.") from None


def _chunks(response: "Response", url: str) -> Iterator[bytes]:
    """What a server sends, as it comes: a read of so many bytes would wait for the last of them."""
    read = response.raw.read1
    began, size = time.monotonic(), 0
    while chunk := read(2**16):
        yield chunk
        size += len(chunk)
        if (took := time.monotonic() - began) >= _WINDOW:
            if size < _LEAST * took:
                raise DownloadError(
                    f"{without_user(url)}: not downloaded: the server sends fewer than {_LEAST:,} "
                    f"bytes a second. Try again later, or get the file elsewhere."
                )
            began, size = time.monotonic(), 0


def _too_large(url: str, part: Path, found: str, most: int) -> DownloadError:
    return DownloadError(
        f"{without_user(url)}: not downloaded: {found}, and {part.parent} can take "
        f"{most / 1e6:,.0f} MB. Make room there, if it is that large."
    )


def _response(session: "Session", url: str) -> "Response":
    first = asked = url
    for _ in range(_REDIRECTS):
        if fault := address_fault(asked):
            raise _refused(first, asked, fault)
        response = session.get(
            asked,
            stream=True,
            allow_redirects=False,
            timeout=_SECONDS,
            headers={"Accept-Encoding": "identity"},
        )
        if not response.is_redirect:
            response.raise_for_status()
            return response
        response.close()
        before, asked = asked, urljoin(asked, response.headers["location"])
        if not address_fault(asked) and is_private(asked) and not is_private(before):
            raise _refused(first, asked, "is on a network that is not public")
    raise DownloadError(f"{first}: not downloaded: more than {_REDIRECTS} redirects.")


def _refused(first: str, asked: str, fault: str) -> DownloadError:
    if asked == first:
        return DownloadError(f"{without_user(first)}: not downloaded: the address {fault}.")
    parts = urlsplit(asked)
    # Without what stands behind the host, which may be a key.
    to = f"{parts.scheme}://{(parts.netloc or '').rpartition('@')[2]}"
    return DownloadError(f"{first}: not downloaded: it redirects to {to}, which {fault}.")


def _said(error: Exception) -> str:
    """What went wrong, in words, without the keys that addresses of redirects may hold."""
    from requests import exceptions

    cause = f"{error} {getattr(error, '__cause__', '')} {getattr(error, '__context__', '')}"
    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        code = error.response.status_code
        known = {401: "it asks for a login", 403: "it refuses", 404: "it has no such file"}
        return f"the server answers {code}{f', {known[code]}' if code in known else ''}"
    if "SOCKS" in cause:
        return (
            "a SOCKS proxy is set, and the package for it is missing. `pip install pysocks`, or "
            "unset ALL_PROXY, HTTPS_PROXY and HTTP_PROXY"
        )
    if isinstance(error, exceptions.ProxyError | exceptions.InvalidProxyURL):
        return "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used"
    if isinstance(error, exceptions.SSLError):
        reason = getattr(getattr(error.args[0], "reason", None), "args", ("",))[-1]
        return f"the server's certificate or its TLS is not accepted ({without_user(str(reason))})"
    if isinstance(error, exceptions.Timeout):
        return "the server does not answer in time"
    if isinstance(error, ValueError):  # what requests and urllib3 cannot parse
        return "this is no address"
    if "NameResolutionError" in cause or "Failed to resolve" in cause:
        return "the server's name is not known here (no DNS entry, or no network)"
    if isinstance(error, exceptions.ChunkedEncodingError) or "IncompleteRead" in cause:
        return "the connection broke off"
    if isinstance(error, exceptions.ConnectionError):
        return "the server cannot be reached (it refuses, is off, or there is no network)"
    return type(error).__name__
