"""A study in words."""

from collections.abc import Iterator

from mteb_hybrid.studies.study import Budget, Claim, Condition, Study


def described(study: Study) -> Iterator[str]:
    """Lines that tell what a study asks, compares, claims, and runs."""
    yield study.title
    yield f"  {' '.join(study.question.split())}"
    yield "Conditions"
    for condition in study.conditions:
        yield f"  {', '.join(condition.names)}: {_condition(condition)}"
    yield "Claims"
    for claim in study.claims:
        yield f"  {claim.text}"
        yield f"    {_claim(claim)}"
    for name, budget in study.budgets.items():
        yield f"Budget {name}"
        yield from (f"  {line}" for line in _budget(budget))


def _condition(condition: Condition) -> str:
    said = "trained" if condition.trained else "the model as it is"
    if condition.set:
        said += f", with {', '.join(condition.set)}"
    for key in condition.vary:
        said += f", {key} varies"
    if condition.each_language:
        said += ", a model for each query language"
    if condition.repair:
        said += f", then repaired by {condition.repair}"
    return said


def _claim(claim: Claim) -> str:
    said = f"{claim.condition} against {claim.than}: {claim.measure}, {claim.setting}, "
    said += claim.expect
    if claim.margin is not None:
        said += f" {claim.margin:g}" if claim.expect == "within" else f" by {claim.margin:g}"
    if claim.collections:
        said += f", on {', '.join(claim.collections)}"
    if claim.change_from:
        said += f", the change from {claim.change_from}"
    if claim.by:
        said += f", query languages of {claim.by} {' or '.join(claim.values)}"
    return said


def _budget(budget: Budget) -> Iterator[str]:
    yield "recipes " + ", ".join(f"{start}: {recipe}" for start, recipe in budget.recipes.items())
    if budget.set:
        yield f"with {', '.join(budget.set)}"
    yield f"seeds {', '.join(map(str, budget.seeds))}"
    if budget.texts:
        yield f"repairs are fitted on {budget.texts}"
    for test in budget.tests:
        said = f"tests {', '.join(test.tasks)}"
        if test.settings:
            said += f", {', '.join(test.settings)}"
        if test.query_languages:
            said += f", queries in {', '.join(test.query_languages)}"
        if test.passage_languages:
            said += f", passages in {', '.join(test.passage_languages)}"
        yield said
    yield from (f"not run: {left}" for left in budget.not_run)
