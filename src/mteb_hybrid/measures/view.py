"""All measures of one view: their means, and the values per query that these are means of."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from mteb_hybrid.measures import measures_of
from mteb_hybrid.measures.ranking_consistency import K
from mteb_hybrid.retrieval.ranks import Ranks
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


def measure_view(
    ranks: Ranks,
    setting: Setting,
    groups: Mapping[str, str],
    pool: str,
    parallel: bool = True,
) -> tuple[dict[str, float], pl.DataFrame]:
    """All measures of one view.

    Args:
        ranks: Ranks of Q queries.
        setting: Which measures apply.
        groups: ``{query id: group}``, in the order of the rows.
        pool: Name of the subset.
        parallel: As for `mteb_hybrid.measures.measures_of`.

    Returns:
        Means by name, and the rows they are means of: one per query and measure, and per language
        for measures with a value for each language; NaN where a query is left out.
    """
    scores: dict[str, float] = {}
    columns: dict[str, object] = {}
    for measure in measures_of(parallel):
        if setting not in measure.settings:
            continue
        values = measure.values(ranks)
        means = measure.means(values, ranks)
        scores |= means
        if not measure.of_view:
            table = values if measure.by_language else values[:, None]
            columns |= dict(zip(means, np.asarray(table).T, strict=True))
    wide = pl.DataFrame({"query": list(groups), "group": list(groups.values()), **columns})
    rows = wide.unpivot(index=["query", "group"], variable_name="measure", value_name="value")
    rows = rows.with_columns(query_language=pl.lit(ranks.query_language), pool=pl.lit(pool))
    return scores, rows.select(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())


def top_groups(
    ranks: Ranks, groups: Mapping[str, str], passage_groups: Mapping[str, str]
) -> pl.DataFrame:
    """The first passages of every ranking, each mapped to its group, without repeats.

    Args:
        ranks: Ranks of Q queries.
        groups: ``{query id: group}``, in the order of the rows.
        passage_groups: ``{passage id: group}``.

    Returns:
        One row per query: group, query_language, and top, a list of up to 10 groups.
    """
    tops = [
        list(dict.fromkeys(passage_groups[ranks.pool.ids[i]] for i in row if i >= 0))[:K]
        for row in ranks.top.tolist()
    ]
    return pl.DataFrame(
        {"group": list(groups.values()), "query_language": ranks.query_language, "top": tops},
        schema=RANKINGS,
    )
