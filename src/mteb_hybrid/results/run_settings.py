"""What each subset was evaluated with: ``run_settings.jsonl``, which MTEB writes, and we add to.

A line has the settings of some subsets of a task: versions of packages and options for encoding;
and, of our tasks, the version of mteb-hybrid and the command that was given.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mteb_hybrid.files.documents import parse_json
from mteb_hybrid.files.safe_text import visible

RUN_SETTINGS = "run_settings.jsonl"
OURS = "mteb-hybrid"
"""What we are called among the versions."""

Settings: TypeAlias = dict[str, Any]
Scope: TypeAlias = tuple[str, str]
"""A split and a subset."""


@dataclass(frozen=True)
class Made:
    """What some subsets of an evaluation were made with.

    Attributes:
        versions: Versions of packages, by name.
        command: The command that was given; empty if it is not known.
        batch_size: Texts per batch, None if it is not known.
        subsets: How many these are.
    """

    versions: dict[str, str]
    command: str
    batch_size: int | None
    subsets: int


def read_settings(raw: bytes, task: str) -> dict[Scope, Settings]:
    """The settings of the subsets of a task. Of those that lines name twice, the later ones."""
    found: dict[Scope, Settings] = {}
    for line in raw.splitlines():
        for scopes, settings in _entry(line, task):
            found |= dict.fromkeys(scopes, settings)
    return found


def _entry(line: bytes, task: str) -> Iterator[tuple[list[Scope], Settings]]:
    try:
        entry = parse_json(line)
    except (ValueError, RecursionError):
        return  # MTEB appends to it in place: a kill leaves half a line
    if not isinstance(entry, dict) or entry.get("task") != task:
        return
    scopes = [(x, y) for x in _texts(entry, "split") for y in _texts(entry, "subset")]
    about = ("task", "split", "splits", "subset", "subsets")
    yield scopes, {name: value for name, value in entry.items() if name not in about}


def _texts(entry: Settings, name: str) -> list[str]:
    """Those of a list; before mteb 2.18.17 there was one, by itself."""
    some = entry.get(f"{name}s") or [entry.get(name)]
    return [text for text in some if isinstance(text, str)] if isinstance(some, list) else []


def with_what_made(
    before: bytes, after: bytes, task: str, new: Mapping[Scope, str], version: str, command: str
) -> bytes:
    """What MTEB has written, with the version and the command that made each subset.

    MTEB writes the settings of the last run to all subsets of a result, and options with a call's
    last save alone; those that were there keep theirs.

    Args:
        before: The file before MTEB wrote it.
        after: The file now.
        task: The task that it was written for. Lines of others stay as they are.
        new: What has been evaluated by this process, with its options for encoding as JSON.
        version: Of mteb-hybrid.
        command: The command that was given.
    """
    earlier = read_settings(before, task)
    lines: list[bytes] = [x for x in after.splitlines() if not any(_entry(x, task))]
    found, calls = read_settings(after, task), set(new.values())
    for settings, scopes in list(_alike(found)):
        versions = settings.get("version")
        known = versions if isinstance(versions, dict) else {}
        now = settings | {"version": known | {OURS: version}, "command": command}
        of_call = {options: now | {"encode_kwargs": json.loads(options)} for options in calls}
        for scope in scopes:
            is_new = scope in new
            found[scope] = of_call[new[scope]] if is_new else earlier.get(scope, settings)
    for settings, scopes in _alike(found):
        by_split: dict[str, list[str]] = {}
        for split, subset in scopes:
            by_split.setdefault(split, []).append(subset)
        for split, subsets in by_split.items():
            row = {"task": task, "splits": [split], **settings, "subsets": sorted(subsets)}
            lines.append(json.dumps(row).encode())
    return b"".join(line + b"\n" for line in lines)


def _alike(found: Mapping[Scope, Settings]) -> Iterable[tuple[Settings, list[Scope]]]:
    """Settings, and all that have these."""
    grouped: dict[str, tuple[Settings, list[Scope]]] = {}
    keys: dict[int, str] = {}  # most are one object: those of a line
    for scope, settings in found.items():
        key = keys.setdefault(id(settings), "") or json.dumps(settings, sort_keys=True)
        keys[id(settings)] = key
        grouped.setdefault(key, (settings, []))[1].append(scope)
    return grouped.values()


def made_with(folder: Path, task: str, split: str, subsets: Iterable[str]) -> tuple[Made, ...]:
    """What made the subsets of a result file.

    Args:
        folder: Where the result file lies.
        task: Name of the task.
        split: Its split.
        subsets: Those that the result file has.

    Returns:
        One for each way in which some were made; those of which nothing is known are among them.
    """
    file = folder / RUN_SETTINGS
    settings = read_settings(file.read_bytes(), task) if file.is_file() else {}
    own = {(split, subset): settings.get((split, subset), {}) for subset in subsets}
    return tuple(_made(some, len(scopes)) for some, scopes in _alike(own))


def _made(settings: Mapping[str, Any], subsets: int) -> Made:
    versions, options = settings.get("version"), settings.get("encode_kwargs")
    known = versions.items() if isinstance(versions, dict) else ()
    command = settings.get("command")
    size = options.get("batch_size") if isinstance(options, dict) else None
    return Made(
        versions={visible(str(name)): visible(str(v)) for name, v in sorted(known) if v},
        command=visible(command) if isinstance(command, str) else "",
        batch_size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        subsets=subsets,
    )
