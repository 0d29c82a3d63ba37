"""What a model folder keeps of the run that made it, so that its card can be written anywhere."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.whole import whole, write_text
from mteb_hybrid.models.contents import CARD_FOLDER
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import read_recipe, to_toml, without_paths

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


def keep_run(recipe: Recipe, run: Path, model: Path) -> None:
    """Put recipe, versions and curves of a run into the folder of its model.

    Args:
        recipe: How the model was trained.
        run: The folder of the run.
        model: The folder of the model.
    """
    folder = model / CARD_FOLDER
    write_text(folder / RECIPE, to_toml(without_paths(recipe).settings()))
    for name in (VERSIONS, CURVES):
        source = run / name
        if source.is_file():
            with whole(folder / name) as part:
                shutil.copyfile(source, part)


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
    versions = json_file(kept / VERSIONS, list)
    # Of what happens to have such a name where this runs, no path goes into a card.
    return Run(without_paths(read_recipe(kept / RECIPE)), versions, (kept / CURVES).is_file())
