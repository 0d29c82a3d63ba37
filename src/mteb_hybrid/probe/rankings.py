"""What rankings show without judgments: languages at the top, and whether translations agree."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from mteb_hybrid.measures.awrf import awrf
from mteb_hybrid.measures.language_share import language_share
from mteb_hybrid.measures.ranking_consistency import PERSISTENCE, rank_biased_overlap
from mteb_hybrid.probe.estimate import Estimate, estimates
from mteb_hybrid.retrieval.pool import Floats, Pool
from mteb_hybrid.retrieval.ranks import Ranks, ranks_of_run

ALL = "all"
"""In the place of a language: the mean over languages, each counting alike."""

FIGURES = {
    "measure": pl.String,
    "query_language": pl.String,
    "passage_language": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "chance": pl.Float64,
    "count": pl.Int64,
    "measured": pl.Int64,
}
"""Columns of a table of figures: what was measured, of whom; its 95% interval; what an order of
passages by chance would get; of how many queries, pairs or passages, and how many have a value."""

EXPOSED = 20
"""Places of which AWRF is taken, as everywhere."""

RANDOM = 1000
"""Rankings by chance that the expected AWRF is the mean of."""


def figure(
    measure: str, query: str | None, passage: str | None, found: Estimate, chance: float
) -> dict[str, object]:
    """One row of `FIGURES`."""
    values = (measure, query, passage, found.value, found.low, found.high, chance)
    return dict(zip(FIGURES, (*values, found.rows, found.measured), strict=True))


def measure_rankings(
    ranks: Mapping[str, Ranks],
    groups: Mapping[str, Sequence[str]],
    k: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> pl.DataFrame:
    """Which languages the first places go to, and whether translated queries agree.

    With s the share of a language in the corpus, of every query and at the first k places (passages
    tied across the cut count in part):

    - ``language_share_at_k``: passages of the language / passages;
    - ``language_lift_at_k``: that share / s; 1 if the language is met as often as in the corpus;
    - ``own_language_lift_at_k``: the lift of the query's own language
      (``same_language_lift_at_10`` of other commands is it minus 1);
    - ``awrf_at_20``: as `mteb_hybrid.measures.awrf` has it, the target being the corpus;
    - ``ranking_consistency_at_k``: rank-biased overlap of the first k passages (the passages
      themselves) of two translations of one query; the mean over the queries of two languages, then
      over pairs of languages. As `mteb_hybrid.measures.ranking_consistency`, where a passage is
      what the groups are there. Rankings of fewer than k passages, and those whose first k all
      tie, are left out.

    Args:
        ranks: Ranks of the queries of each language, all of one pool.
        groups: The group of each query, in the order of the rows; translations share it.
        k: How many places; no more than there are passages.
        resamples: Bootstrap samples, of groups.
        seed: Of the samples.

    Returns:
        A table with the columns `FIGURES`, for each query language and for all.
    """
    pool = next(iter(ranks.values())).pool
    tables = {language: _at_the_top(some, k) for language, some in ranks.items()}
    each, over_all = estimates(tables, groups, resamples, seed)
    size = len(pool.languages)
    by_chance = _awrf_by_chance(pool, seed, ranks)
    # A pool lacks each query's own passage where that is left out.
    shares = {language: some.pool.shares for language, some in ranks.items()}
    shares[ALL] = np.mean(list(shares.values()), axis=0)
    rows = []
    for language, found in ((ALL, over_all), *each.items()):
        for place, other in enumerate(pool.languages):
            share = float(shares[language][place])
            rows += [
                figure(f"language_share_at_{k}", language, other, found[place], share),
                figure(f"language_lift_at_{k}", language, other, found[size + place], 1.0),
            ]
        own, exposure = found[-2:]
        rows += [
            figure(f"own_language_lift_at_{k}", language, None, own, 1.0),
            figure(f"awrf_at_{EXPOSED}", language, None, exposure, by_chance),
        ]
    rows += _agreement(ranks, groups, k, resamples, seed)
    return pl.DataFrame(rows, FIGURES)


def _at_the_top(ranks: Ranks, k: int) -> Floats:
    """Shape (Q, 2 L + 2): shares, lifts, the own language's lift, exposure."""
    shares = language_share(ranks, k)
    in_pool = ranks.pool.shares
    lifts = shares / np.where(in_pool > 0, in_pool, np.nan)
    own = np.full(len(shares), np.nan)
    if ranks.own_language >= 0:
        own = lifts[:, ranks.own_language]
    return np.column_stack([shares, lifts, own, awrf(ranks, EXPOSED)])


def _awrf_by_chance(pool: Pool, seed: int, ranks: Mapping[str, Ranks]) -> float:
    """The mean over rankings that are drawn by chance, as long as those that are measured."""
    lengths = np.concatenate([(some.top[:, :EXPOSED] >= 0).sum(axis=1) for some in ranks.values()])
    lengths = np.sort(lengths[lengths > 0])
    if not len(lengths):
        return float("nan")
    random = np.random.default_rng(seed)
    sizes = lengths[np.linspace(0, len(lengths) - 1, RANDOM).round().astype(int)]
    run = {
        str(number): {
            pool.ids[place]: float(size - rank)
            for rank, place in enumerate(random.choice(len(pool), size, replace=False).tolist())
        }
        for number, size in enumerate(sizes.tolist())
    }
    return float(awrf(ranks_of_run(run, {query: {} for query in run}, pool), EXPOSED).mean())


def _agreement(
    ranks: Mapping[str, Ranks],
    groups: Mapping[str, Sequence[str]],
    k: int,
    resamples: int,
    seed: int,
) -> Iterator[dict[str, object]]:
    """Rows of ``ranking_consistency_at_k``; none if no two languages share a question."""
    tops = {
        language: dict(zip(groups[language], first_passages(some, k), strict=True))
        for language, some in ranks.items()
    }
    values: dict[Hashable, Floats] = {}
    asked: dict[Hashable, list[str]] = {}
    for one, other in combinations(tops, 2):
        shared = sorted(tops[one].keys() & tops[other].keys())
        if shared:
            asked[one, other] = shared
            values[one, other] = np.array(
                [[_overlap(tops[one][name], tops[other][name], k)] for name in shared]
            )
    chance = overlap_by_chance(k, len(next(iter(ranks.values())).pool))
    for language in (ALL, *ranks):
        pairs = [pair for pair in values if language == ALL or language in pair]  # type: ignore[operator]
        if pairs:
            _, (found,) = estimates(
                {pair: values[pair] for pair in pairs},
                {pair: asked[pair] for pair in pairs},
                resamples,
                seed,
            )
            yield figure(f"ranking_consistency_at_{k}", language, None, found, chance)


def first_passages(ranks: Ranks, k: int) -> list[list[int] | None]:
    """The first k passages of every ranking; None if there are fewer, or ids alone order them."""
    found: list[list[int] | None] = []
    for row, scores in zip(ranks.top[:, :k], ranks.top_scores[:, :k], strict=True):
        decided = (row >= 0).all() and (k == 1 or len(np.unique(scores)) > 1)
        found.append(row.tolist() if decided else None)
    return found


def overlap_by_chance(k: int, size: int) -> float:
    """Expected rank-biased overlap of two random orders of `size` passages."""
    depths = np.arange(1, min(k, size) + 1)
    return float(np.average(depths / size, weights=PERSISTENCE ** (depths - 1)))


def _overlap(one: list[int] | None, other: list[int] | None, k: int) -> float:
    if one is None or other is None:
        return np.nan
    return rank_biased_overlap([*map(str, one)], [*map(str, other)], k)
