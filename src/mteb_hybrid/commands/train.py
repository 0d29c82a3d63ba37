"""The command ``mteb-hybrid train``."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.commands.terminal import again, goes_on, say, told_when_stopped
from mteb_hybrid.files.places import DATA_VARIABLE

if TYPE_CHECKING:
    from mteb_hybrid.recipes.recipe import Recipe


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A TOML file, or one of --list. Its keys: models/README.md."),
    ] = None,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the recipes that ship with the package.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a key of the recipe, as in training.max_steps=10 or "
            "data.0.path=pairs.jsonl; an empty value unsets it. May be repeated.",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            help="Seed; by default the recipe's. May be repeated, for a run each, in folders "
            "seed-N."
        ),
    ] = None,
    output_folder: Annotated[
        Path | None,
        typer.Option(
            "--output-folder", "-o", help="Folder of the run; by default runs/NAME, of the recipe."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint, if there is one.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show data, steps, batches and memory, and train nothing."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that relative paths of data begin at, before the recipe's own; "
            f"overrides {DATA_VARIABLE}.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Train a model by a recipe: hybrid batches or their baselines, as one TOML file says.

    The folder of the run gets the resolved recipe, the versions, the log, curves, checkpoints, and
    in model/ a folder for `mteb-hybrid run -m`. Needs the extra `train`; curves
    and the model's card need `report`. Also under `torchrun -m
    mteb_hybrid train ...` and `accelerate launch -m mteb_hybrid train ...`.

    Example: mteb-hybrid train my-recipe.toml --dry-run

    Example: mteb-hybrid train e5-small-offline-hybrid --set batches.alpha=0.7 --seed 1 --seed 2
    """
    from mteb_hybrid.recipes.toml import read_recipe, shipped_recipes

    if list_recipes:
        for name, file in shipped_recipes().items():
            say(f"{name}: {read_recipe(file).title}")
        return
    if recipe is None:
        raise ValueError("no recipe; name one of `mteb-hybrid train --list`, or a TOML file")
    if data:
        os.environ[DATA_VARIABLE] = str(data)
    seeds = list(dict.fromkeys(seed or ()))
    settings = [[*(overrides or ()), f"training.seed={one}"] for one in seeds]
    runs = []
    for own in settings or [overrides or []]:
        wanted = read_recipe(recipe, own)
        folder = output_folder or Path("runs") / wanted.name
        if len(seeds) > 1:
            folder /= f"seed-{wanted.training.seed}"
        runs.append((wanted, folder))
    beside = Path(recipe).parent if Path(recipe).is_file() else None
    for wanted, folder in runs:
        if dry_run:
            _show(wanted, folder, resume)
            continue
        how = partial(_how_to_go_on, folder, wanted)
        with told_when_stopped(how) if _is_main() else nullcontext():
            _train(wanted, folder, resume, beside)


@contextmanager
def _needing_the_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        # transformers raises one without a name from the one that tells it.
        name = error.name or getattr(error.__cause__, "name", None)
        missing = str(name).partition(".")[0]
        raise ImportError(
            f'training needs {missing}, of an extra: pip install "mteb-hybrid[train]"'
        ) from error


def _show(recipe: "Recipe", folder: Path, resume: bool) -> None:
    from rich.console import Console

    with _needing_the_extra():
        from mteb_hybrid.models.contents import ModelError
        from mteb_hybrid.training.run.dry_run import dry_run
        from mteb_hybrid.training.run.folder import RunFolder, RunFolderError

    run = RunFolder(folder)
    found = dry_run(recipe, run.precision() if resume else None)
    if not _is_main():
        return
    state = ""
    try:
        if run.check(recipe, resume=resume):
            run.check_base(recipe)
        else:
            state = ": finished, nothing to do"
    except (RunFolderError, ModelError) as error:
        if str(error) not in found.problems:  # a model that is not there is told already
            found.problems.append(str(error))
    found.lines.append(("run folder", f"{folder}{state}"))
    # Outside a terminal rich would wrap at 80 columns.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    with console.capture() as capture:
        console.print(found.table(), highlight=False, markup=False)
    say(*(line.rstrip() for line in capture.get().rstrip("\n").split("\n")))
    if found.problems:
        raise ValueError("this would not run: " + "\n".join(found.problems))


def _train(recipe: "Recipe", folder: Path, resume: bool, beside: Path | None) -> None:
    from mteb_hybrid.cards.catalogue import collection_card
    from mteb_hybrid.recipes.places import check_places
    from mteb_hybrid.sources.locate import check_there
    from mteb_hybrid.training.run.folder import RunFolder

    kept = RunFolder(folder)
    # Before torch is imported, which takes seconds. It is asked again when the run is locked.
    if _is_main() and kept.check(recipe, resume=resume):
        check_places(recipe, beside)
        used = {data.path for data in recipe.data if data.format == "collection"}
        for name in used | ({recipe.evaluation.collection} if recipe.evaluation else set()):
            check_there(collection_card(name))
        if resume:
            last = kept.last_checkpoint()
            say(f"{folder}: going on from {last.name if last else 'the start; no checkpoint yet'}")
    with _needing_the_extra():
        import datasets
        from transformers.utils import logging

        from mteb_hybrid.training.run.train import train as run
    # Loading and saving a model takes seconds; the bars would stand between the lines of the log.
    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    done = run(recipe, folder, resume=resume)
    if _is_main():
        _write_card(folder / "model")
        say(f"{folder}: finished{'' if done else ' before; nothing to do'}")
        say(f"Evaluate it: {shlex.join(_evaluation(recipe, folder / 'model'))}")


def _how_to_go_on(folder: Path, recipe: "Recipe") -> str:
    from mteb_hybrid.training.run.folder import RunFolder

    kept = RunFolder(folder)
    if kept.is_finished:  # what is left is the card, or the run of another seed
        return goes_on()
    if last := kept.last_checkpoint():
        return f"go on from {last.name}: {again('--resume')}"
    every = recipe.training.save_steps
    saved = f"the first is at step {every}" if every else "training.save_steps is not set"
    return f"no checkpoint is saved yet ({saved}); start over: {again()}"


def _evaluation(recipe: "Recipe", model: Path) -> list[str]:
    """The command that evaluates a model on what it was not trained on, in its languages."""
    from mteb_hybrid.cards.catalogue import card_folder, collections
    from mteb_hybrid.cards.source import FileSource
    from mteb_hybrid.cards.tasks import collection_tasks
    from mteb_hybrid.recipes.places import facts_of_base

    cards = collections()
    trained = {task for data in recipe.data for task in data.tasks() or ()}
    trained.update(facts_of_base(recipe.model).get("training_datasets") or ())
    fit = [
        (card.file.parent == card_folder(), name != "xquad-r", name)
        for name, card in cards.items()
        if card.kind == "benchmark"
        and not trained & set(collection_tasks(name))
        and set(recipe.languages) & set(card.languages)
    ]
    found = min(fit)[-1] if fit else "COLLECTION"
    if recipe.evaluation:
        found = recipe.evaluation.collection
    source = cards[found].source if found in cards else None
    data = os.environ.get(DATA_VARIABLE, "")
    there = data and isinstance(source, FileSource) and Path(data, source.path).exists()
    return ["mteb-hybrid", "run", "-m", str(model), found, *(["--data", data] if there else [])]


def _write_card(model: Path) -> None:
    """Write the model's card, unless it has one: results may have been added to that."""
    from mteb_hybrid.models.registry import describe

    try:
        from mteb_hybrid.model_card.card import has_our_part, write_card
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        say(
            f'no model card: {missing} is missing, of the extra "mteb-hybrid[report]"; '
            f"{model / 'README.md'} is that of sentence-transformers",
            err=True,
        )
    else:
        if not has_our_part(model):
            write_card(model, describe(model, {}))


def _is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"
