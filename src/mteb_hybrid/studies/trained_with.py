"""What trained the models of a study: versions of packages, and the precision."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.studies.store import EARLIER, EVALUATED, VERSIONS, Store

Parts = list[dict[str, Any]]
Subset = tuple[str, str]
"""A task and a subset."""


class Trained(NamedTuple):
    """What the trainings of a model say of themselves, each time that they began or went on.

    Attributes:
        parts: Of the trainings that made its results; of all, if it is not known which did.
        again: Whether these are several; None if it is not known.
    """

    parts: Parts
    again: bool | None


def trained(store: Path, results: Mapping[str, Collection[Subset]]) -> list[Trained]:
    """What trained some models.

    Args:
        store: The store of a study.
        results: What counts of each run, by key; those whose trainings say nothing are left out.

    Raises:
        ResultError: If a file of one is damaged.
    """
    found = (_trained(Store(store).run(key), some) for key, some in results.items())
    return [one for one in found if one.parts]


def _trained(folder: Path, results: Collection[Subset]) -> Trained:
    earlier, last = (_parts(folder / name) for name in (EARLIER, VERSIONS))
    left, made, unsaid = {*results}, list[Parts](), Parts()
    for part in earlier:
        unsaid.append(part)
        if EVALUATED in part:
            own = {(task, name) for task, names in part[EVALUATED].items() for name in names}
            made += [unsaid] if own & left else []
            left, unsaid = left - own, []
    if unsaid:  # of a store or an archive of before
        return Trained([*earlier, *last], again=None)
    made += [last] if left else []
    return Trained([*chain.from_iterable(made)], again=len(made) > 1)


def _parts(file: Path) -> Parts:
    found: Parts = json_file(file, list) if file.is_file() else []
    if not all(map(_is_part, found)):
        raise ResultError(
            f"{file}: is damaged: expected the versions of python and packages, and the "
            "precision, of each part of a training. Remove it: then they are not known, and "
            "the report lacks them."
        )
    return found


def packages(models: Iterable[Trained]) -> dict[str, list[str]]:
    """All versions of Python and of each package, sorted."""
    found: dict[str, set[str]] = {}
    for part in chain.from_iterable(model.parts for model in models):
        for package, version in {"python": part["python"], **part["packages"]}.items():
            found.setdefault(package, set()).add(version)
    return {package: sorted(found[package]) for package in sorted(found)}


def precisions(models: Iterable[Trained]) -> Counter[str]:
    """How many models were trained in which precision; of one that went on elsewhere, in all."""
    each = (dict.fromkeys(part["precision"] for part in model.parts) for model in models)
    return Counter(map(" then ".join, each))


def _is_part(part: object) -> bool:
    return (
        isinstance(part, dict)
        and isinstance(part.get("packages"), dict)
        and all(
            isinstance(text, str)
            for text in (part.get("python"), part.get("precision"), *part["packages"].values())
        )
        and isinstance(made := part.get(EVALUATED, {}), dict)
        and all(isinstance(names, list) for names in made.values())
    )
