"""What a model folder keeps of the run that made it, so that its card can be written anywhere."""

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from mteb_hybrid.models import CARD_FOLDER
from mteb_hybrid.training.recipe import Recipe
from mteb_hybrid.training.recipe_file import read_recipe, to_toml
from mteb_hybrid.training.run_folder import RunFolder, write

RECIPE, VERSIONS, CURVES = "recipe.toml", "versions.json", "curves.png"


@dataclass(frozen=True)
class Run:
    """A training run, as far as a model folder knows it.

    Attributes:
        recipe: The resolved recipe; of files and folders of the machine only the names are left.
        versions: What each part of the run was made with, as in the run folder.
        has_curves: Whether its curves were drawn.
    """

    recipe: Recipe
    versions: list[dict[str, Any]]
    has_curves: bool


def keep_run(run: RunFolder, recipe: Recipe) -> None:
    """Put recipe, versions and curves of a run into the folder of its model."""
    folder = run.model / CARD_FOLDER
    folder.mkdir(exist_ok=True)
    text = to_toml(without_paths(recipe).settings())
    write(folder / RECIPE, lambda part: part.write_text(text, "utf-8"))
    for name in (VERSIONS, CURVES):
        source = run.path / name
        if source.is_file():
            write(folder / name, partial(shutil.copyfile, source))


def read_run(folder: Path) -> Run | None:
    """The run that made a model, None if its folder tells of none.

    Args:
        folder: The model's folder.

    Raises:
        CardError: If its recipe cannot be read.
    """
    kept = folder / CARD_FOLDER
    if not (kept / RECIPE).is_file():
        return None
    versions = json.loads((kept / VERSIONS).read_text(encoding="utf-8"))
    return Run(read_recipe(kept / RECIPE), versions, (kept / CURVES).is_file())


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
