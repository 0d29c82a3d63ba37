"""Addresses that others wrote, in cards and in redirects: which of them are asked for files."""

import ipaddress
import os
import re
import socket
from urllib.parse import urlsplit

from mteb_hybrid.files.places import HTTP_VARIABLE

_USER = re.compile(r"//[^/@\s'\"]*@")


def address_fault(url: str) -> str | None:
    """Why nothing is downloaded from an address, None if it may be.

    Args:
        url: With ``https``; with ``http`` too, if the user has set ``MTEB_HYBRID_ALLOW_HTTP``.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is no address ({error})"
    if not host or not url.isprintable() or set(url) & set(' \\"<>'):
        return "is no address; expected one such as https://example.org/data/"
    if "@" in parts.netloc:
        return "names a user or a password; leave it out, for cards are passed on"
    allowed = ("https", "http") if os.environ.get(HTTP_VARIABLE) == "1" else ("https",)
    if parts.scheme not in allowed:
        return (
            f"begins with {parts.scheme}://; expected https://. To download without it from a "
            f"server that you trust, set {HTTP_VARIABLE}=1"
            if parts.scheme == "http"
            else f"begins with {parts.scheme}:; expected https://"
        )
    return None


def checked_folder_address(url: str) -> str:
    """The address of a public folder, as a card may have it.

    Raises:
        ValueError: If nothing is downloaded from there, or it is no folder's.
    """
    fault = address_fault(url)
    if not fault and (not url.endswith("/") or set(url) & set("?#")):
        fault = "is no folder's; expected one that ends in '/', without '?' and '#'"
    if fault:
        raise ValueError(f"the address {fault}")
    return url


def is_private(url: str) -> bool:
    """Whether the host of an address is this machine, or on a network that is not public."""
    host = urlsplit(url).hostname or ""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # nor can it be asked for anything, unless a proxy knows it
    return any(not ipaddress.ip_address(str(ip).partition("%")[0]).is_global for ip in found)


def without_user(text: str) -> str:
    """A text in which addresses have no user and no password."""
    return _USER.sub("//…@", text)
