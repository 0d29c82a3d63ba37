"""What a study runs: each model of each condition and seed, and what makes it what it is."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.evaluation.select import NotAtHandError, SelectionError, select_tasks
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import read_recipe, without_paths
from mteb_hybrid.studies.content import (
    ABSENT,
    collection_content,
    data_content,
    model_content,
    texts_content,
)
from mteb_hybrid.studies.study import Budget, BudgetName, Condition, Study, Test

WORDS = ("name", "title", "description")
"""Keys of a recipe that change nothing of what it trains."""

OF_UNTRAINED = (
    *("name", "revision", "files", "pooling", "max_seq_length"),
    *("query_prompt", "passage_prompt"),
)
"""Keys of a recipe's model that change what the untrained model is."""


@dataclass(frozen=True)
class Repair:
    """A repair of a model's vectors.

    Attributes:
        method: Of `mteb_hybrid.repair.VECTOR_REPAIRS`.
        texts: What it is fitted on.
    """

    method: str
    texts: str


@dataclass(frozen=True)
class Run:
    """One model that is made, if it is, and evaluated.

    Attributes:
        start: What tables call the model that it starts from.
        condition: Name of the condition, with its value if one varies.
        seed: None if it is not trained.
        language: The query language that it is for; None for all.
        recipe: How it is trained, and what it starts from.
        trained: Whether it is trained.
        repair: How it is repaired afterwards.
        value: What varies, if something does.
        tests: What it is evaluated on.
        measures: Those that claims are about.
        planned: Whether it is only planned: tests of which queries are not at hand are left out.
    """

    start: str
    condition: str
    seed: int | None
    language: str | None
    recipe: Recipe
    trained: bool
    repair: Repair | None
    value: float | str | None
    tests: tuple[Test, ...]
    measures: tuple[str, ...] = ()
    planned: bool = False

    @cached_property
    def made(self) -> dict[str, Any]:
        """All that decides what the model is, and no path of the machine; `key` is its hash."""
        settings = without_paths(self.recipe).settings()
        model = settings["model"]
        if not self.recipe.model.on_hub:
            model["files"] = model_content(self.recipe.model.name)
        if self.trained:
            of = {key: value for key, value in settings.items() if key not in WORDS}
            of["languages"] = list(map(list, settings["languages"].items()))  # their order counts
            of["data_revisions"] = [data_content(data) for data in self.recipe.data]
            if self.recipe.evaluation and self.recipe.evaluation.patience:
                of["chosen_on"] = collection_content(self.recipe.evaluation.collection)
        else:
            of = {"model": {key: value for key, value in model.items() if key in OF_UNTRAINED}}
        if self.repair:
            texts = [PurePath(self.repair.texts).name, texts_content(self.repair.texts)]
            of["repair"] = {"method": self.repair.method, "texts": texts}
        return of

    @cached_property
    def key(self) -> str:
        """Short hash of `made`: names its folder, and is the revision of its results."""
        return key_of(self.made)

    @property
    def is_at_hand(self) -> bool:
        """Whether all that makes it is; else `key` says nothing of what is missing."""
        return json.dumps(ABSENT) not in json.dumps(self.made)

    @property
    def model_name(self) -> str:
        """What results are filed under: the same for the same `key`, whichever study asks."""
        start = re.sub(r"[^\w.-]+|__+", "-", PurePath(self.recipe.model.name).name, flags=re.ASCII)
        return f"studies/{start.strip('-_.') or 'model'}"

    @property
    def base(self) -> "Run":
        """The same, unrepaired."""
        return replace(self, repair=None)

    def selected(self) -> dict[str, list[str]]:
        """Tasks and subsets that it is evaluated on.

        Raises:
            NotAtHandError: If queries of a test are not at hand, and it is not only planned.
            SelectionError: If a test names what does not exist.
        """
        return self._select()[0]

    def not_at_hand(self) -> dict[str, str]:
        """What is left out of tests, as it is only planned, and why.

        Returns:
            By collection or task, and query language.
        """
        return self._select()[1]

    def _select(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        found: dict[str, list[str]] = {}
        lacking: dict[str, str] = {}
        for test in self.tests:
            asked = [self.language] if self.language else test.query_languages
            parts = [(test.tasks, asked)]
            if self.planned:
                parts = [([task], [code]) for task in test.tasks for code in asked]
                parts = parts or [([task], []) for task in test.tasks]
            for tasks, codes in parts:
                try:
                    chosen = select_tasks(tasks, test.settings, codes, test.passage_languages)
                except SelectionError as error:
                    if not self.planned:
                        raise
                    if isinstance(error, NotAtHandError):  # else this part has no subsets
                        lacking.setdefault(" in ".join([*tasks, *codes]), str(error))
                    continue
                for task, subsets in chosen.items():
                    found[task] = list(dict.fromkeys([*found.get(task, []), *subsets]))
        return found, lacking


def key_of(made: Mapping[str, Any]) -> str:
    """Short hash of what makes a run; see `Run.made`."""
    text = json.dumps(made, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def runs(study: Study, budget: BudgetName, *, planned: bool = False) -> list[Run]:
    """The runs of a study at a budget, in the order of its card.

    Args:
        study: The study.
        budget: Name of one of its budgets.
        planned: As of `Run`.

    Raises:
        CardError: If a recipe does not exist, or refuses what the study sets.
    """
    chosen = study.budgets[budget]
    measures = tuple(dict.fromkeys(claim.measure for claim in study.claims))
    return [
        replace(run, measures=measures, planned=planned)
        for start, recipe in chosen.recipes.items()
        for condition in study.conditions
        for run in _of_condition(start, recipe, condition, chosen)
    ]


def _of_condition(start: str, recipe: str, condition: Condition, budget: Budget) -> Iterator[Run]:
    repair = Repair(condition.repair, budget.texts or "") if condition.repair else None
    key, values = next(iter(condition.vary.items()), ("", [None]))
    languages = budget.asked_languages if condition.each_language else [None]
    for name, value in zip(condition.names, values, strict=True):
        varied = [f"{key}={json.dumps(value)}"] if value is not None else []
        settings = [*budget.set, *condition.set, *varied]
        for seed in budget.seeds if condition.trained else [None]:
            own = [f"training.seed={seed}"] if seed is not None else []
            for language in languages:
                whole = read_recipe(recipe, [*settings, *own])
                if language is not None:
                    if lacking := {budget.pivot, language} - {*whole.languages}:
                        raise CardError(
                            f"a model for {language} beside {budget.pivot}: the recipe does not "
                            f"train on {', '.join(sorted(lacking))}; it has "
                            f"{', '.join(whole.languages)}"
                        )
                    out = {*whole.languages} - {budget.pivot, language}
                    without = [f"languages.{code}=" for code in sorted(out)]
                    whole = read_recipe(recipe, [*settings, *own, *without])
                asked = [
                    test
                    for test in budget.tests
                    if language is None or language in (test.query_languages or [language])
                ]
                yield Run(
                    *(start, name, seed, language, whole, condition.trained, repair, value),
                    tests=tuple(asked),
                )
