"""Where the files and folders lie that a recipe names: found, or said to be missing.

A relative path of data begins at the data folder (``--data``, ``MTEB_HYBRID_DATA``), the folder of
a model at the current one; what is not there is looked for from the recipe's own folder. One that
is given by ``--set`` begins at the current folder instead of the recipe's.
"""

import os
from collections.abc import Container
from pathlib import Path

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.load import check_folder
from mteb_hybrid.recipes.model import Model
from mteb_hybrid.recipes.recipe import Recipe


def located(recipe: Recipe, folder: Path | None, given: Container[str] = ()) -> Recipe:
    """A recipe in which paths that begin at its own folder are absolute; others stay as they are.

    Args:
        recipe: As the file has it.
        folder: The folder of that file; None for recipes that ship with the package.
        given: Dotted keys that were given on the command line, not in the file.
    """

    def path(key: str, text: str, usual: str | None) -> str:
        place = Path(text).expanduser()
        own = Path() if key in given else folder
        if place.is_absolute() or own is None or (usual and (Path(usual) / place).exists()):
            return text
        return str((own / place).absolute()) if (own / place).exists() or key in given else text

    model = recipe.model
    if not model.on_hub and "model.name" not in given:
        model = model.model_copy(update={"name": path("model.name", model.name, ".")})
    data = [
        part.model_copy(
            update={"path": path(f"data.{number}.path", part.path, os.environ.get(DATA_VARIABLE))}
        )
        if part.format != "collection"
        else part
        for number, part in enumerate(recipe.data)
    ]
    return recipe.model_copy(update={"model": model, "data": data})


def data_path(path: str) -> Path:
    """Where data lie that are no collection.

    Args:
        path: As in a recipe that `mteb_hybrid.recipes.toml.read_recipe` has read.

    Raises:
        CardError: If nothing is there.
    """
    own, data = Path(path).expanduser(), os.environ.get(DATA_VARIABLE)
    place = Path(data or "", own)
    if place.exists() and (data or own.is_absolute()):
        return place
    found = "no such file or folder"
    if not own.is_absolute():
        found += " beside the recipe" + (f" or below {data}" if data else "")
    near = map(str, place.parent.glob("*")) if data or own.is_absolute() else ()
    raise CardError(
        f"data {path}: {found}{did_you_mean(str(place), near)} Correct data.N.path, or name the "
        f"folder that it begins at with --data or {DATA_VARIABLE}"
    )


def model_folder(model: Model) -> Path:
    """The folder of a model that is not on the hub.

    Raises:
        ModelError: If it is not there, or holds no model.
    """
    clean(folder := Path(model.name).expanduser())
    if not folder.is_dir():
        raise ModelError(
            f"model.name: no folder {model.name}; expected one, or org/name on the hub"
        )
    check_folder(folder)
    return folder


def check_places(recipe: Recipe) -> None:
    """Find out whether the files and folders that a recipe names are there.

    Nothing heavy is imported, so that a slip of the pen is told at once.

    Raises:
        CardError, ModelError: If one is not.
    """
    for part in recipe.data:
        if part.format != "collection":
            data_path(part.path)
    if not recipe.model.on_hub:
        model_folder(recipe.model)
