"""What a store has of a study: evaluations on today's data, and what is missing or set apart."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.measures.view import COLUMNS
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.results.cells import short_revision
from mteb_hybrid.results.evaluation import Evaluation
from mteb_hybrid.results.mteb_files import ROUNDED, ResultError, ResultFile, read_result_files
from mteb_hybrid.results.per_query import data_revisions, read_per_query
from mteb_hybrid.results.results import results_of
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.plan import Run, runs
from mteb_hybrid.studies.store import Store
from mteb_hybrid.studies.study import HITS, BudgetName, Study
from mteb_hybrid.studies.tested import Tested, tested
from mteb_hybrid.studies.trained_with import Subset, Trained, trained


@dataclass(frozen=True)
class Trial:
    """A condition with one seed.

    Attributes:
        start: What tables call the model that it starts from.
        condition: Name of the condition.
        seed: None if it is not trained.
        runs: Its one run, or one for each query language.
    """

    start: str
    condition: str
    seed: int | None
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """What to call it."""
        return self.condition if self.seed is None else f"{self.condition}, seed {self.seed}"


@dataclass(frozen=True)
class Gap:
    """What is missing of a run.

    Attributes:
        run: The run.
        task: Name of the task.
        why: What is missing of it, or why it does not count.
    """

    run: Run
    task: str
    why: str


@dataclass(frozen=True)
class Evidence:
    """The results of a study at a budget. A task of a run counts if all its subsets are there.

    Attributes:
        study: The study.
        budget: Name of the budget.
        trials: All that are planned, in the order of the plan.
        tests: What is tested on, by task.
        subsets: Subsets that a run is evaluated on, by the run's query language and by task.
        evaluations: Those that count, by key of the run and task.
        gaps: All that is planned and does not count.
        trained: What trained the models that have results, as far as the runs say it.
    """

    study: Study
    budget: BudgetName
    trials: tuple[Trial, ...]
    tests: Mapping[str, Tested]
    subsets: Mapping[str | None, Mapping[str, Sequence[str]]]
    evaluations: Mapping[tuple[str, str], Evaluation]
    gaps: tuple[Gap, ...]
    trained: tuple[Trained, ...]

    @cached_property
    def collections(self) -> dict[str, dict[Setting, Tested]]:
        """Tasks by setting, of each collection by its title."""
        found: dict[str, dict[Setting, Tested]] = {}
        for test in self.tests.values():
            found.setdefault(test.card.title, {})[test.setting] = test
        return found

    @cached_property
    def starts(self) -> list[str]:
        """What tables call the starting models."""
        return list(dict.fromkeys(trial.start for trial in self.trials))

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions, one for each value that varies."""
        return [name for condition in self.study.conditions for name in condition.names]

    def of(self, start: str, condition: str) -> list[Trial]:
        """The trials of a condition, in the order of the seeds."""
        return [t for t in self.trials if (t.start, t.condition) == (start, condition)]

    def selected(self, trial: Trial, task: str) -> dict[str, Run]:
        """The subsets that a trial answers, and the run that answers each."""
        return {
            subset: run for run in trial.runs for subset in self.subsets[run.language].get(task, ())
        }

    def counts(self, trial: Trial, task: str) -> bool:
        """Whether all its runs have results of a task that count."""
        asked = self.selected(trial, task).values()
        return bool(asked) and not any((r.key, r.language, task) in self._gaps for r in asked)

    @cached_property
    def lacking(self) -> set[str]:
        """Keys of the runs that lack some of their results."""
        return {gap.run.key for gap in self.gaps}

    @cached_property
    def _gaps(self) -> set[tuple[str, str | None, str]]:
        """What is missing; runs of one key may ask for other subsets of a task."""
        return {(gap.run.key, gap.run.language, gap.task) for gap in self.gaps}

    def scores(self, trial: Trial, task: str) -> dict[str, dict[str, float]]:
        """Means by subset and measure, of a trial that counts."""
        return {
            subset: self.evaluations[run.key, task].scores[subset]
            for subset, run in self.selected(trial, task).items()
        }

    def queries(self, trial: Trial, task: str, measure: str) -> pl.DataFrame:
        """Values per query of a trial that counts; no rows if none were kept of the measure.

        Raises:
            PerQueryError: If they are damaged.
        """
        frames = [pl.DataFrame(schema=COLUMNS | {"task": pl.String})]
        for run in trial.runs:
            asked = self.subsets[run.language].get(task, ())
            evaluation = self.evaluations[run.key, task] if asked else None
            if evaluation:
                kept = read_per_query(evaluation.folder, task, checksums=True)
                kept = kept.filter(pl.col("pool").is_in(list(asked)))
                found = kept.filter(measure=measure)
                if found.is_empty() and measure in HITS:
                    found = _hits(kept, measure, evaluation.scores)
                frames.append(found)
        return pl.concat(frames).with_columns(pl.col("value").fill_null(float("nan")))

    def trained_on(self, start: str) -> list[str]:
        """Codes of the languages with texts that any condition trains a starting model on.

        One set for tables and claims, so that a language is seen or unseen in all of a report.
        """
        found: dict[str, None] = {}
        for trial in self.trials:
            for run in trial.runs:
                if trial.start == start and run.trained:
                    found |= dict.fromkeys(_with_texts(run.recipe))
        return list(found)


def find(study: Study, name: str, budget: BudgetName, store: Path) -> Evidence:
    """Read the results of a study at a budget.

    Args:
        study: The study.
        name: What the command calls it.
        budget: Name of one of its budgets.
        store: Where ``mteb-hybrid study run`` files results.

    Raises:
        ResultError: If there are none that count, or a file is damaged, edited or of another run.
        PerQueryError: If values per query are damaged.
    """
    planned = runs(study, budget)
    first = {run.language: run for run in planned}
    subsets = {language: run.selected() for language, run in first.items()}
    found = _evaluations(planned, subsets, Store(store))
    evaluations: dict[tuple[str, str], Evaluation] = {}
    gaps = []
    hits = [measure for measure in HITS if any(c.measure == measure for c in study.claims)]
    for run in planned:
        for task, asked in subsets[run.language].items():
            evaluation = found.get((run.key, task))
            if why := _why_not(evaluation, asked):
                gaps.append(Gap(run, task, why))
            elif evaluation and (run.key, task) not in evaluations:
                kept = read_per_query(evaluation.folder, evaluation.task, checksums=True)
                _check_hits(kept, evaluation, hits)
                evaluations[run.key, task] = evaluation
    if not evaluations:
        said = f" ({gaps[0].task} of {gaps[0].run.condition}: {gaps[0].why})" if found else ""
        said = said if store.exists() else ", as there is no such folder"
        raise ResultError(
            f"{store}: no results of the study {name} at the budget {budget}{said}. Make them with "
            f"`mteb-hybrid study run {name} --budget {budget} --store {store}`."
        )
    made: dict[str, list[Subset]] = {}
    for (key, task), evaluation in evaluations.items():
        made.setdefault(key, []).extend((task, subset) for subset in evaluation.scores)
    return Evidence(
        study=study,
        budget=budget,
        trials=tuple(_trials(planned)),
        tests=tested(subsets.values()),
        subsets=subsets,
        evaluations=evaluations,
        gaps=tuple(gaps),
        trained=tuple(trained(store, made)),
    )


def _evaluations(
    planned: Sequence[Run], subsets: Mapping[str | None, Mapping[str, Sequence[str]]], store: Store
) -> dict[tuple[str, str], Evaluation]:
    """Evaluations by key and task, whatever they are worth; of the planned subsets alone."""
    keys, asked = dict[Path, str](), dict[Path, set[str]]()
    for run in planned:
        folder = store.results_of(run).resolve()
        keys[folder] = run.key
        for task, some in subsets[run.language].items():
            asked.setdefault(folder / f"{task}.json", set()).update(some)
    there = [file for file in asked if file.is_file()]
    if not there:
        return {}
    files = [
        _of_subsets(file, asked[file.path])
        for file in read_result_files(there)
        if file.path in asked
    ]
    for file in files:
        if file.model.revision != keys[file.path.parent]:
            raise ResultError(
                f"{file.path.parent}: says that it holds results of {file.model.name}, revision "
                f"{file.model.revision}; expected those of the run {keys[file.path.parent]}, which "
                "the folder is named after. Move it away, and run the study again."
            )
    return {(keys[e.folder], e.task): e for e in results_of(files).evaluations}


def _of_subsets(file: ResultFile, asked: Collection[str]) -> ResultFile:
    """A result file without the subsets that other studies have asked for."""
    scores = {
        split: [row for row in rows if row.get("hf_subset") in asked]
        for split, rows in file.content["scores"].items()
    }
    return replace(file, content=file.content | {"scores": scores})


def _hits(
    kept: pl.DataFrame, measure: str, scores: Mapping[str, Mapping[str, float]]
) -> pl.DataFrame:
    """Whether the right passage came first: of queries with one, that is where map is 1.

    Returns:
        The values; none if their means are not MTEB's, which they are not with several passages.
    """
    first = (pl.col("value") == 1).cast(pl.Float64)
    found = kept.filter(measure="map").with_columns(first, measure=pl.lit(measure))
    means = found.group_by("pool").agg(pl.col("value").mean()).iter_rows()
    same = all(abs(scores[pool].get(measure, math.nan) - mean) < ROUNDED for pool, mean in means)
    return found if same else found.clear()


def _with_texts(recipe: Recipe) -> list[str]:
    """Codes of a recipe's languages, but for those of which its collections have no text."""
    found: set[str] = set()
    for data in recipe.data:
        if data.format == "collection":
            found |= {*collection_card(data.path).languages}
        else:
            found |= {*(data.languages or recipe.languages)}
    return [code for short, code in recipe.languages.items() if short in found]


def _check_hits(kept: pl.DataFrame, evaluation: Evaluation, measures: Sequence[str]) -> None:
    """Refuse hits that are not those of the values per query, where each query has one answer.

    There, map is 1, 1/2, 1/3, …; with several answers it is not, for all queries of a pool.
    """
    rank = 1 / pl.col("value")
    pools = kept.filter(measure="map").group_by("pool", maintain_order=True)
    shares = pools.agg(
        first=(pl.col("value") == 1).mean(),
        one_answer=((rank - rank.round()).abs() < 1e-9 * rank).fill_null(value=False).all(),
    )
    for pool, first in shares.filter("one_answer").select("pool", "first").iter_rows():
        for measure in measures:
            said = evaluation.scores.get(pool, {}).get(measure, first)
            if not abs(said - first) < ROUNDED:
                file = evaluation.folder / f"{evaluation.task}.json"
                raise ResultError(
                    f"{file}: the {measure} of {pool} is {said}, and by the values per query "
                    f"beside it {first:.5f} of the queries have their answer first: it was edited, "
                    "or is of another evaluation. Remove that file: the same `mteb-hybrid study "
                    "run` evaluates it again."
                )


def _why_not(evaluation: Evaluation | None, asked: Sequence[str]) -> str:
    """Why results do not count; empty if they do.

    Args:
        evaluation: The results, if there are any.
        asked: The subsets that they should have.
    """
    if evaluation is None:
        return "not run"
    if evaluation.dataset_revision != evaluation.current_revision:
        was, now = map(short_revision, (evaluation.dataset_revision, evaluation.current_revision))
        on = f"revision {was}" if was else "an unknown revision"
        return f"set apart: on {on} of the data, which now have {now}"
    if missing := [subset for subset in asked if subset not in evaluation.scores]:
        more = ", …" if len(missing) > 3 else ""
        return f"{len(missing)} of {len(asked)} subsets not run: {', '.join(missing[:3])}{more}"
    values = {file.stem for file in evaluation.folder.glob(f"{evaluation.task}.per_query/*")}
    if without := [subset for subset in asked if subset not in values]:
        return f"values per query of {len(without)} of {len(asked)} subsets are not there"
    known = data_revisions(evaluation.folder, evaluation.task).get(evaluation.task, "")
    if known not in ("", evaluation.current_revision):
        return f"set apart: values per query on revision {short_revision(known)} of the data"
    return ""


def _trials(planned: Sequence[Run]) -> Iterator[Trial]:
    found: dict[tuple[str, str, int | None], list[Run]] = {}
    for run in planned:
        found.setdefault((run.start, run.condition, run.seed), []).append(run)
    for (start, condition, seed), own in found.items():
        yield Trial(start, condition, seed, tuple(own))
