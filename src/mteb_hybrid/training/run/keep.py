"""What a model folder keeps of the run that made it: recipe, versions and curves."""

import shutil

from mteb_hybrid.files.whole import whole, write_text
from mteb_hybrid.model_card.run import CURVES, RECIPE, VERSIONS
from mteb_hybrid.models.load import CARD_FOLDER
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import to_toml, without_paths
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
