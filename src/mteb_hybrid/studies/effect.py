"""How two conditions of a study differ: paired by seed, query by query, with both intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mteb_hybrid.results.compare import CompareError, compare
from mteb_hybrid.studies.evidence import Evidence, Trial
from mteb_hybrid.studies.seeds import Interval, t_interval
from mteb_hybrid.studies.store import per_query_measures
from mteb_hybrid.studies.study import Claim
from mteb_hybrid.studies.tested import Tested


@dataclass(frozen=True)
class Effect:
    """How two conditions differ in the mean over the queries of a pool, then over pools.

    Attributes:
        condition: The mean of the claim's condition, over seeds.
        than: That of what it is compared with.
        base: What both are a change from, in words; empty if they are none.
        by_seed: The difference with each seed; one alone where neither is trained.
        seeds: The seeds; none where neither is trained.
        over_questions: 95% interval of the difference over questions; None of too few.
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
    over_questions: Interval | None
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
    def settles_nothing(self) -> bool:
        """Whether it rests on one seed, or on too few questions for an interval."""
        return self.rests_on_one_seed or self.over_questions is None

    @property
    def direction(self) -> int:
        """1 if the condition's mean is higher, -1 if it is lower, 0 if that is not settled."""
        if self.settles_nothing:
            return 0
        there = [interval for interval in (self.over_questions, self.over_seeds) if interval]
        if all(low > 0 for low, _ in there):
            return 1
        return -1 if all(high < 0 for _, high in there) else 0


class NoValuesError(ValueError):
    """There is nothing to compare."""


def effect_of(
    evidence: Evidence,
    claim: Claim,
    test: Tested,
    base: Tested | None,
    pairs: Sequence[tuple[Trial, Trial]],
    languages: Sequence[str],
    resamples: int,
) -> Effect:
    """How the two conditions of a claim differ in a test.

    Args:
        evidence: What the store has.
        claim: The claim.
        test: The test.
        base: The test that values are a change from; None if they are none.
        pairs: Trials that are compared with each other, one pair for each seed.
        languages: Query languages that the claim is about.
        resamples: How many bootstrap samples, and how many random sign flips.

    Raises:
        NoValuesError: If there is nothing to compare.
        CompareError: If runs have other queries or groups than each other.
        PerQueryError: If values per query are damaged.
    """
    answered = [evidence.selected(trial, test.task) for pair in pairs for trial in pair]
    shared = [
        name
        for name, view in test.views.items()
        if view.query_language in languages and all(name in subsets for subsets in answered)
    ]
    if not shared:
        raise NoValuesError("no subset that both answer")
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
        over_questions=None if row["low"] is None else (row["low"], row["high"]),
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
        raise NoValuesError(f"{base.card.title} has other queries")
    return both.with_columns(value=pl.col("value") - pl.col("before")).drop("before")


def _values(
    evidence: Evidence, trial: Trial, task: str, measure: str, pools: Sequence[str]
) -> pl.DataFrame:
    found = evidence.queries(trial, task, measure)
    found = found.filter(pl.col("pool").is_in(list(pools))).sort("pool", "query")
    there = set(found["pool"].unique())
    lacking = [pool for pool in pools if pool not in there]
    if lacking:
        said = f"{trial.name}: no values of {measure} per query in {', '.join(lacking[:3])}"
        test = evidence.tests[task]
        if measure in per_query_measures(test.card, test.setting):
            said += "; the same `mteb-hybrid study run` evaluates that again"
        raise NoValuesError(said)
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
        raise NoValuesError("no query for which every run has a value")
    return complete


def _macro(frame: pl.DataFrame) -> float:
    """Mean over the queries of a pool, then unweighted over pools."""
    means = frame.group_by("pool", maintain_order=True).agg(pl.col("value").mean())["value"]
    return float(means.to_numpy().mean())
