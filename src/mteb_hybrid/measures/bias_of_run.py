"""Measures of language bias of any ranking, made by any program."""

from collections.abc import Mapping

import polars as pl

from mteb_hybrid.files.runs import Scores
from mteb_hybrid.measures import ANY_POOL, MAP, PARALLEL, UNJUDGED_AT_10
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import deepest, ranks_of_run
from mteb_hybrid.retrieval.ties import warn_if_crowded


def bias_of_run(
    run: Scores,
    qrels: Mapping[str, Mapping[str, int]],
    languages: Mapping[str, str],
    query_languages: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    ignore_identical_ids: bool = False,
) -> pl.DataFrame:
    """Measures of language bias of one ranking.

    Args:
        run: Scores of the documents that were returned.
        qrels: Judgments. A judged query that is not in the run counts as one for which nothing
            was returned; a query that is not judged is left out.
        languages: The language of every document of the pool.
        query_languages: The language of every query, if known.
        groups: The content that each document translates. Documents of the group of a relevant
            one are then relevant too, and the measures for parallel pools are added.
        ignore_identical_ids: Whether to leave the document with a query's id out of its ranking,
            as if it were not in the pool (MTEB's name for it): where queries are documents.

    Returns:
        One row per query language (``all``: the unweighted mean over those that have a value) and
        measure: columns query_language, measure, value; queries, how many there are; measured_on,
        the share of them that the value was measured on (the others have none: see the measure);
        languages, over how many query languages the mean was taken; and truncated_at, the k of
        the run, where it does not hold the whole pool for each of these queries, else null.

    Raises:
        ValueError: If a ranked or judged document has no language, a score is NaN, no query is
            judged, none of the judged ones is in the run, or queries cannot be left out as
            `mteb_hybrid.retrieval.rank_counter.RankCounter` says.

    Warns:
        TieWarning: If more than a few per cent of the scores tie.
    """
    judged = {
        query: dict(rows) for query, rows in qrels.items() if any(g > 0 for g in rows.values())
    }
    if not judged:
        raise ValueError("no query has a relevant document; check the judgments")
    if not judged.keys() & run.keys():
        raise ValueError(
            f"{len(judged)} queries are judged, the first is {next(iter(judged))!r}, and none of "
            f"them is in the run (its first is {next(iter(run), None)!r}); name them alike in both"
        )
    if groups:
        judged = {
            query: _with_translations(rows, groups, query if ignore_identical_ids else None)
            for query, rows in judged.items()
        }
    pool = Pool(list(languages), list(languages.values()), tuple(sorted(set(languages.values()))))
    spoken = query_languages or {}
    k = deepest(run, ignore_identical_ids)
    rows: list[dict[str, object]] = []
    for language in sorted({spoken.get(query, "unknown") for query in judged}):
        mine = {q: rel for q, rel in judged.items() if spoken.get(q, "unknown") == language}
        ranks = ranks_of_run(run, mine, pool, language, ignore_identical_ids, cutoff=k)
        warn_if_crowded(float(ranks.crowded.mean()), f"scores of queries in {language!r} tie")
        for measure in (MAP, *ANY_POOL, *(PARALLEL if groups else ()), UNJUDGED_AT_10):
            values = measure.values(ranks)
            shares = measure.measured_on(values, ranks)
            rows += [
                {
                    "query_language": language,
                    "measure": name,
                    "value": value,
                    "queries": len(mine),
                    "measured_on": shares[name],
                    "languages": int(shares[name] > 0),
                    "truncated_at": ranks.cutoff,
                }
                for name, value in measure.means(values, ranks).items()
            ]
    table = pl.DataFrame(rows, schema_overrides={"truncated_at": pl.Int64})
    overall = table.group_by("measure", maintain_order=True).agg(
        pl.lit("all").alias("query_language"),
        pl.col("value").fill_nan(None).mean().fill_null(float("nan")),
        pl.col("queries").sum(),
        (pl.col("measured_on") * pl.col("queries")).sum() / pl.col("queries").sum(),
        pl.col("languages").sum(),
        pl.col("truncated_at").max(),
    )
    return pl.concat([overall.select(table.columns), table])


def _with_translations(
    rows: Mapping[str, int], groups: Mapping[str, str], own: str | None
) -> dict[str, int]:
    """Judgments, and those of the other documents of a group, but for a query's own."""
    grades: dict[str, int] = {}
    for document, grade in rows.items():
        if grade > 0 and document in groups:
            grades[groups[document]] = max(grade, grades.get(groups[document], 0))
    translations = {d: grades[g] for d, g in groups.items() if g in grades and d != own}
    return {**rows, **translations}
