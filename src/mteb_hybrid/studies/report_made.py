"""How the results of a study were made: commands, models, data, versions, and what is missing."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from mteb_hybrid.cards.tasks import data_revision, task_views
from mteb_hybrid.files.safe_text import code_block
from mteb_hybrid.model_card.markdown import Markdown
from mteb_hybrid.recipes.toml import without_paths
from mteb_hybrid.results.cells import NONE, short_revision
from mteb_hybrid.studies.answer import Answer, Verdict
from mteb_hybrid.studies.evidence import Evidence, Trial
from mteb_hybrid.studies.plan import Run
from mteb_hybrid.studies.seen import seen_texts
from mteb_hybrid.studies.study import Budget, without_folders
from mteb_hybrid.studies.tested import Tested
from mteb_hybrid.studies.trained_with import packages, precisions

Rows = tuple[list[str], list[list[str]]]


def commands(name: str, budget: str) -> Markdown:
    """What to run, as a block of code."""
    study = f"{shlex.quote(PurePath(name).name)} --budget {budget}"
    lines = f"mteb-hybrid study run {study}\nmteb-hybrid study report {study} -o REPORT"
    return Markdown(code_block(lines, "bash"))


def starts(evidence: Evidence) -> Rows:
    """The models that conditions start from, and the recipes that train them."""
    overrides = ", ".join(map(without_folders, _budget(evidence).set)) or NONE
    body = {}
    for run in _runs(evidence):
        model = without_paths(run.recipe).model
        row = [run.start, model.name, model.revision or NONE, run.recipe.name, overrides]
        body[tuple(row)] = row
    return ["start", "model", "revision", "recipe", "overrides"], list(body.values())


def conditions(evidence: Evidence) -> Rows:
    """What is done to a model in each condition."""
    body = []
    for condition in evidence.study.conditions:
        key, values = next(iter(condition.vary.items()), ("", [None]))
        for name, value in zip(condition.names, values, strict=True):
            said = ["trained" if condition.trained else "as it is"]
            said += ["a model for each query language"] * condition.each_language
            said += map(without_folders, condition.set)
            said += [without_folders(f"{key}={value}")] * bool(key)
            said += [f"repaired: {condition.repair}"] * bool(condition.repair)
            body.append([name, ", ".join(said)])
    return ["condition", "what is done"], body


def data(evidence: Evidence) -> Rows:
    """What models were trained, repaired and evaluated on, with the revisions."""
    body: dict[tuple[str, ...], list[str]] = {}
    for run in _runs(evidence):
        rows = []
        if run.trained:
            shown = without_paths(run.recipe).data
            rows = [
                ["training", part.path, NONE, NONE, revision]
                for part, revision in zip(shown, run.made["data_revisions"], strict=True)
            ]
        if run.repair:
            texts, revision = run.made["repair"]["texts"]
            rows.append(["repair", PurePath(texts).name, NONE, NONE, revision])
        body.update({tuple(row): row for row in rows})
    for test in evidence.tests.values():
        revision = data_revision(test.card, test.setting)
        row = ["test", test.card.title, test.task, _asked(test), revision]
        body[tuple(row)] = row
    head = ["data", "collection", "task", "query languages", "revision"]
    order = ("training", "repair", "test")
    rows = sorted(body.values(), key=lambda row: order.index(row[0]))
    return head, [[*row[:-1], short_revision(row[-1])] for row in rows]


def _asked(test: Tested) -> str:
    """In how many of a task's query languages a study asks, and in which if not in all."""
    every = {view.query_language for view in task_views(test.card, test.setting).values()}
    asked = test.query_languages
    which = f": {', '.join(asked)}" if len(asked) < len(every) else ""
    return f"{len(asked)} of {len(every)}{which}"


def seen(evidence: Evidence) -> str:
    """Which texts of its tests a study trains, chooses or repairs on; empty if none."""
    alike = {(trial.start, trial.condition): trial for trial in evidence.trials}.values()
    runs = [run for trial in alike for run in trial.runs]  # seeds differ in nothing of it
    found = dict.fromkeys(
        said for run in runs for said in seen_texts(run, evidence.subsets[run.language])
    )
    each = "; ".join(f"some model {said}" for said in found)
    said = f"Tests are not unseen: {each}. So the answers say little of other texts."
    return said if found else ""


def versions(evidence: Evidence) -> str:
    """The versions that results were made with, as far as they say it."""
    mteb = {version for e in evidence.evaluations.values() for version in e.mteb_versions}
    text = f"evaluated with mteb {' and '.join(sorted(mteb))}"
    if not evidence.trained:
        return text
    trained = [f"{name} {' and '.join(of)}" for name, of in packages(evidence.trained).items()]
    text += f"; trained with {', '.join(trained)}; {_precisions(precisions(evidence.trained))}"
    again = [model.again for model in evidence.trained]
    for said, why in (
        (again.count(True), "for further tests"),
        (again.count(None), "and it was not kept which results are of which training"),
    ):
        if said:
            models = "1 model was" if said == 1 else f"{said} models were"
            text += f"; {models} trained more than once, from the same seed, {why}"
    return text


def _precisions(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return f"in {next(iter(counts))}"
    each = ", ".join(f"{count} in {name}" for name, count in sorted(counts.items()))
    return (
        f"{each}: so differences between models are of their precision too. It was left to the "
        "device; a budget that sets training.precision=fp32 trains all alike"
    )


def model_runs(evidence: Evidence) -> Rows:
    """Every run, and what its results are filed under."""
    body = [
        [
            *(*_names(trial), run.language or "all of the tests", run.model_name),
            f"{run.key} (lacks results)" if run.key in evidence.lacking else run.key,
        ]
        for trial in evidence.trials
        for run in trial.runs
    ]
    head = ["start", "condition", "seed", "query languages", "model", "key of the results"]
    return head, body


def not_run(evidence: Evidence, found: Sequence[Answer]) -> list[str]:
    """What the report lacks: runs, what the budget leaves out, and claims that nothing tests."""
    lines = _gaps(evidence)
    lines += _budget(evidence).not_run
    for answer in found:
        if answer.verdict is Verdict.NOT_TESTABLE:
            where = f" ({answer.start}, {answer.test.card.title})" if answer.test else ""
            lines.append(f"Claim {answer.number}{where}, not testable: {answer.why}.")
    return lines


def _gaps(evidence: Evidence) -> list[str]:
    """A line for all seeds of a condition that lack the same for the same reason."""
    lacks: dict[tuple[str, str, str | None, int | None], dict[str, list[str]]] = {}
    for gap in evidence.gaps:
        run = gap.run
        of = lacks.setdefault((run.start, run.condition, run.language, run.seed), {})
        of.setdefault(gap.why, []).append(gap.task)
    seeds: dict[tuple[str, ...], list[str]] = {}
    for (start, condition, language, seed), whys in lacks.items():
        for why, tasks in whys.items():
            asked = evidence.subsets[language]
            which = f" {', '.join(tasks)}:" if len(tasks) < len(asked) else ""
            who = f"{start}, {condition}" + (f", queries in {language}" if language else "")
            found = seeds.setdefault((who, which, why), [])
            found += [str(seed)] if seed is not None else []
    return [f"{who}{_seeds(found)}:{which} {why}." for (who, which, why), found in seeds.items()]


def _seeds(names: Sequence[str]) -> str:
    if len(names) < 2:
        return f", seed {names[0]}" if names else ""
    return f", seeds {', '.join(names[:-1])} and {names[-1]}"


def _budget(evidence: Evidence) -> Budget:
    return evidence.study.budgets[evidence.budget]


def _runs(evidence: Evidence) -> list[Run]:
    return [run for trial in evidence.trials for run in trial.runs]


def _names(trial: Trial) -> list[str]:
    return [trial.start, trial.condition, NONE if trial.seed is None else str(trial.seed)]
