"""The claims of a study, each answered from values per query.

A comparison has two sources of uncertainty. Other questions might have been asked: the difference
of the means over seeds is resampled over questions, with all their translations. Another seed might
have been drawn: the differences of single seeds have a t interval. A claim is settled only where
both say the same; what rests on one seed, or on too few questions for an interval, is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mteb_hybrid.results.resample import holm
from mteb_hybrid.studies.effect import Effect, NoValuesError, effect_of
from mteb_hybrid.studies.evidence import Evidence, Trial
from mteb_hybrid.studies.seeds import Interval
from mteb_hybrid.studies.study import Claim
from mteb_hybrid.studies.tested import Tested

RESAMPLES = 10_000


class Verdict(StrEnum):
    """What results say of a claim."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"
    NOT_TESTABLE = "not testable"


@dataclass(frozen=True)
class Answer:
    """What results say of a claim, for one starting model and one task.

    Attributes:
        number: Of the claim, from 1.
        claim: The claim.
        start: What tables call the starting model; empty if no test can tell.
        test: The task; None likewise.
        verdict: Whether it holds.
        why: Why there is no effect; empty if there is one.
        effect: The difference, if its runs are there.
        missing: Names of trials that are planned and missing, of both conditions.
    """

    number: int
    claim: Claim
    start: str
    test: Tested | None
    verdict: Verdict
    why: str = ""
    effect: Effect | None = None
    missing: tuple[str, ...] = field(default=())


def answers(evidence: Evidence, resamples: int = RESAMPLES) -> list[Answer]:
    """Answer every claim for every starting model and every task that has its setting.

    Args:
        evidence: What the store has.
        resamples: How many bootstrap samples, and how many random sign flips.

    Raises:
        CompareError: If runs have other queries or groups than each other.
        PerQueryError: If values per query are damaged.
    """
    found = [
        answer
        for number, claim in enumerate(evidence.study.claims, 1)
        for answer in _of_claim(evidence, number, claim, resamples)
    ]
    tested = [a.effect.p for a in found if a.effect and a.effect.p is not None]
    corrected = iter(holm(tested).tolist())
    return [
        replace(answer, effect=replace(answer.effect, p_holm=next(corrected)))
        if answer.effect and answer.effect.p is not None
        else answer
        for answer in found
    ]


def verdict_of(claim: Claim, *intervals: Interval | None) -> Verdict:
    """Confirmed if all intervals lie where the claim says, contradicted if all lie elsewhere.

    Args:
        claim: The claim.
        intervals: Of the difference; None is passed over.
    """
    there = [interval for interval in intervals if interval]
    bound = claim.margin or 0.0
    if claim.expect == "within":
        right = [-bound <= low and high <= bound for low, high in there]
        above, below = [low > bound for low, _ in there], [high < -bound for _, high in there]
        wrong = above if all(above) else below
    elif claim.expect == "not-lower":
        right, wrong = [low > -bound for low, _ in there], [high < -bound for _, high in there]
    else:
        signs = [1 if low > 0 else -1 if high < 0 else 0 for low, high in there]
        claimed = 1 if claim.expect == "higher" else -1
        right, wrong = [s == claimed for s in signs], [s == -claimed for s in signs]
    if all(right):
        return Verdict.CONFIRMED
    return Verdict.CONTRADICTED if all(wrong) else Verdict.UNDECIDED


def _of_claim(evidence: Evidence, number: int, claim: Claim, resamples: int) -> Iterator[Answer]:
    tests = [test for test in evidence.tests.values() if _is_about(claim, test)]
    if not tests:
        where = f" in {', '.join(claim.collections)}" if claim.collections else ""
        why = f"no test of this budget is {claim.setting}{where}"
        yield Answer(number, claim, "", None, Verdict.NOT_TESTABLE, why)
    for start in evidence.starts if tests else ():
        for test in tests:
            yield _answer(evidence, Answer(number, claim, start, test, Verdict.NOT_RUN), resamples)


def _is_about(claim: Claim, test: Tested) -> bool:
    named = not claim.collections or {*test.names} & set(claim.collections)
    return test.setting is claim.setting and bool(named)


def _languages(evidence: Evidence, claim: Claim, start: str, test: Tested) -> list[str]:
    """Query languages of a test that a claim is about."""
    if claim.by is None:
        return test.query_languages
    traits = test.traits(claim.by, evidence.trained_on(start))
    return [code for code, trait in traits.items() if trait in claim.values]


def _answer(evidence: Evidence, empty: Answer, resamples: int) -> Answer:
    claim, test = empty.claim, empty.test
    if test is None:
        return empty
    base = _base(evidence, claim, test)
    if claim.change_from and base is None:
        why = f"no test of this budget is {claim.setting} in {claim.change_from}"
        return replace(empty, verdict=Verdict.NOT_TESTABLE, why=why)
    tasks = [test.task] if base is None else [test.task, base.task]
    planned = [
        [trial for trial in evidence.of(empty.start, name) if evidence.selected(trial, test.task)]
        for name in (claim.condition, claim.than)
    ]
    there = [
        [trial for trial in trials if all(evidence.counts(trial, task) for task in tasks)]
        for trials in planned
    ]
    empty = replace(
        empty,
        missing=tuple(
            trial.name
            for trials, found in zip(planned, there, strict=True)
            for trial in trials
            if trial not in found
        ),
    )
    try:
        languages = _languages(evidence, claim, empty.start, test)
        if not languages:
            raise NoValuesError(f"no query language with {claim.by} {' or '.join(claim.values)}")
        if not all(planned):
            raise NoValuesError("no subset that both answer")
        pairs = _pairs(*({trial.seed: trial for trial in found} for found in there))
        if not pairs:
            return replace(empty, why=f"missing: {'; '.join(empty.missing)}")
        effect = effect_of(evidence, claim, test, base, pairs, languages, resamples)
    except NoValuesError as error:
        return replace(empty, verdict=Verdict.NOT_TESTABLE, why=str(error))
    verdict = verdict_of(claim, effect.over_questions, effect.over_seeds)
    if effect.settles_nothing:
        verdict = Verdict.UNDECIDED
    return replace(empty, verdict=verdict, effect=effect)


def _base(evidence: Evidence, claim: Claim, test: Tested) -> Tested | None:
    """The test that a claim about a change compares with."""
    found = [
        other
        for other in evidence.tests.values()
        if claim.change_from in other.names and other.setting is test.setting
    ]
    return found[0] if found else None


def _pairs(
    first: dict[int | None, Trial], second: dict[int | None, Trial]
) -> list[tuple[Trial, Trial]]:
    """Trials that are compared with each other: of the same seed, or with the one without."""
    trained = dict.fromkeys(seed for seed in [*first, *second] if seed is not None)
    pairs = [
        (first.get(seed, first.get(None)), second.get(seed, second.get(None)))
        for seed in trained or (None,)
    ]
    return [(one, other) for one, other in pairs if one and other]
