"""The keys of task, recipe and study cards: read from the classes that check the cards."""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from escape import escaped
from griffe import Docstring
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.studies.study import Study

CARDS: dict[str, type[BaseModel]] = {"task": TaskCard, "recipe": Recipe, "study": Study}
WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


def card_keys(card: Literal["task", "recipe", "study"]) -> str:
    """All tables of a card with their keys: what each means, its type, and its default."""
    return "\n\n".join(_table(CARDS[card], ""))


def _table(model: type[BaseModel], place: str, note: str = "") -> Iterator[str]:
    summary, meanings = _explained(model)
    yield f"### {f'`{place}`' if place else 'The card itself'}{note}"
    yield escaped(summary)
    schema = model.model_json_schema()["properties"]
    # The heading has constants. What can only be None is of a base class, and not for this table.
    keys = {
        name: field
        for name, field in model.model_fields.items()
        if "const" not in schema[name] and schema[name].get("type") != "null"
    }
    yield "\n\n".join(
        f"`{name}` *{_kind(schema[name])}, {_needed(field)}*\n:   {meanings.get(name, '&nbsp;')}"
        for name, field in keys.items()
    )
    for name, field in keys.items():
        inner = f"{place.strip('[]')}.{name}".lstrip(".")
        for child in _models(field.annotation):
            form = child.model_json_schema()["properties"].get(field.discriminator or "", {})
            formed = f' with `{field.discriminator} = "{form["const"]}"`' if form else ""
            yield from _table(child, _bracketed(inner, field.annotation), formed)


def _explained(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """The summary of a class, and what its docstring and those of its bases say of each key."""
    summary, meanings = "", {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or not kind.__module__.startswith("mteb_hybrid"):
            continue
        for section in Docstring(kind.__doc__ or "").parse("google"):
            if section.kind.value == "text":
                summary = section.value
            elif section.kind.value == "attributes":
                for entry in section.value:
                    meanings[entry.name] = escaped(" ".join(entry.description.split()))
    return summary, meanings


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of the tables that a key can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _bracketed(place: str, annotation: Any) -> str:
    """How TOML writes the table: repeated ones in double brackets, named ones with a name."""
    origins = {get_origin(part) for part in _parts(annotation)}
    if dict in origins:
        return f"[{place}.XX]"
    return f"[[{place}]]" if list in origins else f"[{place}]"


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    if get_origin(annotation) not in (dict, list):
        for argument in get_args(annotation):
            yield from _parts(argument)


def _kind(schema: dict[str, Any]) -> str:
    """A JSON schema in words."""
    match schema:
        case {"const": only}:
            return f'`"{only}"`'
        case {"enum": values}:
            return " or ".join(f'`"{value}"`' for value in values)
        case {"anyOf": options}:
            return " or ".join(_kind(one) for one in options if one.get("type") != "null")
        case {"$ref": _} | {"oneOf": _}:
            return "a table, see below"
        case {"type": "array", "prefixItems": items}:
            return f"list of {len(items)}"
        case {"type": "array", "items": item}:
            return f"list of {_kind(item)}" if "$ref" not in item else "tables, see below"
        case {"type": "object"}:
            return "table" if "$ref" not in str(schema) else "tables, see below"
    limits = [
        f"{words} {schema[key]:g}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    if "pattern" in schema:
        limits.append(f"like `{schema['pattern']}`")
    return " ".join([WORDS[schema["type"]], *limits])


def _needed(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return (
        "optional"
        if default in (None, "") or isinstance(default, BaseModel)
        else f"`{json.dumps(default)}` by default"
    )
