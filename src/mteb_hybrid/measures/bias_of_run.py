"""Measures of language bias of any ranking, made by any program."""

import logging
import math
from collections.abc import Mapping

import polars as pl

from mteb_hybrid.files.lines import shown
from mteb_hybrid.files.runs import Scores
from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.measures import ANY_POOL, MAP, PARALLEL, UNJUDGED_AT_10
from mteb_hybrid.measures.language_mean import language_mean
from mteb_hybrid.measures.ndcg import NDCG_AT_20
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import deepest, ranks_of_run
from mteb_hybrid.retrieval.ties import MANY, warn_if_crowded

logger = logging.getLogger("mteb_hybrid")

UNKNOWN = "unknown"
"""What stands for the language of queries of which none is known."""


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
        query_languages: The language of every query, if known; ``unknown`` names none, here alone.
        groups: The content that each document translates. Documents of the group of a relevant
            one that are not judged themselves are then relevant too, in languages in which none of
            that group is, and the measures for parallel pools are added.
        ignore_identical_ids: Whether to leave the document with a query's id out of its ranking,
            as if it were not in the pool (MTEB's name for it): where queries are documents.

    Returns:
        One row per query language (``unknown`` if it is; ``all``: the mean over those that have a
        value, as `mteb_hybrid.measures.language_mean` takes it) and measure: columns
        query_language, measure, value; queries, how many there are; measured_on, the share of them
        that the value was measured on (the others have none: see the measure); languages, over how
        many query languages the mean was taken; without, which have no value; and truncated_at, the
        k of the run, where it does not hold the whole pool for each of these queries, else null.

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
    _check_queries(run, judged)
    names = one_name_each((*languages.values(), *(query_languages or {}).values()))
    languages = {id_: names[language] for id_, language in languages.items()}
    if groups:
        if wrong := sum(_judged_otherwise(rows, groups) for rows in judged.values()):
            logger.warning(
                "%d translations of relevant documents are judged not relevant, and stay so", wrong
            )
        judged = {
            query: _with_translations(
                rows, groups, languages, query if ignore_identical_ids else None
            )
            for query, rows in judged.items()
        }
    pool = Pool(list(languages), list(languages.values()), tuple(sorted(set(languages.values()))))
    spoken = {id_: names[language] for id_, language in (query_languages or {}).items()}
    k = deepest(run, ignore_identical_ids)
    rows: list[dict[str, object]] = []
    crowded: dict[str, float] = {}
    for language in sorted({spoken.get(query, UNKNOWN) for query in judged}):
        mine = {q: rel for q, rel in judged.items() if spoken.get(q, UNKNOWN) == language}
        known = None if language == UNKNOWN else language
        ranks = ranks_of_run(run, mine, pool, known, ignore_identical_ids, cutoff=k)
        crowded[language] = float(ranks.crowded.mean())
        for measure in (MAP, NDCG_AT_20, *ANY_POOL, *(PARALLEL if groups else ()), UNJUDGED_AT_10):
            values = measure.values(ranks)
            shares = measure.measured_on(values, ranks)
            rows += [
                {
                    "query_language": language,
                    "measure": name,
                    "value": value,
                    "queries": len(mine),
                    "measured_on": shares[name],
                    "languages": int(not math.isnan(value)),
                    "without": language if math.isnan(value) else "",
                    "truncated_at": ranks.cutoff,
                }
                for name, value in measure.means(values, ranks).items()
            ]
    tied = ", ".join(language for language, share in crowded.items() if share > MANY)
    warn_if_crowded(max(crowded.values()), f"scores of queries in {tied} tie")
    table = pl.DataFrame(rows, schema_overrides={"truncated_at": pl.Int64})
    return pl.concat([_overall(table), table])


def _overall(table: pl.DataFrame) -> pl.DataFrame:
    """The mean over query languages of every measure."""
    rows = []
    for (measure,), part in table.group_by("measure", maintain_order=True):
        mean = language_mean(dict(part.select("query_language", "value").iter_rows()))
        queries = sum(part["queries"])
        rows.append(
            {
                "query_language": "all",
                "measure": measure,
                "value": mean.value,
                "queries": queries,
                "measured_on": sum(part["measured_on"] * part["queries"]) / queries,
                "languages": len(mean.languages),
                "without": " ".join(mean.without),
                "truncated_at": part["truncated_at"].max(),
            }
        )
    return pl.DataFrame(rows, schema=table.schema)


def mean_notes(table: pl.DataFrame) -> list[str]:
    """What the means over all languages of `bias_of_run` leave out, in words; nothing if nothing.

    Args:
        table: What it returned.
    """
    some = (pl.col("without") != "") & (pl.col("languages") > 0)
    means = table.filter(pl.col("query_language") == "all", some)
    count = table["query_language"].n_unique() - 1
    return [
        f"{', '.join(part['measure'])}: mean over {there} of {count} query languages, as there is "
        f"no value in {without.replace(' ', ', ')}"
        for (without, there), part in means.group_by("without", "languages", maintain_order=True)
    ]


def _check_queries(run: Scores, judged: Mapping[str, object]) -> None:
    """Refuse a run of other queries, and say how many the run and the judgments share."""
    shared = len(judged.keys() & run.keys())
    if not shared:
        ranked = shown(min(run)) if run else "nothing"
        raise ValueError(
            f"the run has {len(run)} queries, such as {ranked}, and the judgments {len(judged)}, "
            f"such as {shown(min(judged))}; expected those of the same queries, under the same "
            "ids, but no query is in both"
        )
    if shared < len(judged):
        logger.warning(
            "%d of %d judged queries are in the run; for the others nothing was returned.",
            *(shared, len(judged)),
        )
    if shared < len(run):
        logger.warning(
            "%d of the run's %d queries have no relevant document and are left out.",
            *(len(run) - shared, len(run)),
        )


def _judged_otherwise(rows: Mapping[str, int], groups: Mapping[str, str]) -> int:
    """How many documents are judged not relevant, and another one of their group is relevant."""
    right = {
        groups[document] for document, grade in rows.items() if grade > 0 and document in groups
    }
    return sum(grade <= 0 and groups.get(document) in right for document, grade in rows.items())


def _with_translations(
    rows: Mapping[str, int],
    groups: Mapping[str, str],
    languages: Mapping[str, str],
    own: str | None,
) -> dict[str, int]:
    """Judgments, and those of a group's documents in its other languages, but for a query's own.

    What is judged keeps its grade: a translation may be a wrong one. Where a language has a
    relevant document of the group, the others are those of other queries that share a translation.
    """
    grades: dict[str, int] = {}
    for document, grade in rows.items():
        if grade > 0 and document in groups:
            grades[groups[document]] = max(grade, grades.get(groups[document], 0))
    answered = {(groups.get(d), languages.get(d)) for d, grade in rows.items() if grade > 0}
    translations = {
        d: grades[g]
        for d, g in groups.items()
        if g in grades and (g, languages.get(d)) not in answered and d != own
    }
    return {**translations, **rows}
