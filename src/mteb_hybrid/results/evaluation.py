"""One evaluation: a model on one task, as its result file has it."""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name
from mteb_hybrid.files.lines import shown
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.results.cells import Cell, mean
from mteb_hybrid.results.mteb_files import AGAIN, ROUNDED, ResultError, ResultFile
from mteb_hybrid.results.run_settings import OURS, Made, made_with
from mteb_hybrid.retrieval.views import Setting, View

NOT_KNOWN = "not known"
MEASURED_ON = "_measured_on"
"""As in `mteb_hybrid.measures`, which imports scipy: a table is not to wait for that."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """One result file: a model on one task.

    Attributes:
        card: The task's collection.
        task: Name of the task.
        setting: Its setting.
        model: Name of the model, and the options if it was an experiment.
        revision: Its revision.
        folder: Where the file lies, and what was kept beside it.
        views: The subsets that the task has.
        scores: Subset to measure to value, in the order of the views; NaN where undefined.
        mteb_versions: Versions of MTEB that made the subsets.
        dataset_revision: Revision of the data that it measured on; empty if the file does not say.
        date: Day of the evaluation (UTC), empty if the file does not say.
        adapted_from: Name of the model that this one was made of; empty if unknown.
    """

    card: TaskCard
    task: str
    setting: Setting
    model: str
    revision: str
    folder: Path
    views: dict[str, View]
    scores: dict[str, dict[str, float]]
    mteb_versions: tuple[str, ...]
    dataset_revision: str
    date: str
    adapted_from: str = ""

    @cached_property
    def current_revision(self) -> str:
        """The revision that the task's data have now."""
        return data_revision(self.card, self.setting)

    @property
    def is_on_other_data(self) -> bool:
        """Whether it measured on another revision of the data than the task has now."""
        return self.dataset_revision not in ("", self.current_revision)

    @property
    def expected(self) -> list[str]:
        """The subsets that the task has."""
        return list(self.views)

    @property
    def missing(self) -> list[str]:
        """The subsets that were not evaluated."""
        return [subset for subset in self.expected if subset not in self.scores]

    @property
    def truncated_at(self) -> int | None:
        """The k of a search model that returned only its top k, None if rankings are whole."""
        cuts = [values.get("truncated_at", math.nan) for values in self.scores.values()]
        return max((int(cut) for cut in cuts if not math.isnan(cut)), default=None)

    def values(self, measure: str) -> Floats:
        """One measure per subset: shape (subsets that the task has,); NaN where missing."""
        return np.array([self.scores.get(name, {}).get(measure, math.nan) for name in self.views])

    def mean(self, measure: str) -> Cell | None:
        """The mean of one measure over the subsets, with all that limits it; None without any."""
        values, shares = self.values(measure), self.values(measure + MEASURED_ON)
        found = mean(values, self.truncated_at)
        if found is None:
            return None
        there = shares[~np.isnan(values)]
        known = not np.isnan(shares).all()
        return replace(
            found,
            measured_on=float(np.where(np.isnan(there), 1, there).mean()) if known else None,
            data=self.dataset_revision,
            data_now=self.current_revision,
        )

    def by_language(self, measure: str) -> Floats:
        """One measure per query language, where each has one subset: shape (L,), NaN likewise."""
        asked = (view.query_language for view in self.views.values())
        known = dict(zip(asked, self.values(measure), strict=True))
        return np.array([known.get(language, math.nan) for language in self.card.languages])

    @property
    def ranked(self) -> int:
        """Of how many subsets the rankings were kept."""
        return sum(1 for _ in (self.folder / f"{self.task}.rankings").glob("*.parquet"))

    @cached_property
    def made(self) -> tuple[Made, ...]:
        """What the subsets were made with: one for each way in which some were."""
        return made_with(self.folder, self.task, self.card.split, self.scores)

    @property
    def our_versions(self) -> tuple[str, ...]:
        """Versions of mteb-hybrid that made the subsets; empty if none is known."""
        found = {made.versions.get(OURS, NOT_KNOWN) for made in self.made}
        return () if found <= {NOT_KNOWN} else tuple(sorted(found))

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that made it, each with how many subsets are its own if not all are."""
        counts: dict[str, int] = {}
        for made in self.made:
            counts[made.command] = counts.get(made.command, 0) + made.subsets
        if counts.keys() <= {""}:
            return ()
        if len(counts) == 1:
            return tuple(counts)
        return tuple(
            f"{command or 'a command that is not known'}  # {count} of {len(self.scores)} subsets"
            for command, count in counts.items()
        )

    @cached_property
    def consistency(self) -> dict[str, float]:
        """How alike the rankings of parallel queries are; empty if they were not kept."""
        from mteb_hybrid.results.per_query import read_consistency

        return read_consistency(self.folder, self.task)


def our_versions(evaluations: Iterable[Evaluation]) -> set[str]:
    """Versions of mteb-hybrid that made some evaluations; 0.1.0 noted none: `NOT_KNOWN`."""
    return {version for e in evaluations for version in e.our_versions or (NOT_KNOWN,)}


def evaluation_of(file: ResultFile) -> Evaluation:
    """What a result file says.

    Raises:
        ResultError: If it has another split, a subset that is unknown or there twice, or a score
            that is no number.
    """
    content = file.content
    task = content["task_name"]
    card, setting = tasks_by_name()[task]
    order = task_views(card, setting)
    if other := sorted(content["scores"].keys() - {card.split}):
        raise ResultError(
            f"{file.path}: split {other[0]!r} is none of {card.title}'s; expected {card.split!r} "
            "alone. Delete the file and evaluate that task again."
        )
    scores: dict[str, dict[str, float]] = {}
    versions: dict[str, None] = {}
    for row in content["scores"].get(card.split, ()):
        subset = str(row.get("hf_subset"))
        if subset not in order or subset in scores:
            if subset in scores:
                raise ResultError(f"{file.path}: subset {subset!r} is there twice. {AGAIN}")
            raise ResultError(
                f"{file.path}: subset {subset!r} is none of {card.title}'s; expected subsets such "
                f"as {next(iter(order))!r}. Those of translated queries are known where "
                f"{DATA_VARIABLE} names the folder that has them; else take it out of the file."
            )
        scores[subset] = scores_of(f"{file.path}: subset {subset!r}", row)
        versions[str(row.get("mteb_version") or content.get("mteb_version"))] = None
    return Evaluation(
        card=card,
        task=task,
        setting=setting,
        model=file.model.title,
        revision=file.model.revision,
        folder=file.path.parent,
        views=order,
        scores={subset: scores[subset] for subset in order if subset in scores},
        mteb_versions=tuple(sorted(versions)),
        dataset_revision=str(content.get("dataset_revision") or ""),
        date=_day(content.get("date")),
        adapted_from=file.model.adapted_from,
    )


def _day(date: object) -> str:
    try:
        return f"{datetime.fromtimestamp(float(date), UTC):%Y-%m-%d}"  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def scores_of(where: str, row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row; null is undefined, and what is no number at all is not a score.

    Args:
        where: What it is, for error messages.
        row: Of a subset, as MTEB writes it.

    Raises:
        ResultError: If a score is no number, or the main score is not the map.
    """
    found = {}
    for name, value in row.items():
        infinite = isinstance(value, int | float) and abs(value) > sys.float_info.max
        if isinstance(value, bool) or infinite or (name == "map" and not _is_score(value)):
            raise ResultError(
                f"{where}: {name} is {shown(value)}; expected a number or null. {AGAIN}"
            )
        if not _is_score(value):
            continue
        number = math.nan if value is None else float(value)
        if name.endswith(MEASURED_ON) and not math.isnan(number) and not 0 <= number <= 1:
            raise ResultError(f"{where}: {name} is {value}; expected a share, 0 to 1. {AGAIN}")
        if name == "truncated_at" and number < 1:
            raise ResultError(f"{where}: {name} is {value}; expected 1 or more. {AGAIN}")
        found[name] = number
    main = found.pop("main_score", math.nan)
    measured = found.get("map", main)
    if "main_score" in row and not np.isclose(main, measured, 0, ROUNDED, equal_nan=True):
        raise ResultError(
            f"{where}: main_score is {main}, and map {measured}; expected the same, as map is the "
            f"main score. {AGAIN}"
        )
    return found


def _is_score(value: object) -> bool:
    return value is None or isinstance(value, int | float)
