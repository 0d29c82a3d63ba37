"""What is wrong with a card, in words: one line per key, with what may be meant."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from mteb_hybrid.languages.near import did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST = 20
"""Faults of one card that are told."""


def explain(
    problems: Sequence["ErrorDetails"],
    card: type[BaseModel],
    file: str,
    keys: str,
    where: Mapping[str, str] | None = None,
) -> str:
    """One line per key; alternatives that were tried for a value share theirs.

    Args:
        problems: What pydantic found.
        card: The class that checks the card.
        file: The card.
        keys: Where its keys are explained.
        where: What else a dotted key was given by, such as an option.
    """
    given = where or {}
    lines: dict[str, list[str]] = {}
    for problem in problems[:MOST]:
        key, known = _resolve(problem["loc"], card)
        if problem["type"] == "extra_forbidden":
            meant = did_you_mean(key.rpartition(".")[2], known)
            said = f"unknown key{meant} Expected one of {', '.join(known)}"
        elif problem["type"] == "missing":
            said = f"missing key; add it (see {keys})"
        else:
            said = str(problem.get("ctx", {}).get("error") or problem["msg"])
            if not isinstance(problem["input"], dict) and repr(problem["input"]) not in said:
                said += f"; found {repr(problem['input'])[:200]}"
        below = (how for other, how in given.items() if other.startswith(f"{key}."))
        by = given.get(key) or (next(below, None) if problem["type"] == "extra_forbidden" else None)
        start = f"{by or file}: " + (f"key {key[:200]!r}: " if key else "")
        lines.setdefault(start, []).append(said)
    return "\n".join(start + "; or: ".join(dict.fromkeys(said)) for start, said in lines.items())


def _resolve(place: Sequence[str | int], card: type[BaseModel]) -> tuple[str, list[str]]:
    """The dotted key of an error, and the keys that are known beside it.

    Beyond the keys, pydantic's place names the alternatives of a type, which are left out.
    """
    kind: Any = card
    keys: list[str] = []
    known: list[str] = []
    for part in place:
        if part == "[key]":  # the error is in the key itself
            break
        if isinstance(part, int):
            keys.append(str(part))
        elif free := _find(kind, _is_free):
            keys.append(part)
            kind = get_args(free)[1]
        elif model := _find(kind, _is_table):
            keys.append(part)
            known = list(model.model_fields)
            field = model.model_fields.get(part)
            kind = None if field is None else field.annotation
        else:
            break
    return ".".join(keys), known


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_free(kind: Any) -> bool:
    """Whether it is a table with free keys."""
    return get_origin(kind) is dict


def _find(kind: Any, wanted: Any) -> Any:
    """The first part of a type that is wanted, on the way to no table."""
    if wanted(kind):
        return kind
    if _is_table(kind) or _is_free(kind):
        return None
    return next(filter(None, (_find(part, wanted) for part in get_args(kind))), None)
