"""The store of studies: trained models, results and costs, each kept by what made it.

``runs/KEY`` is the folder of a training run, or has a repaired model; ``results`` are MTEB's;
``made/KEY.json`` says what made it, ``costs/KEY.json`` what it cost, ``logs/KEY.log`` what it said,
``studies/NAME.BUDGET.json`` what a study has asked for. Reads neither mteb nor torch.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import data_revision, tasks_by_name
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import write_json
from mteb_hybrid.measures import measures_of
from mteb_hybrid.results.per_query import is_kept
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.plan import Run

FINISHED = "model_meta.json"
"""What a training run writes last."""

VERSIONS, EARLIER = "versions.json", "versions-earlier.json"
"""What a training ran with; and what earlier ones did, of a model that was trained once more."""

EVALUATED = "evaluated"
"""In the last part of an earlier training: the tasks and subsets of which it made the results."""

COSTS = ("seconds", "cpu_seconds")
"""What is known of a step: how long it took, and that of all cores."""

CENTURY = 3.2e9
"""Seconds."""

REPAIRED = "repaired.json"
"""What came of a repair, written last."""


class StudyError(ValueError):
    """A study that cannot be run. The message gives the remedy."""


class Store:
    """A store.

    Args:
        path: Its folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_dir():
            raise StudyError(f"{path}: is a file; expected the folder of a store, or none yet")
        self.path = path
        self.results = path / "results"

    def run(self, key: str) -> Path:
        """The folder of a run."""
        return self.path / "runs" / key

    def model(self, key: str) -> Path:
        """The folder of its model."""
        return self.run(key) / "model"

    def log(self, key: str) -> Path:
        """Its log."""
        return self.path / "logs" / f"{key}.log"

    def has_model(self, run: Run) -> bool:
        """Whether a trained or repaired model is there; the untrained is nowhere."""
        last = REPAIRED if run.repair else FINISHED
        return (self.run(run.key) / last).is_file()

    def missing(self, run: Run) -> dict[str, list[str]]:
        """Tasks and subsets that are not evaluated, or whose values per query are not whole.

        Packed results have but some measures: those that the run's claims are about are asked for.
        Rankings are not: no report reads them, and packed results have none.
        """
        folder = self.results_of(run)
        tasks, found = tasks_by_name(), {}
        for task, subsets in run.selected().items():
            card, setting = tasks[task]
            revision = data_revision(card, setting)
            there = _evaluated(folder / f"{task}.json", card.split, revision)
            asked = per_query_measures(card, setting) & {*run.measures}
            left = [
                subset
                for subset in subsets
                if subset not in there
                or not is_kept(
                    *(folder, task, subset, False, revision),
                    checksums=True,
                    measures=asked,
                    scores=there[subset],
                )
            ]
            if left:
                found[task] = left
        return found

    def evaluated(self, run: Run) -> dict[str, list[str]]:
        """Tasks and subsets that are evaluated, for other studies too, and not `missing`."""
        missing, found = self.missing(run), {}
        for task, (card, setting) in tasks_by_name().items():
            file, on = self.results_of(run) / f"{task}.json", data_revision(card, setting)
            if there := _evaluated(file, card.split, on).keys() - {*missing.get(task, ())}:
                found[task] = sorted(there)
        return found

    def keep_earlier(self, key: str, parts: Iterable[object], made: Mapping[str, object]) -> None:
        """Note what an earlier training of a run ran with, and which results are of it.

        Args:
            key: Of the run.
            parts: What the training says of itself.
            made: Tasks and subsets that were evaluated before the next one.
        """
        if own := [part for part in parts if isinstance(part, dict)]:
            file = self.run(key) / EARLIER
            known = json_file(file, list) if file.is_file() else []
            write_json(file, [*known, *own[:-1], own[-1] | {EVALUATED: made}])

    def made_file(self, key: str) -> Path:
        """Where it is kept what makes a run."""
        return self.path / "made" / f"{key}.json"

    def begin(self, run: Run) -> None:
        """Write what makes a run."""
        if not (file := self.made_file(run.key)).is_file():
            write_json(file, run.made)

    def costs(self, key: str) -> dict[str, dict[str, float]]:
        """Seconds, and seconds of all cores, of the steps that a run has had so far.

        Raises:
            StudyError: If the file that says so is damaged.
        """
        file = self.costs_file(key)
        if not file.is_file():
            return {}
        try:
            found: dict[str, dict[str, float]] = json_file(file, dict)
            if all(0 <= cost[of] < CENTURY for cost in found.values() for of in COSTS):
                return found
            said = "seconds below 0, or beyond a hundred years"
        except DataError as error:
            said = str(error).removeprefix(f"{file}: ")
        except (KeyError, TypeError):
            said = f"a step without numbers for {' and '.join(COSTS)}"
        raise StudyError(
            f"{file}: is damaged: {said}. Remove it: then these hours are not known, and all else "
            "stays as it is"
        )

    @contextmanager
    def costed(self, key: str, step: str) -> Iterator[None]:
        """Add what a step costs to the costs of a run."""
        known = self.costs(key)  # before it has cost anything, as they may be damaged
        began, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            old = known.get(step, {})
            spent = (time.monotonic() - began, time.process_time() - cpu)
            summed = {
                of: round(old.get(of, 0) + more, 1) for of, more in zip(COSTS, spent, strict=True)
            }
            write_json(self.costs_file(key), known | {step: summed})

    def costs_file(self, key: str) -> Path:
        """Where its costs are kept."""
        return self.path / "costs" / f"{key}.json"

    def remove_weights(self, key: str) -> None:
        """Take away a run's model, and what it could be made of without training again."""
        folder = self.run(key)
        with lock(folder):
            for last in (FINISHED, REPAIRED):  # first: what is half removed is not finished
                (folder / last).unlink(missing_ok=True)
            for name in ("model", "checkpoints", "adapter"):
                shutil.rmtree(folder / name, ignore_errors=True)

    def has_weights(self, key: str) -> bool:
        """Whether any weights are kept of a run, of a training that is not finished too."""
        return any((self.run(key) / name).is_dir() for name in ("model", "checkpoints"))

    def is_removed(self, run: Run) -> bool:
        """Whether it was evaluated, and its weights are not here: removed, or never unpacked."""
        was_made = bool(run.trained or run.repair) and self.results_of(run).is_dir()
        return was_made and not self.has_model(run) and not self.has_weights(run.key)

    def results_of(self, run: Run) -> Path:
        """The folder of MTEB's result files of a run."""
        return self.results / run.model_name.replace("/", "__") / run.key

    def asked(self, study: str, budget: str) -> dict[str, dict[str, Any]]:
        """The runs that a study has had, by key, those of its earlier versions too.

        Raises:
            StudyError: If the file that says so is damaged.
        """
        file = self._asked(study, budget)
        try:
            return json_file(file, dict) if file.is_file() else {}
        except DataError as error:
            said = str(error).removeprefix(f"{file}").removeprefix(": ")
        raise StudyError(
            f"{file}: is damaged: {said}. Remove it: then it is not known which runs an earlier "
            "version of the study had, and all else stays as it is"
        )

    def ask(self, study: str, budget: str, runs: Iterable[Run]) -> None:
        """Note which runs a study has, for `asked`; where all are noted, nothing is written.

        Those of which data are not at hand have no key yet.
        """
        file = self._asked(study, budget)
        now = {
            run.key: {
                "start": run.start,
                "condition": run.condition,
                "seed": run.seed,
                "language": run.language,
            }
            for run in runs
            if run.is_at_hand
        }
        if (known := self.asked(study, budget)) | now == known:
            return
        with lock(file):
            write_json(file, self.asked(study, budget) | now)

    def _asked(self, study: str, budget: str) -> Path:
        return self.path / "studies" / f"{study}.{budget}.json"


def per_query_measures(card: TaskCard, setting: Setting) -> set[str]:
    """The measures of which an evaluation keeps a value for each query, under their names."""
    found = measures_of(card.source.parallel, card.source.judged_across)
    return {m.name for m in found if setting in m.settings and not (m.of_view or m.by_language)}


def _evaluated(file: Path, split: str, revision: str) -> dict[str, dict[str, object]]:
    """Scores by subset; none if the file is damaged, or on another revision of the data."""
    try:
        content = json_file(file, dict)
        if content["dataset_revision"] != revision:
            return {}
        return {row["hf_subset"]: {**row} for row in content["scores"][split]}
    except (DataError, OSError, KeyError, TypeError):
        return {}
