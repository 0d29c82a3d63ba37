"""Measures of language bias of any ranking, made by any program."""

from collections.abc import Mapping

import polars as pl

from mteb_hybrid.files.runs import Scores, _alone, _check_queries, _overall
from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.measures import ANY_POOL, MAP, PARALLEL, UNJUDGED_AT_10
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import ranks_of_run


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
        One row per query language and measure: columns query_language, measure, value, queries,
        languages, without. In rows of ``all`` the value is the mean over the query languages that
        have one (`mteb_hybrid.measures.language_mean`), ``languages`` how many these are, and ``without``
        names the others.

    Raises:
        ValueError: If a ranked or judged document has no language, a score is NaN, no query is
            judged, none of the judged queries is in the run, or queries cannot be left out as
            `mteb_hybrid.retrieval.rank_counter.RankCounter` says.
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
        judged = {
            query: _with_translations(rows, groups, query if ignore_identical_ids else None)
            for query, rows in judged.items()
        }
    pool = Pool(list(languages), list(languages.values()), tuple(sorted(set(languages.values()))))
    spoken = {id_: names[language] for id_, language in (query_languages or {}).items()}
    rows: list[dict[str, object]] = []
    for language in sorted({spoken.get(query, "unknown") for query in judged}):
        mine = {q: rel for q, rel in judged.items() if spoken.get(q, "unknown") == language}
        ranks = ranks_of_run(run, mine, pool, language, ignore_identical_ids)
        for measure in (MAP, *ANY_POOL, *(PARALLEL if groups else ()), UNJUDGED_AT_10):
            rows += [
                {"query_language": language, "measure": name, "value": value, "queries": len(mine)}
                for name, value in measure.scores(ranks).items()
            ]
    table = pl.DataFrame(rows)
    return pl.concat([_overall(table), _alone(table)])


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
