"""The command that this process was started with, fit to be published beside what it made."""

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

COMMAND_VARIABLE = "MTEB_HYBRID_COMMAND"
"""A command that starts others sets it, so that what these make bears the one that was given."""
LONGEST = 2000
"""Characters that are kept of a command."""

_HELD = r"(?:^|[^a-z])(?:token|key|apikey|secret|pass(?:word|wd|phrase)?|pwd|auth|credentials?)"
_SECRET_OPTION = re.compile(rf"(?=-).*{_HELD}", re.IGNORECASE)
_SECRET_INSIDE = re.compile(
    rf"{_HELD}[\"']?\s*[:=]|\b(?:hf_|sk-|gh[pousr]_|eyJ)[\w-]{{16,}}", re.IGNORECASE
)
_ADDRESS = re.compile(
    r"(?P<scheme>(?!file:)[a-z][a-z0-9+.-]*://)(?:[^/@\s]*@)?(?P<rest>[^?#\s]*).*", re.IGNORECASE
)
_JOINED = re.compile(r"-[A-Za-z](?=[/~.\\])")
_OF_FOLDERS = re.compile(
    r"-o|--(?:output|output-folder|prediction-folder|store|data|to)|[\w.]+\.path"
)
_KEY = re.compile(r"[\w.-]+")
_PATH = re.compile(r"(?:file:|~|\.{1,2}(?:$|[/\\])|[/\\]|[A-Za-z]:[/\\])")
_PATH_INSIDE = re.compile(r"(?<![\w/:.~])(?:file://|~|[A-Za-z]:)?[/\\][^\s\"',;(){}\[\]]+")


def given_command() -> str:
    """The command that was given, as `publishable` writes it."""
    if told := os.environ.get(COMMAND_VARIABLE):
        return told
    program, *arguments = sys.argv or [""]
    name = Path(program).name.removesuffix(".exe")
    if name == "__main__.py":
        words = ["python", "-m", Path(program).parent.name]
    elif name in ("", "-c", "-m", "-") or "ipykernel" in name:
        return "python"  # a console, a notebook, or code that has no name
    else:
        words = ["python", name] if name.endswith(".py") else [name]
    return publishable([*words, *arguments])


def publishable(words: Iterable[str]) -> str:
    """A command without paths of the machine and without secrets, as a shell reads it.

    Of a path, that of a model for instance, its last part stays. Options whose name says that they
    hold a token, key or password, and what looks like one, are left out.

    Args:
        words: The program and its arguments.
    """
    kept = list(_without_secrets(words))
    said = shlex.join(_value(before, word) for before, word in zip(["", *kept], kept, strict=False))
    return said if len(said) <= LONGEST else said[: LONGEST - 2] + " …"


def _without_secrets(words: Iterable[str]) -> Iterator[str]:
    is_value = False
    for word in words:
        was, is_value = is_value, False
        if _SECRET_INSIDE.search(word):
            continue
        if _SECRET_OPTION.fullmatch(word):
            is_value = True
        elif not was or word.startswith("-"):
            yield word


def _value(option: str, word: str) -> str:
    # An output need not be there, and may look like a model of the hub.
    folder = _OF_FOLDERS.fullmatch(option) and "://" not in word
    return _last(word) if folder else _without_paths(word)


def _without_paths(word: str) -> str:
    if _JOINED.match(word):
        return word[:2] + _without_paths(word[2:])
    if address := _ADDRESS.fullmatch(word):
        return address["scheme"] + address["rest"]
    if _PATH.match(word) or ("/" in word and os.path.exists(word)):  # noqa: PTH110  no path at all is False
        return _last(word)
    option, equals, value = word.partition("=")
    if equals and _KEY.fullmatch(option):
        return f"{option}={_value(option, value)}"
    return _PATH_INSIDE.sub(lambda found: _last(found[0]), word)


def _last(path: str) -> str:
    parts = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    if parts.name not in ("", "..", "~"):
        return parts.name
    return "HOME" if path.startswith("~") else Path(path).resolve().name
