"""All measures of one view: their means, and the values per query that these are means of."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from mteb_hybrid.measures import MEASURED_ON, measures_of
from mteb_hybrid.measures.ranking_consistency import K
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import TOP, Ranks
from mteb_hybrid.retrieval.ties import MANY, warn_if_crowded
from mteb_hybrid.retrieval.views import Setting

COLUMNS = {
    "query": pl.String,
    "group": pl.String,
    "query_language": pl.String,
    "pool": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
}


RANKINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "group": pl.String,
    "query_language": pl.String,
    "top": pl.List(pl.String),
}

TOP_PASSAGES: dict[str, pl.DataType | type[pl.DataType]] = {
    "query": pl.String,
    "group": pl.String,
    "query_language": pl.String,
    "top": pl.List(pl.String),
    "top_languages": pl.List(pl.String),
    "top_relevant": pl.List(pl.Boolean),
    "answers": pl.List(pl.String),
    "answer_languages": pl.List(pl.String),
    "answer_ranks": pl.List(pl.Int64),
}


def measure_view(
    ranks: Ranks,
    setting: Setting,
    groups: Mapping[str, str],
    pool: str,
    parallel: bool = True,
    judged_across: bool | None = None,
) -> tuple[dict[str, float], pl.DataFrame]:
    """All measures of one view.

    Args:
        ranks: Ranks of Q queries.
        setting: Which measures apply.
        groups: ``{query id: group}``, in the order of the rows.
        pool: Name of the subset.
        parallel: As for `mteb_hybrid.measures.measures_of`.
        judged_across: The same.

    Returns:
        Means by name, and the rows they are means of: one per query and measure, and per language
        for measures with a value for each language; NaN where a query is left out. Beside a mean
        that leaves some out, the share of queries that it does not, under its name and
        ``_measured_on``. Where more than a few per cent of scores tie
        (`mteb_hybrid.retrieval.ties`), their share as ``tied_scores``.

    Warns:
        TieWarning: In that case.
    """
    scores: dict[str, float] = {}
    columns: dict[str, object] = {}
    for measure in measures_of(parallel, judged_across):
        if setting not in measure.settings:
            continue
        values = measure.values(ranks)
        means = measure.means(values, ranks)
        scores |= means
        shares = measure.measured_on(values, ranks).items()
        scores |= {name + MEASURED_ON: share for name, share in shares if share < 1}
        if not measure.of_view:
            table = values if measure.by_language else values[:, None]
            columns |= dict(zip(means, np.asarray(table).T, strict=True))
    crowded = float(ranks.crowded.mean())
    warn_if_crowded(crowded, f"scores in the pool {pool} tie")
    if crowded > MANY:
        scores["tied_scores"] = crowded
    wide = pl.DataFrame({"query": list(groups), "group": list(groups.values()), **columns})
    rows = wide.unpivot(index=["query", "group"], variable_name="measure", value_name="value")
    rows = rows.with_columns(query_language=pl.lit(ranks.query_language), pool=pl.lit(pool))
    return scores, rows.select(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())


def top_passages(ranks: Ranks, groups: Mapping[str, str]) -> pl.DataFrame:
    """The first passages of every ranking, and where the relevant ones of each language begin.

    Args:
        ranks: Ranks of Q queries.
        groups: ``{query id: group}``, in the order of the rows.

    Returns:
        One row per query: query, group, query_language; ``top``, the ids of the first 10 passages,
        with their languages and whether each is relevant; ``answers``, the first relevant passage
        of each language that has any, by rank, with languages and ranks (1-based, by the tie rule
        of trec_eval; null if the model did not return it). More than one of a language is left out:
        captions of an image would be 250 for a query.
    """
    pool, rows = ranks.pool, []
    for row, (query, group) in enumerate(groups.items()):
        top = ranks.top[row, :K]
        top = top[top >= 0]
        first: dict[int, tuple[float, int]] = {}
        there = np.flatnonzero(ranks.relevance[row])
        for place in there[np.argsort(ranks.ranks[row, there], kind="stable")].tolist():
            position = int(ranks.relevant[row, place])
            first.setdefault(int(pool.codes[position]), (ranks.ranks[row, place], position))
        rows.append(
            (
                *(query, group, ranks.query_language),
                [pool.ids[position] for position in top.tolist()],
                [pool.languages[code] for code in ranks.top_languages[row, : len(top)].tolist()],
                (ranks.top_relevance[row, : len(top)] > 0).tolist(),
                [pool.ids[position] for _, position in first.values()],
                [pool.languages[code] for code in first],
                [int(rank) if np.isfinite(rank) else None for rank, _ in first.values()],
            )
        )
    return pl.DataFrame(rows, schema=TOP_PASSAGES, orient="row")


def group_depth(pool: Pool, passage_groups: Mapping[str, str]) -> int:
    """How many places of a ranking hold its first 10 groups, whatever their order.

    Args:
        pool: What is ranked.
        passage_groups: ``{passage id: group}``.
    """
    largest = Counter(passage_groups[id_] for id_ in pool.ids).most_common(K - 1)
    return max(TOP, sum(count for _, count in largest) + 1)


def top_groups(
    ranks: Ranks, groups: Mapping[str, str], passage_groups: Mapping[str, str]
) -> pl.DataFrame:
    """The first groups of every ranking, however deep they lie.

    Args:
        ranks: Ranks of Q queries, with `group_depth` places or more.
        groups: ``{query id: group}``, in the order of the rows.
        passage_groups: ``{passage id: group}``.

    Returns:
        One row per query: group, query_language, and top, a list of the first 10 groups, or of all
        if there are fewer in the pool. It is null where a ranking was cut before, and where all of
        them tie: then ids alone would decide.

    Raises:
        ValueError: If not enough places were kept.
    """
    wanted = min(K, len({passage_groups[id_] for id_ in ranks.pool.ids}))
    deepest = len(ranks.pool) if ranks.cutoff is None else ranks.cutoff
    tops = []
    for row, scores in zip(ranks.top, ranks.top_scores, strict=True):
        first: dict[str, np.float32] = {}
        for place, score in zip(row[row >= 0].tolist(), scores, strict=False):
            if len(first) < wanted:
                first.setdefault(passage_groups[ranks.pool.ids[place]], score)
        if len(first) < wanted and row[-1] >= 0 and len(row) < deepest:
            raise ValueError(
                f"the first {len(row)} places hold {len(first)} groups, expected {wanted}; give "
                f"RankCounter or ranks_of_run depth=group_depth(pool, passage_groups)"
            )
        decided = len(first) == 1 or len(set(first.values())) > 1
        tops.append(list(first) if len(first) == wanted and decided else None)
    return pl.DataFrame(
        {"group": list(groups.values()), "query_language": ranks.query_language, "top": tops},
        schema=RANKINGS,
    )
