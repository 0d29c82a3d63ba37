"""A study: the TOML file that declares a research question and the experiment that answers it.

A card holds no code, and nothing here imports torch or mteb, so that listing studies stays fast.
"""

import re
import tomllib
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from mteb_hybrid.languages.codes import iso_language
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.languages.traits import By
from mteb_hybrid.recipes.table import ShortCode, Table
from mteb_hybrid.retrieval.views import Setting

Name = Annotated[str, Field(pattern=r"^[\w+]([\w+. -]*[\w+.-])?$")]
"""Stands in tables, and names nothing on disk."""

BudgetName = Literal["smoke", "small", "paper"]

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""As NumPy takes them."""

Words = Annotated[str, Field(min_length=1)]

Strings = Annotated[list[str], Field(default_factory=list)]


class Condition(Table):
    """One thing that is compared: a model, and what is done to it.

    Attributes:
        name: In tables and claims.
        trained: Whether the budget's recipe trains it, with every seed; else it is the model
            that the recipe starts from.
        set: Overrides of the recipe, as ``train --set`` takes them: ``batches.alpha=1.0``.
        vary: One key of the recipe and its values: a condition for each, called by name and value.
        repair: Repair of its vectors, fitted on the budget's texts.
        each_language: Train a model for each query language of the tests but the pivot, on that
            and the pivot alone; each answers the queries of its language.
    """

    name: Name
    trained: bool = False
    set: Strings
    vary: dict[str, list[int | float | str]] = Field(default_factory=dict, max_length=1)
    repair: Literal["projection", "lsar", "leace"] | None = None
    each_language: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "Condition":
        given = [key for key in ("set", "vary", "each_language") if getattr(self, key)]
        if given and not self.trained:
            raise ValueError(f"condition {self.name!r}: {given[0]} is of training: trained = true")
        _check_keys([*self.set, *self.vary], f"condition {self.name!r}")
        if any(not values for values in self.vary.values()):
            raise ValueError(f"condition {self.name!r}: vary needs values")
        return self

    @property
    def names(self) -> list[str]:
        """What it is called, once for each value that varies."""
        values = next(iter(self.vary.values()), [])
        return [f"{self.name} {without_folders(str(value))}" for value in values] or [self.name]


def without_folders(text: str) -> str:
    """A value, or an override of a recipe, that names no folder of the machine."""
    return FOLDERS.sub("", text)


def _check_keys(overrides: Iterable[str], where: str) -> None:
    """Refuse overrides of which one would silently win over another, or lose to a seed."""
    given = list(overrides)
    keys = [_key(override) for override in given]
    if "training.seed" in keys or any(map(_has_seed, given)):
        raise ValueError(f"{where}: training.seed is set by the budget: give it seeds")
    if repeated := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"{where}: {repeated[0]} is set twice; give it once")


def _check_tables(overrides: Iterable[str], where: str) -> None:
    """Refuse a table beside a key of it: whichever comes later would silently win."""
    keys = [_key(override) for override in overrides]
    for table in keys:
        if within := [key for key in keys if key.startswith(f"{table}.")]:
            raise ValueError(
                f"{where}: sets {table}, and {within[0]}, which is in it; set its keys one by one, "
                "or all of them in the table"
            )


def _key(override: str) -> str:
    """The key of an override, with numbers as recipes have them."""
    parts = override.partition("=")[0].strip().split(".")
    return ".".join(str(int(part)) if part.isdecimal() else part for part in parts)


def _has_seed(override: str) -> bool:
    try:
        training = tomllib.loads(override).get("training")
    except (ValueError, RecursionError):  # what is no TOML is a string
        return False
    return isinstance(training, dict) and "seed" in training


FOLDERS = re.compile(
    r"""(?:^|(?<=["'=\[,{])|(?<==\s))(~[^/"']*|\.\.?)?/([^/"',}\]]+/)*(?=[^/"',}\]])"""
)
"""All of a path but its last part, where it does not begin at a folder of data."""

HITS = ("hit_rate_at_1", "accuracy")
"""Two names of MTEB's for the share of queries whose first passage is right."""


class Published(Table):
    """Figures of the literature for the two conditions of a claim.

    Attributes:
        source: Where they stand, such as ``arXiv:2408.10536, Table 2``, and over which query
            languages they are means, if not over all of the collection.
        model: The model there.
        collection: What it was tested on there, as tests call it.
        condition: The condition's figure.
        than: That of what it is compared with.
    """

    source: str
    model: str
    collection: str
    condition: float
    than: float


class Claim(Table):
    """One comparison of two conditions, which the results confirm, contradict or leave open.

    Attributes:
        text: The claim in words.
        condition: Name of a condition.
        than: Name of the condition that it is compared with.
        setting: In which setting.
        measure: Of that setting's measures, or one of `HITS` where each query has one answer.
        expect: How the condition's figure is claimed to be: ``higher`` or ``lower`` than the
            other's, ``within`` `margin` of it, or ``not-lower`` by more than that.
        margin: For ``within`` and ``not-lower``, in units of the measure.
        collections: Only in these of the tests; all that have the setting if empty.
        change_from: A collection with the same queries in other words: the claim is about the
            change of the measure from there.
        by: A property of query languages, of which `values` are kept; all are if it is not given.
        values: Values of `by`, such as ``0`` and ``1`` of ``resource-class``.
        published: The same comparison in the literature.
    """

    text: Words
    condition: Name
    than: Name
    setting: Setting = Field(default=Setting.MULTILINGUAL, strict=False)
    measure: str = "map"
    expect: Literal["higher", "lower", "within", "not-lower"] = "higher"
    margin: NonNegativeFloat | None = None
    collections: Strings
    change_from: str | None = None
    by: By | None = Field(default=None, strict=False)
    values: Strings
    published: list[Published] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits(self) -> "Claim":
        if (self.expect in ("within", "not-lower")) == (self.margin is None):
            raise ValueError("margin goes with expect = 'within' or 'not-lower', and only these")
        if self.change_from and (not self.collections or self.change_from in self.collections):
            raise ValueError("change_from goes with collections, which it is none of")
        if (self.by is None) == bool(self.values):
            raise ValueError("by and values go together: a property and which of its values")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"values are {', '.join(self.values)}: give each once")
        for code in self.values if self.by is By.QUERY_LANGUAGE else ():
            iso_language(code)
        return self


class Test(Table):
    """What models are evaluated on.

    Attributes:
        tasks: Collections or tasks, as ``mteb-hybrid run`` takes them.
        settings: Only these settings; all if empty.
        query_languages: Only these query languages; all if empty.
        passage_languages: Only these passage languages; all if empty.
    """

    tasks: Annotated[list[str], Field(min_length=1)]
    settings: list[Annotated[Setting, Field(strict=False)]] = Field(default_factory=list)
    query_languages: list[ShortCode] = Field(default_factory=list)
    passage_languages: list[ShortCode] = Field(default_factory=list)


class Budget(Table):
    """How much is run: with which models, on what, and how often.

    Attributes:
        recipes: Recipe for each model that training starts from, by what tables call the model.
        set: Overrides of all recipes; those of a condition come after.
        seeds: A training run for each.
        texts: What repairs are fitted on, as ``mteb-hybrid repair --texts`` takes it.
        pivot: The language beside each one of `Condition.each_language`.
        tests: What every model is evaluated on.
        not_run: What this budget leaves out of the question, for the report.
    """

    recipes: Annotated[dict[Name, str], Field(min_length=1)]
    set: Strings
    seeds: Annotated[list[Seed], Field(min_length=1)]
    texts: Annotated[str, Field(min_length=1)] | None = None
    pivot: ShortCode = "en"
    tests: Annotated[list[Test], Field(min_length=1)]
    not_run: Strings

    @model_validator(mode="after")
    def _has_each_once(self) -> "Budget":
        _check_keys(self.set, "set")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are {self.seeds}: give each once")
        return self

    @property
    def asked_languages(self) -> list[str]:
        """The query languages that tests name, but for the pivot."""
        asked = dict.fromkeys(code for test in self.tests for code in test.query_languages)
        return [code for code in asked if code != self.pivot]


class Study(Table):
    """A research question and the experiment that answers it, in ``studies/NAME.toml``.

    Attributes:
        title: The question in a few words.
        question: All of it.
        conditions: What is compared.
        claims: The comparisons that answer the question.
        budgets: ``smoke`` on the sample, ``small`` on real data with two cores, ``paper`` with
            the published models and data.
    """

    title: Words
    question: Words
    conditions: Annotated[list[Condition], Field(min_length=1)]
    claims: Annotated[list[Claim], Field(min_length=1)]
    budgets: Annotated[dict[BudgetName, Budget], Field(min_length=1)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Study":
        names = [name for condition in self.conditions for name in condition.names]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two conditions are called {repeated[0]!r}; rename one")
        for of, budget in self.budgets.items():
            for condition in self.conditions:
                where = f"budgets.{of} with condition {condition.name!r}"
                _check_tables([*budget.set, *condition.set, *condition.vary], where)
        for claim in self.claims:
            if claim.condition == claim.than:
                raise ValueError(
                    f"claim {claim.text!r}: compares {claim.than!r} with itself; name another"
                )
            for name in (claim.condition, claim.than):
                if name not in names:
                    raise ValueError(
                        f"claim {claim.text!r}: no condition {name!r}{did_you_mean(name, names)} "
                        f"There are {', '.join(names)}"
                    )
            tasks = [t for b in self.budgets.values() for test in b.tests for t in test.tasks]
            figures = [figure.collection for figure in claim.published]
            base = [claim.change_from] if claim.change_from else []
            for name in (*claim.collections, *base, *figures):
                if name not in tasks:
                    raise ValueError(
                        f"claim {claim.text!r}: no budget tests on {name!r}; they do on "
                        f"{', '.join(dict.fromkeys(tasks))}"
                    )
        if any(condition.repair for condition in self.conditions):
            for name, budget in self.budgets.items():
                if budget.texts is None:
                    raise ValueError(f"budgets.{name}.texts: a condition is repaired; say on what")
        if any(condition.each_language for condition in self.conditions):
            for name, budget in self.budgets.items():
                if not budget.asked_languages:
                    raise ValueError(
                        f"budgets.{name}.tests: a condition trains each_language; name the "
                        "query_languages in a test"
                    )
        return self
