"""Tables of a study: a row for each condition, means over seeds, in all and by kind of language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mteb_hybrid.languages.traits import By
from mteb_hybrid.measures import MEASURED_ON
from mteb_hybrid.results.cells import COLUMNS, NONE, SHORT, Cell, Column, mean
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.evidence import Evidence, Trial
from mteb_hybrid.studies.report_words import digits, title
from mteb_hybrid.studies.seeds import over_seeds
from mteb_hybrid.studies.tested import Tested


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        by: The property of query languages by which it has rows; None for all of them together.
        head: Its columns.
        body: Its rows.
        labels: How many columns are words.
    """

    by: By | None
    head: list[str]
    body: list[list[str]]
    labels: int

    @property
    def is_folded(self) -> bool:
        """Whether it is long, and of interest to few."""
        return self.by is By.QUERY_LANGUAGE


def columns(evidence: Evidence, collection: str) -> list[Column]:
    """The columns of a collection: those of all tables of results, and what claims are about."""
    tests = evidence.collections[collection]
    claimed = [
        Column(f"{SHORT[c.setting]} {title(c.measure)}", c.setting, c.measure, digits(c.measure))
        for c in evidence.study.claims
    ]
    found: dict[tuple[Setting, str], Column] = {}
    for column in (*COLUMNS, *claimed):
        if column.setting in tests and _has_values(evidence, tests[column.setting], column.score):
            found.setdefault((column.setting, column.score), column)
    return list(found.values())


def tables(evidence: Evidence, collection: str, start: str) -> list[Table]:
    """In all, by each property that claims name, and last by query language.

    Args:
        evidence: What the store has.
        collection: Title of the collection.
        start: What tables call the starting model.

    Returns:
        The tables; none if nothing of them was run.
    """
    asked = columns(evidence, collection)
    named = dict.fromkeys(claim.by for claim in evidence.study.claims if claim.by)
    kinds = [None, *(by for by in named if by is not By.QUERY_LANGUAGE), By.QUERY_LANGUAGE]
    found = [_table(evidence, collection, start, asked, by) for by in kinds]
    return [table for table in found if table.body]


def cell(
    evidence: Evidence,
    trial: Trial,
    test: Tested,
    measure: str,
    languages: Sequence[str] | None = None,
) -> Cell | None:
    """Mean of a measure over the subsets of some query languages, of one trial.

    Args:
        evidence: What the store has.
        trial: A trial.
        test: A test.
        measure: Name of a score.
        languages: Query languages; all if None.

    Returns:
        The mean; None if the trial does not count there, or has no value.
    """
    if not evidence.counts(trial, test.task):
        return None
    scores = evidence.scores(trial, test.task)
    asked = [
        scores.get(name, {})
        for name, view in test.views.items()
        if languages is None or view.query_language in languages
    ]
    found = mean(values.get(measure, np.nan) for values in asked)
    shares = [
        values.get(measure + MEASURED_ON, 1.0)
        for values in asked
        if not np.isnan(values.get(measure, np.nan))
    ]
    return replace(found, measured_on=float(np.mean(shares))) if found else None


def _table(
    evidence: Evidence, collection: str, start: str, asked: Sequence[Column], by: By | None
) -> Table:
    tests = evidence.collections[collection]
    first = {None: [], By.QUERY_LANGUAGE: ["query language"]}.get(
        by, [str(by).replace("-", " "), "query languages"]
    )
    body = []
    for part, languages in _parts(evidence, tests.values(), start, by).items():
        label = [part, ", ".join(languages or ())][: len(first)]
        for name in evidence.conditions:
            trials = evidence.of(start, name)
            texts = [_text(evidence, trials, tests[c.setting], c, languages) for c in asked]
            if any(text != NONE for text in texts):
                body.append([*label, name, _seeds(evidence, trials, tests.values()), *texts])
    head = [*first, "condition", "seeds", *(column.title for column in asked)]
    return Table(by, head, body, len(first) + 1)


def _seeds(evidence: Evidence, trials: Sequence[Trial], tests: Iterable[Tested]) -> str:
    """How many seeds count, from the fewest to the most if tests differ."""
    trained = [trial for trial in trials if trial.seed is not None]
    asked = [test.task for test in tests if any(evidence.selected(t, test.task) for t in trained)]
    counts = {sum(evidence.counts(trial, task) for trial in trained) for task in asked}
    return " to ".join(map(str, sorted({min(counts), max(counts)}))) if counts else NONE


def _text(
    evidence: Evidence,
    trials: Sequence[Trial],
    test: Tested,
    column: Column,
    languages: Sequence[str] | None,
) -> str:
    found = [cell(evidence, trial, test, column.score, languages) for trial in trials]
    cells = [one for one in found if one]
    if not cells:
        return NONE
    text = over_seeds([one.value for one in cells], column.digits)
    least = min(cells, key=lambda one: one.subsets)
    some = "" if least.is_whole else f" ({least.subsets}/{least.expected})"
    measured = float(np.mean([one.measured_on for one in cells]))
    return f"{text}{some}{replace(least, measured_on=measured).mark}"


def _parts(
    evidence: Evidence, tests: Iterable[Tested], start: str, by: By | None
) -> dict[str, list[str] | None]:
    """Query languages of a collection's tests by value of a property, in order; None for all."""
    if by is None:
        return {"": None}
    seen = evidence.trained_on(start)
    found: dict[str, list[str]] = {}
    for test in tests:
        for code, trait in test.traits(by, seen).items():
            if code not in found.setdefault(trait, []):
                found[trait].append(code)
    ordered = found.items() if by is By.QUERY_LANGUAGE else sorted(found.items())
    return dict(ordered)


def _has_values(evidence: Evidence, test: Tested, measure: str) -> bool:
    return any(
        not np.isnan(values.get(measure, np.nan))
        for (_, task), evaluation in evidence.evaluations.items()
        if task == test.task
        for values in evaluation.scores.values()
    )
