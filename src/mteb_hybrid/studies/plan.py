"""What a study runs: each model of each condition and seed, and what makes it what it is."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.studies.study import Budget, BudgetName, Condition, Study, Test

WORDS = ("name", "title", "description")
"""Keys of a recipe that change nothing of what it trains."""


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

    @cached_property
    def made(self) -> dict[str, Any]:
        """All that decides what the model is; `key` is its hash."""
        settings = self.recipe.settings()
        if self.trained:
            of = {key: value for key, value in settings.items() if key not in WORDS}
            of["data_revisions"] = [content_of(data.path) for data in self.recipe.data]
        else:
            of = {"model": settings["model"]}
        if self.repair:
            texts = [self.repair.texts, content_of(self.repair.texts)]
            of["repair"] = {"method": self.repair.method, "texts": texts}
        return of

    @cached_property
    def key(self) -> str:
        """Short hash of `made`: names its folder, and is the revision of its results."""
        text = json.dumps(self.made, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def model_name(self) -> str:
        """What results are filed under: the same for the same `key`, whichever study asks."""
        return (
            f"studies/{self.recipe.name if self.trained else self.recipe.model.name.split('/')[-1]}"
        )

    def selected(self) -> dict[str, list[str]]:
        """Tasks and subsets that it is evaluated on."""
        found: dict[str, list[str]] = {}
        for test in self.tests:
            asked = test.query_languages
            if self.language:
                asked = [self.language]
            for task, subsets in select_tasks(
                test.tasks, test.settings, asked, test.passage_languages
            ).items():
                found[task] = list(dict.fromkeys([*found.get(task, []), *subsets]))
        return found


def content_of(name: str) -> str:
    """What stands for the content of a collection, a file, or the files of a folder."""
    if name in (cards := collections()):
        source = cards[name].source
        return f"{source.revision}+{source.known_faults.digest}"
    path = Path(name)
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def runs(study: Study, budget: BudgetName) -> list[Run]:
    """The runs of a study at a budget, those that others need before these."""
    chosen = study.budgets[budget]
    return [
        run
        for start, recipe in chosen.recipes.items()
        for condition in study.conditions
        for run in _of_condition(start, recipe, condition, chosen)
    ]


def _of_condition(start: str, recipe: str, condition: Condition, budget: Budget) -> Iterator[Run]:
    repair = Repair(condition.repair, budget.texts or "") if condition.repair else None
    key, values = next(iter(condition.vary.items()), ("", [None]))
    asked = dict.fromkeys(code for test in budget.tests for code in test.query_languages)
    languages = (
        [code for code in asked if code != budget.pivot] if condition.each_language else [None]
    )
    for name, value in zip(condition.names, values, strict=True):
        varied = [f"{key}={json.dumps(value)}"] if value is not None else []
        for seed in budget.seeds if condition.trained else [None]:
            for language in languages:
                own = [f"training.seed={seed}"] if seed is not None else []
                whole = read_recipe(recipe, [*budget.set, *condition.set, *varied, *own])
                if language is not None:
                    pair = {budget.pivot, language}
                    out = [f"languages.{code}=" for code in whole.languages if code not in pair]
                    whole = read_recipe(recipe, [*budget.set, *condition.set, *varied, *own, *out])
                yield Run(
                    start, name, seed, language, whole, condition.trained, repair, value,
                    tuple(budget.tests),
                )  # fmt: skip
