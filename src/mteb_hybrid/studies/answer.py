"""The claims of a study, each answered from values per query.

A comparison has two sources of uncertainty. Other questions might have been asked: the difference
of the means over seeds is resampled over questions, with all their translations. Another seed might
have been drawn: the differences of single seeds have a t interval. A claim is settled only where
both say the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import polars as pl

from mteb_hybrid.results.compare import CompareError, compare
from mteb_hybrid.results.resample import holm
from mteb_hybrid.studies.evidence import Evidence, Trial
from mteb_hybrid.studies.seeds import Interval, t_interval
from mteb_hybrid.studies.store import per_query_measures
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
class Effect:
    """How two conditions differ in the mean over the queries of a pool, then over pools.

    Attributes:
        condition: The mean of the claim's condition, over seeds.
        than: That of what it is compared with.
        base: What both are a change from, in words; empty if they are none.
        by_seed: The difference with each seed; one alone where neither is trained.
        seeds: The seeds; none where neither is trained.
        over_questions: 95% interval of the difference over questions.
        over_seeds: The same over seeds; None of fewer than two.
        p: Of no difference, by randomisation over questions; None for a claim with a margin.
        p_holm: The same, corrected for all claims of the study.
        queries: How many are compared, over all pools.
        left_out: How many are not, as one of the runs has no value for them.
        groups: How many questions they are translations of.
        languages: Query languages that are compared.
    """

    condition: float
    than: float
    base: str
    by_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    over_questions: Interval
    over_seeds: Interval | None
    p: float | None
    p_holm: float | None
    queries: int
    left_out: int
    groups: int
    languages: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The condition's mean minus the other's."""
        return self.condition - self.than

    @property
    def rests_on_one_seed(self) -> bool:
        """Whether something is trained, and another seed might say otherwise."""
        return len(self.seeds) == 1

    @property
    def direction(self) -> int:
        """1 if the condition's mean is higher, -1 if it is lower, 0 if that is not settled."""
        if self.rests_on_one_seed:
            return 0
        there = [interval for interval in (self.over_questions, self.over_seeds) if interval]
        if all(low > 0 for low, _ in there):
            return 1
        return -1 if all(high < 0 for _, high in there) else 0


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
    named = not claim.collections or {test.task, test.card.file.stem} & set(claim.collections)
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
            raise _NoValuesError(f"no query language with {claim.by} {' or '.join(claim.values)}")
        if not all(planned):
            raise _NoValuesError("no subset that both answer")
        pairs = _pairs(*({trial.seed: trial for trial in found} for found in there))
        if not pairs:
            return replace(empty, why=f"missing: {'; '.join(empty.missing)}")
        effect = _effect(evidence, claim, test, base, pairs, languages, resamples)
    except _NoValuesError as error:
        return replace(empty, verdict=Verdict.NOT_TESTABLE, why=str(error))
    verdict = verdict_of(claim, effect.over_questions, effect.over_seeds)
    if effect.rests_on_one_seed:
        verdict = Verdict.UNDECIDED
    return replace(empty, verdict=verdict, effect=effect)


def _base(evidence: Evidence, claim: Claim, test: Tested) -> Tested | None:
    """The test that a claim about a change compares with."""
    found = [
        other
        for other in evidence.tests.values()
        if other.card.file.stem == claim.change_from and other.setting is test.setting
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


class _NoValuesError(ValueError):
    """There is nothing to compare."""


def _effect(
    evidence: Evidence,
    claim: Claim,
    test: Tested,
    base: Tested | None,
    pairs: Sequence[tuple[Trial, Trial]],
    languages: Sequence[str],
    resamples: int,
) -> Effect:
    shared = [
        name
        for name, view in test.views.items()
        if view.query_language in languages
        and all(name in evidence.selected(trial, test.task) for pair in pairs for trial in pair)
    ]
    if not shared:
        raise _NoValuesError("no subset that both answer")
    sides = [
        pl.concat(
            _changes(evidence, trial, test, base, claim.measure, shared).with_columns(
                seed=pl.lit(number)
            )
            for number, trial in enumerate(side)
        )
        for side in zip(*pairs, strict=True)
    ]
    complete = _complete(sides, len(pairs), f"{test.task}, {claim.measure}")
    asked = sides[0].filter(seed=0).height
    kept = [
        side.join(complete, on=["pool", "query"], how="semi", maintain_order="left")
        for side in sides
    ]
    means = [
        side.group_by(pl.exclude("seed", "value"), maintain_order=True).agg(pl.col("value").mean())
        for side in kept
    ]
    (row,) = compare(
        means[1], means[0], [claim.measure], resamples, names=(claim.than, claim.condition)
    ).iter_rows(named=True)
    by_seed = tuple(
        _macro(kept[0].filter(seed=number)) - _macro(kept[1].filter(seed=number))
        for number in range(len(pairs))
    )
    seeds = [trial.seed for pair in pairs for trial in pair if trial.seed is not None]
    return Effect(
        condition=row["second"],
        than=row["first"],
        base=base.card.title if base else "",
        by_seed=by_seed,
        seeds=tuple(dict.fromkeys(seeds)),
        over_questions=(row["low"], row["high"]),
        over_seeds=t_interval(by_seed),
        p=None if claim.margin is not None else row["p"],
        p_holm=None,
        queries=row["queries"],
        left_out=asked - row["queries"],
        groups=row["groups"],
        languages=tuple(dict.fromkeys(means[0]["query_language"])),
    )


def _changes(
    evidence: Evidence,
    trial: Trial,
    test: Tested,
    base: Tested | None,
    measure: str,
    pools: Sequence[str],
) -> pl.DataFrame:
    """Values per query, less those of the same query in another test if there is one."""
    found = _values(evidence, trial, test.task, measure, pools)
    if base is None:
        return found
    keys = ["pool", "query"]
    before = _values(evidence, trial, base.task, measure, pools).select(*keys, before="value")
    both = found.join(before, on=keys, how="inner", maintain_order="left", validate="1:1")
    if len(both) < max(len(found), len(before)):
        raise _NoValuesError(f"{base.card.title} has other queries")
    return both.with_columns(value=pl.col("value") - pl.col("before")).drop("before")


def _values(
    evidence: Evidence, trial: Trial, task: str, measure: str, pools: Sequence[str]
) -> pl.DataFrame:
    found = evidence.queries(trial, task, measure)
    found = found.filter(pl.col("pool").is_in(list(pools))).sort("pool", "query")
    lacking = [pool for pool in pools if pool not in set(found["pool"])]
    if lacking:
        said = f"{trial.name}: no values of {measure} per query in {', '.join(lacking[:3])}"
        test = evidence.tests[task]
        if measure in per_query_measures(test.card, test.setting):
            said += "; the same `mteb-hybrid study run` evaluates that again"
        raise _NoValuesError(said)
    return found


def _complete(sides: Sequence[pl.DataFrame], pairs: int, where: str) -> pl.DataFrame:
    """The pools and queries for which every run has a value."""
    every = (
        pl.concat(sides)
        .group_by("pool", "query")
        .agg(runs=pl.len(), known=pl.col("value").is_not_nan().all())
    )
    if len(others := every.filter(pl.col("runs") != 2 * pairs).sort("pool", "query")):
        raise CompareError(
            f"{where}: the runs were not evaluated on the same queries; not all have "
            f"{others['query'][0]!r} of {others['pool'][0]}. Delete these results, and run the "
            "study again."
        )
    complete = every.filter("known")
    if complete.is_empty():
        raise _NoValuesError("no query for which every run has a value")
    return complete


def _macro(frame: pl.DataFrame) -> float:
    """Mean over the queries of a pool, then unweighted over pools."""
    means = frame.group_by("pool", maintain_order=True).agg(pl.col("value").mean())["value"]
    return float(means.to_numpy().mean())
