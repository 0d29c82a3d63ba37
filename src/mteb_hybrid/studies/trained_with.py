"""What trained the models of a study: versions of packages, and the precision."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.studies.store import EARLIER, VERSIONS, Store


def training_parts(store: Path, keys: Iterable[str]) -> list[list[dict[str, Any]]]:
    """What each training run says of itself, each time that it began or went on.

    Args:
        store: The store of a study.
        keys: Keys of the runs; those that say nothing are left out.

    Raises:
        ResultError: If a file of one is damaged.
    """
    folders = [Store(store).run(key) for key in keys]
    files = [folder / name for folder in folders for name in (EARLIER, VERSIONS)]
    found = {file: json_file(file, list) for file in files if file.is_file()}
    for file, parts in found.items():
        if not all(map(_is_part, parts)):
            raise ResultError(
                f"{file}: is damaged: expected the versions of python and packages, and the "
                "precision, of each part of a training. Remove it: then they are not known, and "
                "the report lacks them."
            )
    of_runs = ((found.get(folder / name, []) for name in (EARLIER, VERSIONS)) for folder in folders)
    return [parts for of_run in of_runs if (parts := list(chain.from_iterable(of_run)))]


def trained_again(store: Path, keys: Iterable[str]) -> int:
    """How many models were trained a second time, as their weights were not kept."""
    return sum((Store(store).run(key) / EARLIER).is_file() for key in keys)


def packages(parts: Iterable[Iterable[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """All versions of Python and of each package, sorted."""
    found: dict[str, set[str]] = {}
    for part in chain.from_iterable(parts):
        for package, version in {"python": part["python"], **part["packages"]}.items():
            found.setdefault(package, set()).add(version)
    return {package: sorted(found[package]) for package in sorted(found)}


def precisions(parts: Iterable[Iterable[Mapping[str, Any]]]) -> Counter[str]:
    """How many models were trained in which precision; of one that went on elsewhere, in all."""
    return Counter(" then ".join(dict.fromkeys(part["precision"] for part in of)) for of in parts)


def _is_part(part: object) -> bool:
    return (
        isinstance(part, dict)
        and isinstance(part.get("packages"), dict)
        and all(
            isinstance(text, str)
            for text in (part.get("python"), part.get("precision"), *part["packages"].values())
        )
    )
