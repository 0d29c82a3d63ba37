"""One run of a study: the model is trained, or repaired, or loaded as it is; then evaluated."""

import gc
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import write_json, write_text
from mteb_hybrid.models.contents import folder_hash
from mteb_hybrid.recipes.model import Model
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import read_recipe, to_toml, without_paths
from mteb_hybrid.results.per_query import remove_per_query
from mteb_hybrid.studies.plan import OF_UNTRAINED, Run
from mteb_hybrid.studies.store import FINISHED, REPAIRED, VERSIONS, Store, StudyError

if TYPE_CHECKING:
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

BATCH_SIZE, ON_PROCESSORS = 32, 8
"""Texts per batch: what a few come to stays in the cache of a processor."""


def perform(run: Run, store: Store, tell: Callable[[str], None]) -> None:
    """Do what is missing of a run.

    Args:
        run: The run; without tests its model is made.
        store: Where all is kept.
        tell: Called with each step that has ended.

    Raises:
        LockedError: If another process is at work on it.
        StudyError: If what is kept of it was edited, or what makes it has changed since the study
            began.
        ValueError, OSError: As training, repair and evaluation raise them.
    """
    with lock(store.run(run.key), wait=False):
        _check_as_planned(run)
        store.begin(run)
        missing = store.missing(run)
        if not missing and run.tests:
            return
        model = _model(run, store, tell)
        from mteb_hybrid.evaluation.evaluate import evaluate

        batch_size = ON_PROCESSORS if model.model.device.type == "cpu" else BATCH_SIZE
        for task, subsets in missing.items():
            for subset in subsets:  # `evaluate` asks for less than `missing` does
                remove_per_query(store.results_of(run), task, subset)
            with store.costed(run.key, task):
                # And for more: rankings, which packed results do not have.
                evaluate(model, {task: subsets}, store.path, batch_size)
            tell(task)
    del model
    gc.collect()


def _model(
    run: Run, store: Store, tell: Callable[[str], None]
) -> "SentenceTransformerEncoderWrapper":
    """A run's model, made if it is not there yet."""
    if run.repair:
        return _repaired(run, store, tell)
    from mteb_hybrid.models.load import open_folder

    if not run.trained:
        return _named(_untrained(run.recipe), run)
    _train(run, store, tell)
    return _named(open_folder(store.model(run.key)), run)


def _train(run: Run, store: Store, tell: Callable[[str], None]) -> None:
    from mteb_hybrid.recipes.places import check_places
    from mteb_hybrid.training.run.folder import RunFolder, RunFolderError
    from mteb_hybrid.training.run.train import train

    folder, recipe = store.run(run.key), as_kept(run)
    _keep_places(folder / "recipe.toml", recipe)
    try:
        if RunFolder(folder).check(recipe, resume=True):
            check_places(recipe)
            _keep_versions(run, store)
            with store.costed(run.key, "training"):
                train(recipe, folder, resume=True)
            try:
                _check_as_planned(run)
            except BaseException:
                (folder / FINISHED).unlink()
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
                raise
            tell("training")
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # larger than the model
    except RunFolderError as error:
        raise StudyError(
            f"{error}. In the store of a study: remove {folder}, and the same command trains it "
            "again"
        ) from None
    _check(store.model(run.key), json_file(folder / FINISHED, dict).get("revision"), folder)


def _keep_places(file: Path, recipe: Recipe) -> None:
    """Note where data and models lie now: what they are, the key of the run says."""
    if not file.is_file():
        return
    kept = read_recipe(file)
    if kept != recipe and without_paths(kept) == without_paths(recipe):
        write_text(file, to_toml(recipe.settings()))


def _keep_versions(run: Run, store: Store) -> None:
    """Of a model that was evaluated and removed, or unpacked without its weights."""
    versions = store.run(run.key) / VERSIONS
    if store.is_removed(run) and versions.is_file():
        store.keep_earlier(run.key, json_file(versions, list), store.evaluated(run))
        versions.unlink()


def _check_as_planned(run: Run) -> None:
    """Refuse data, texts and models that are no longer those that a run is kept by."""
    if (key := replace(run).key) != run.key:
        raise StudyError(
            f"run {run.key}: the data, texts or model that make it changed since the study began, "
            f"and make {key} now; give the command again"
        )


def as_kept(run: Run) -> Recipe:
    """The recipe of a run without what names it, as recipes of other names share the run."""
    return run.recipe.model_copy(
        update={"name": run.key, "title": f"Run {run.key} of a study", "description": ""}
    )


def _check(model: Path, expected: object, run: Path) -> None:
    found = folder_hash(model) if model.is_dir() else "no files"
    if found != expected:
        raise StudyError(
            f"{model}: was edited by hand: its files have the hash {found}, and the run that made "
            f"them recorded {expected}. Put them back, or remove {run}, and the same command makes "
            "it again"
        )


def _untrained(recipe: Recipe) -> Any:
    from mteb_hybrid.training.run.build import load_model

    kept = recipe.model.model_dump(exclude_none=True, include=set(OF_UNTRAINED))
    return load_model(recipe.model_copy(update={"model": Model.model_validate(kept)}))


def _repaired(
    run: Run, store: Store, tell: Callable[[str], None]
) -> "SentenceTransformerEncoderWrapper":
    from mteb_hybrid.models.load import open_folder
    from mteb_hybrid.repair.apply import repair_model, vector_repair
    from mteb_hybrid.repair.texts import read_corpus

    if run.repair is None:
        raise TypeError("no repair")
    model, outcome = store.model(run.key), store.run(run.key) / REPAIRED
    if outcome.is_file():
        kept = json_file(outcome, dict)
        if kept.get("hash"):
            _check(model, kept["hash"], store.run(run.key))
            return _named(open_folder(model), run)
    base = _base(run, store, tell)
    if not outcome.is_file():
        with store.costed(run.key, "repair"):
            said = repair_model(
                *(base, model, read_corpus(run.repair.texts), vector_repair(run.repair.method)),
                name=run.key,
                overwrite=True,
            )
            _check_as_planned(run)
            found = folder_hash(model) if said.folder else None
            write_json(outcome, {"hash": found, "said": said.text, "warnings": said.warnings})
        print(said.text, flush=True)
        tell("repair")
        return _repaired(run, store, tell)
    return _named(base.model, run)  # no repair is needed


def _base(
    run: Run, store: Store, tell: Callable[[str], None]
) -> "SentenceTransformerEncoderWrapper":
    """The model that is repaired, with what it is called in the record of the repair."""
    base = replace(run.base, tests=())
    with lock(store.run(base.key)) if run.trained else nullcontext():
        store.begin(base)
        model = _model(base, store, tell)
    if not run.trained:
        said = {"name": run.recipe.model.name, "revision": run.recipe.model.revision}
        if run.recipe.model.on_hub:
            model.mteb_model_meta = model.mteb_model_meta.model_copy(update=said)
    return model


def _named(model: Any, run: Run) -> "SentenceTransformerEncoderWrapper":
    """A model of MTEB, under the name and revision that its results are filed by."""
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    wrapper = SentenceTransformerEncoderWrapper(model)
    start = run.recipe.model
    said = {
        "name": run.model_name,
        "revision": run.key,
        "adapted_from": start.name if start.on_hub else None,
    }
    wrapper.mteb_model_meta = wrapper.mteb_model_meta.model_copy(update=said)
    return wrapper
