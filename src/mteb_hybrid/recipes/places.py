"""Where the files and folders lie that a recipe names: found, or said to be missing.

A relative path of data begins at the data folder (``--data``, ``MTEB_HYBRID_DATA``), the folder of
a model at the current one; what is not there is looked for from the recipe's own folder. One that
is given by ``--set`` begins at the current folder; data that are not there, at the data folder.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.places import DATA_VARIABLE, expanded
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.describe import run_facts
from mteb_hybrid.models.load import check_folder
from mteb_hybrid.recipes.model import Model
from mteb_hybrid.recipes.recipe import Recipe


def located(recipe: Recipe, folder: Path | None, given: Collection[str] = ()) -> Recipe:
    """A recipe in which paths are absolute, but those below the data folder.

    What is not there stays as it is. Links are not followed.

    Args:
        recipe: As the file has it.
        folder: The folder of that file; None for recipes that ship with the package.
        given: Dotted keys that were given on the command line, not in the file: of values, or of
            the tables that have them.

    Raises:
        DataError: If a path begins at a home folder that is not known.
    """
    below = os.environ.get(DATA_VARIABLE)

    def path(key: str, text: str) -> str:
        place = expanded(text)
        by_hand = any(f"{key}.".startswith(f"{one}.") for one in given)
        is_model = key == "model.name"
        if place.is_absolute() or (place.exists() and (by_hand or is_model)):
            return _absolute(place)
        if below and not is_model and Path(below, place).exists():
            return text
        if by_hand:
            return _absolute(place)
        return _absolute(folder / place) if folder and (folder / place).exists() else text

    model = recipe.model
    if not model.on_hub:
        model = model.model_copy(update={"name": path("model.name", model.name)})
    data = [
        part.model_copy(update={"path": path(f"data.{number}.path", part.path)})
        if part.format != "collection"
        else part
        for number, part in enumerate(recipe.data)
    ]
    return recipe.model_copy(update={"model": model, "data": data})


def _absolute(place: Path) -> str:
    """One spelling for one place: without ``..``, but where that would lead out of a link."""
    plain = Path(os.path.normpath(place.absolute()))
    same = not place.exists() or (plain.exists() and plain.samefile(place))
    return str(plain if same else place.absolute())


def data_path(path: str, beside: Path | None = None) -> Path:
    """Where data lie that are no collection.

    Args:
        path: As in a recipe that `mteb_hybrid.recipes.toml.read_recipe` has read.
        beside: The recipe's own folder, for names that may be meant.

    Raises:
        CardError: If nothing is there.
    """
    own, data = expanded(path), os.environ.get(DATA_VARIABLE)
    place = Path(data or "", own)
    if place.exists() and (data or own.is_absolute()):
        return place
    found = "no such file or folder"
    if not own.is_absolute():
        found += " beside the recipe" + (f" or below {data}" if data else "")
    starts = [folder for folder in (Path(data) if data else None, beside) if folder]
    near = [
        other.name
        for start in ([own.parent] if own.is_absolute() else starts)
        for other in (start / own.parent).glob("*")
    ]
    raise CardError(
        f"data {path}: {found}{did_you_mean(own.name, near)} Correct data.N.path, or name the "
        f"folder that it begins at with --data or {DATA_VARIABLE}"
    )


def model_folder(model: Model, beside: Path | None = None) -> Path:
    """The folder of a model that is not on the hub.

    Args:
        model: As in a recipe that has been read.
        beside: The recipe's own folder, for names that may be meant.

    Raises:
        ModelError: If it is not there, or holds no model.
    """
    clean(folder := expanded(model.name))
    if not folder.is_dir():
        starts = (Path(), beside) if beside else (Path(),)
        found = [other for start in starts for other in (start / folder.parent).glob("*")]
        near = [other.name for other in found if other.is_dir()]
        raise ModelError(
            f"model.name: no folder {model.name}{did_you_mean(folder.name, near)} Expected one, or "
            "org/name on the hub"
        )
    check_folder(folder)
    return folder


def facts_of_base(model: Model) -> dict[str, Any]:
    """What the run that made the folder of a model says of it; nothing of others.

    Args:
        model: As in a recipe that has been read.

    Raises:
        ModelError: If the file that says it cannot be read.
    """
    return {} if model.on_hub else run_facts(expanded(model.name)) or {}


def check_places(recipe: Recipe, beside: Path | None = None) -> None:
    """Find out whether the files and folders that a recipe names are there.

    Nothing heavy is imported, so that a slip of the pen is told at once.

    Args:
        recipe: As it was read.
        beside: The recipe's own folder, for names that may be meant.

    Raises:
        CardError, ModelError: If one is not.
    """
    for part in recipe.data:
        if part.format != "collection":
            data_path(part.path, beside)
    if not recipe.model.on_hub:
        model_folder(recipe.model, beside)
