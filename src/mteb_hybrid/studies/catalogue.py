"""Studies as files: found by name, read, and checked against the recipes and tasks they name."""

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import collections, find_card, shipped
from mteb_hybrid.evaluation.select import NotAtHandError, SelectionError
from mteb_hybrid.files.documents import read_toml
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.named import is_name
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.languages.traits import By, known_values
from mteb_hybrid.measures import MEASURES
from mteb_hybrid.recipes.explain import explain
from mteb_hybrid.recipes.toml import shipped_recipes
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.plan import Run, runs
from mteb_hybrid.studies.seen import seen_texts
from mteb_hybrid.studies.study import HITS, Budget, Claim, Study


def shipped_studies() -> dict[str, Path]:
    """The studies that ship with the package, by name."""
    return shipped("studies")


def find_study(source: str | Path) -> Path:
    """The file of a study.

    Args:
        source: A TOML file, or the name of a study that ships with the package.

    Raises:
        CardError: If there is none.
    """
    return find_card(source, "studies", "study")


def read_study(source: str | Path, budget: str | None = None, *, planned: bool = False) -> Study:
    """Read and check a study, with all recipes that it names, and the tasks of a budget.

    Recipes and texts that are files lie at the place that is given, or beside the study.

    Args:
        source: A TOML file, or the name of a study that ships with the package.
        budget: That is to be run. Of others some tasks may not be at hand: those of translated and
            rewritten queries come with these.
        planned: Of the budget, too, as it is only planned.

    Raises:
        CardError: If there is no such study or budget; if it is not TOML, lacks a key, has an
            unknown one or a bad value; if it names a recipe, task or condition that does not
            exist; or if a recipe refuses what it sets.
    """
    file = find_study(source)
    try:
        content = read_toml(file)
    except DataError as error:
        raise CardError(str(error)) from None
    try:
        study = Study.model_validate(_beside(content, file.parent))
    except ValidationError as error:
        said = explain(error.errors(), Study, str(file), "studies/README.md")
        raise CardError(said) from None
    _check_claims(study, file)
    if budget is not None and budget not in study.budgets:
        raise CardError(f"{file}: has no budget {budget!r}; it has {', '.join(study.budgets)}")
    for name, one in study.budgets.items():
        where = f"{file}: budgets.{name}"
        found = _check(study, name, one, where, planned=planned or name != budget)
        if name == budget:
            _check_same(study, found, where)
    return study


def _check_claims(study: Study, file: Path) -> None:
    known = [*(measure.name for measure in MEASURES), *HITS]
    tests = [test for budget in study.budgets.values() for test in budget.tests]
    for claim in study.claims:
        about = [t for t in tests if not claim.collections or {*t.tasks} & {*claim.collections}]
        settings = {setting for test in about for setting in test.settings or Setting}
        if claim.setting not in settings:
            where = f" on {' or '.join(claim.collections)}" if claim.collections else ""
            raise CardError(
                f"{file}: claim {claim.text!r}: no budget tests{where} in the setting "
                f"{claim.setting}; they do in {', '.join(sorted(settings))}"
            )
        possible = known_values(claim.by) if claim.by else []
        if possible and (others := [value for value in claim.values if value not in possible]):
            few = f"There are {', '.join(possible)}"
            if claim.by is By.SCRIPT:
                few = "Give a code of ISO 15924, such as Latn"
            raise CardError(
                f"{file}: claim {claim.text!r}: values: no {claim.by} {others[0]!r}"
                f"{did_you_mean(others[0], possible)} {few}"
            )
        if claim.measure not in known:
            raise CardError(
                f"{file}: claim {claim.text!r}: no measure {claim.measure!r}"
                f"{did_you_mean(claim.measure, known)} There are {', '.join(known)}"
            )
        kept = [
            measure.name
            for measure in MEASURES
            if claim.setting in measure.settings and not (measure.of_view or measure.by_language)
        ]
        if claim.measure not in (*kept, *HITS):
            raise CardError(
                f"{file}: claim {claim.text!r}: in the setting {claim.setting} no query has a "
                f"value of {claim.measure} of its own. There are {', '.join(kept)}"
            )
        _check_published(claim, file)


def _check_published(claim: Claim, file: Path) -> None:
    """Refuse published figures that the measure cannot have, as where they are per cent."""
    ranges = {measure.name: (measure.lowest, measure.highest) for measure in MEASURES}
    low, high = ranges.get(claim.measure, (0.0, 1.0))
    if claim.change_from:
        low, high = low - high, high - low
    for figure in claim.published:
        for value in (figure.condition, figure.than):
            if not low <= value <= high:
                raise CardError(
                    f"{file}: claim {claim.text!r}: published for {figure.model!r}: {value:g}; "
                    f"expected {claim.measure} from {low:g} to {high:g}: give it in these units"
                )


def _beside(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A study in which files that lie beside it are named from here."""
    budgets = content.get("budgets")
    if not isinstance(budgets, Mapping):
        return content
    found = {}
    for name, budget in budgets.items():
        if isinstance(budget, dict):
            recipes, texts = budget.get("recipes"), budget.get("texts")
            if isinstance(recipes, dict):
                placed = {
                    start: _placed(recipe, folder, shipped_recipes(), "recipe")
                    for start, recipe in recipes.items()
                }
                budget = {**budget, "recipes": placed}
            if texts is not None:
                budget = {**budget, "texts": _placed(texts, folder, collections(), "collection")}
        found[name] = budget
    return {**content, "budgets": found}


def _placed(name: Any, folder: Path, known: Container[str], what: str) -> Any:
    if not isinstance(name, str) or not name or is_name(name, known, what) or Path(name).exists():
        return name
    return str(folder / name) if (folder / name).exists() else name


def _check(study: Study, name: Any, budget: Budget, where: str, *, planned: bool) -> list[Run]:
    """What one file alone cannot tell: whether recipes, tasks and texts are there, and fit.

    Returns:
        The runs, with one seed.
    """
    one_seed = budget.model_copy(update={"seeds": budget.seeds[:1]})
    selected: dict[str | None, dict[str, list[str]]] = {}  # by what runs differ in, of one budget
    found: list[Run] = []
    for condition in study.conditions:
        alone = study.model_copy(
            update={"conditions": [condition], "budgets": {**study.budgets, name: one_seed}}
        )
        try:
            for run in runs(alone, name, planned=planned):
                if run.language not in selected:
                    selected[run.language] = _selected(run)
                if name != "smoke":  # which has but the sample
                    for said in seen_texts(run, selected[run.language]):
                        raise CardError(f"{said}; choose another of the two")
                found.append(run)
        except SelectionError as error:
            raise CardError(f"{where}.tests: {error}") from None
        except (CardError, DataError) as error:
            given = ", ".join([*condition.set, *condition.vary])
            said = f"condition {condition.name!r}" + (f" ({given})" if given else "")
            raise CardError(f"{where}, {said}: {error}") from None
    if budget.texts and budget.texts not in collections() and not Path(budget.texts).exists():
        raise CardError(
            f"{where}.texts: {budget.texts!r} is neither a collection nor a file or folder"
            f"{did_you_mean(budget.texts, collections())}"
        )
    return found


def _selected(run: Run) -> dict[str, list[str]]:
    """What a run is tested on, as far as it is at hand; a name that there is not is refused."""
    if run.planned:
        with suppress(NotAtHandError):
            replace(run, planned=False).selected()
    return run.selected()


def _check_same(study: Study, found: Sequence[Run], where: str) -> None:
    """Refuse a claim about two conditions of which all runs are the same.

    But for models of one language each: where there is but one, that is the model for all.
    """
    keys: dict[str, set[str]] = {}
    for run in found:
        keys.setdefault(run.condition, set()).add(run.key)
    each = {name for one in study.conditions if one.each_language for name in one.names}
    for claim in study.claims:
        both = {claim.condition, claim.than}
        if keys[claim.condition] == keys[claim.than] and not both & each:
            raise CardError(
                f"{where}: claim {claim.text!r}: {claim.condition!r} and {claim.than!r} are the "
                "same models, trained and repaired alike; set what makes them differ"
            )
