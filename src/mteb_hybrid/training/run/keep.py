"""What a model folder keeps of the run that made it: recipe, versions and curves."""

import shutil
from pathlib import PurePath

from mteb_hybrid.files.whole import whole, write_text
from mteb_hybrid.model_card.run import CURVES, RECIPE, VERSIONS
from mteb_hybrid.models.load import CARD_FOLDER
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import to_toml
from mteb_hybrid.training.run.folder import RunFolder


def keep_run(run: RunFolder, recipe: Recipe) -> None:
    """Put recipe, versions and curves of a run into the folder of its model."""
    folder = run.model / CARD_FOLDER
    write_text(folder / RECIPE, to_toml(without_paths(recipe).settings()))
    for name in (VERSIONS, CURVES):
        source = run.path / name
        if source.is_file():
            with whole(folder / name) as part:
                shutil.copyfile(source, part)


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
