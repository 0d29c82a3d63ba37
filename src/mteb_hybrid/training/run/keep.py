"""What a model folder keeps of the run that made it: recipe, versions, curves and card."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from mteb_hybrid.files.whole import write
from mteb_hybrid.model_card.card import write_card
from mteb_hybrid.model_card.run import CURVES, RECIPE, VERSIONS
from mteb_hybrid.models.load import CARD_FOLDER
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import to_toml
from mteb_hybrid.training.run.folder import RunFolder

if TYPE_CHECKING:
    pass


def write_run_card(run: RunFolder, recipe: Recipe, meta: Mapping[str, Any]) -> None:
    """Write the card of a model that was just trained, in the folder of its run.

    Args:
        run: The folder.
        recipe: How it was trained.
        meta: Fields of MTEB's ``ModelMeta``.
    """
    from mteb.models import ModelMeta

    keep_run(run, recipe)
    write_card(run.model, ModelMeta.model_validate({**meta, "loader": None}))


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
