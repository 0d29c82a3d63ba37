"""Recipes as files: found by name, read with overrides, compared, and written again."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import find_card, shipped
from mteb_hybrid.files.documents import read_toml, toml_value
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.named import is_name
from mteb_hybrid.recipes.explain import explain
from mteb_hybrid.recipes.places import located
from mteb_hybrid.recipes.recipe import Recipe


def shipped_recipes() -> dict[str, Path]:
    """The recipes that ship with the package, by name."""
    return shipped("models")


def read_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Paths become absolute but below the data folder, as `mteb_hybrid.recipes.places` says.

    Args:
        source: A TOML file, or the name of a recipe that ships with the package.
        overrides: ``key=value`` with a dotted key and a value in TOML, such as
            ``training.max_steps=10`` or ``data.0.path=pairs.jsonl`` (what is no TOML is a
            string). An empty value removes the key. Relative paths begin at the current folder;
            data that are not there, at the data folder.

    Returns:
        The recipe.

    Raises:
        CardError: If there is no such recipe; if it is not TOML, lacks a key, has an unknown one
            or a bad value; or if its values do not fit each other.
        DataError: If a path begins at a home folder that is not known.
    """
    is_shipped = is_name(source, shipped_recipes(), "recipe")
    if not is_shipped and (within := Path(source) / "recipe.toml").is_file():
        raise CardError(f"{source}: is a folder; its recipe is {within}")
    file = find_card(source, "models", "recipe")
    try:
        content = read_toml(file)
    except DataError as error:
        raise CardError(str(error)) from None
    where, given = {}, []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not key or not equals:
            raise CardError(f"--set {override}: expected KEY=VALUE, as in training.max_steps=10")
        keys = [str(int(part)) if part.isdecimal() else part for part in key.strip().split(".")]
        _put(content, keys, value.strip(), override)
        where[".".join(keys)] = f"--set {override}"
        if value.strip():
            given.append(".".join(keys))
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        said = explain(error.errors(), Recipe, str(file), "models/README.md", where)
        raise CardError(said) from None
    return located(recipe, None if file in shipped_recipes().values() else file.parent, given)


def _put(content: Any, keys: list[str], text: str, override: str) -> None:
    """Put a value into nested tables, or take it out if the text is empty."""
    for depth, key in enumerate(keys):
        place: str | int = key
        if isinstance(content, list):
            if not key.isdecimal() or int(key) >= len(content):
                raise CardError(
                    f"--set {override}: {key!r} in {'.'.join(keys)!r} must be a number from 0 to "
                    f"{len(content) - 1}"
                )
            place = int(key)
        elif not isinstance(content, dict):
            raise CardError(f"--set {override}: {'.'.join(keys[:depth])!r} is a value, not a table")
        if depth < len(keys) - 1:
            content = content[place] if isinstance(place, int) else content.setdefault(place, {})
        elif text:
            content[place] = _value(text)
        elif isinstance(place, int):
            del content[place]
        else:
            content.pop(place, None)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between the settings of two recipes, as ``key: old, now new``."""
    before, after = dict(_flat(old)), dict(_flat(new))
    keys = dict.fromkeys([*before, *after])
    return [
        f"{key}: {before.get(key, 'unset')!r}, now {after.get(key, 'unset')!r}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        items = enumerate(value)
    else:
        return [(prefix, value)]
    return [
        found for key, part in items for found in _flat(part, f"{prefix}.{key}".removeprefix("."))
    ]


def to_toml(settings: Mapping[str, Any], table: str = "") -> str:
    """Settings of a recipe as TOML that `read_recipe` reads.

    Args:
        settings: Strings, numbers, booleans, lists of those, tables, and lists of tables.
        table: Name of the table that they stand in.
    """
    values, tables = [], []
    for key, value in settings.items():
        name = f"{table}.{key}".removeprefix(".")
        if isinstance(value, Mapping):
            tables.append(f"\n[{name}]\n{to_toml(value, name)}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables += [f"\n[[{name}]]\n{to_toml(part, name)}" for part in value]
        else:
            values.append(f"{key} = {toml_value(value)}\n")
    return "".join(values + tables)


def without_paths(recipe: Recipe) -> Recipe:
    """A recipe that names no folder of the machine: of files and folders the last part is left."""
    model = recipe.model
    if not model.on_hub:
        model = model.model_copy(update={"name": _last_part(model.name)})
    data = [
        part.model_copy(update={"path": _last_part(part.path)})
        if part.format != "collection"
        else part
        for part in recipe.data
    ]
    return recipe.model_copy(update={"model": model, "data": data})


def _last_part(path: str) -> str:
    return PurePath(path).name or "local"
