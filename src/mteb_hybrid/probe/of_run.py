"""The same of rankings that any program made, without judgments."""

from collections import Counter
from collections.abc import Mapping

import polars as pl

from mteb_hybrid.files.runs import Scores
from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.probe.corpus import ProbeError
from mteb_hybrid.probe.probe import NONE, Probed
from mteb_hybrid.probe.rankings import EXPOSED, FIGURES, measure_rankings
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import deepest, ranks_of_run
from mteb_hybrid.retrieval.ties import MANY, MEANING

UNKNOWN = "unknown"
"""In the place of the languages of queries."""


def probe_run(
    run: Scores,
    languages: Mapping[str, str],
    query_languages: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    ignore_identical_ids: bool = False,
    k: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> Probed:
    """What a ranking shows without judgments: `mteb_hybrid.probe.rankings.measure_rankings`.

    Args:
        run: Scores of the passages that were returned.
        languages: The language of every passage that was searched.
        query_languages: That of every query, if known.
        groups: The question that each query asks; its translations have the same.
        ignore_identical_ids: Whether to leave the passage with a query's id out of its ranking.
        k: How many places; all, if there are fewer passages.
        resamples: Bootstrap samples.
        seed: Of the samples.

    Raises:
        ProbeError: If the run is empty, a query has no language or group where others have one, two
            queries of a group are in one language, or all passages are in one.
        ValueError: If a ranked passage has no language, or a score is NaN.
    """
    if not run:
        raise ProbeError("the run has no queries; expected rankings")
    for what, known in (("language", query_languages), ("group", groups)):
        if known and (missing := [query for query in run if query not in known]):
            raise ProbeError(
                f"{len(missing)} of {len(run)} queries of the run have no {what}, the first is "
                f"{missing[0]!r}; expected one for each. Add it, or leave these queries out"
            )
    names = one_name_each((*languages.values(), *(query_languages or {}).values()))
    spoken = [names[language] for language in languages.values()]
    if len(set(spoken)) < 2:
        raise ProbeError(
            f"all {len(spoken)} passages are in {spoken[0]}; bias towards a language shows only "
            "beside others"
        )
    pool = Pool(list(languages), spoken, tuple(sorted(set(spoken))))
    asked: dict[str, list[str]] = {}
    for query in run:
        language = names[query_languages[query]] if query_languages else UNKNOWN
        asked.setdefault(language, []).append(query)
    grouped = {
        language: [f"group {groups[q]}" if groups else f"query {q}" for q in queries]
        for language, queries in sorted(asked.items())
    }
    for language, some in grouped.items():
        if repeated := [name for name, count in Counter(some).items() if count > 1]:
            raise ProbeError(
                f"several queries of the {repeated[0]!r} in {language}; expected one in each "
                "language, its translations"
            )
    k, deep = min(k, len(pool)), deepest(run, ignore_identical_ids)
    ranks = {
        language: ranks_of_run(
            run, {q: {} for q in asked[language]}, pool, language, ignore_identical_ids, cutoff=deep
        )
        for language in grouped
    }
    table = measure_rankings(ranks, grouped, k, resamples, seed)
    notes = [
        f"{some.crowded.mean():.0%} of scores of queries in {language} tie {MEANING}"
        for language, some in ranks.items()
        if some.crowded.mean() > MANY
    ]
    places = min(EXPOSED, len(pool))
    if short := sum(len(scores) < places for scores in run.values()):
        notes.append(
            f"{short} of {len(run)} rankings hold fewer than {places} passages; shares and "
            "exposure are those of what was returned."
        )
    if groups and (short := sum(len(scores) < k for scores in run.values())):
        notes.append(
            f"{short} of {len(run)} rankings hold fewer than {k} passages; whether they agree with "
            "those of translated queries was not measured."
        )
    if not query_languages:
        notes.append("Without --query-languages nothing is said of a query's own language.")
    if not groups or not query_languages:
        notes.append(
            "Whether translated queries get the same ranking is measured with --query-languages "
            "and --query-groups."
        )
    counted = pl.Series(spoken).value_counts().sort("").iter_rows()
    about = {
        "passages": dict(counted),
        "queries": {language: len(queries) for language, queries in sorted(asked.items())},
        "k": k,
        "resamples": resamples,
        "seed": seed,
    }
    return Probed(about, table.select(pl.lit(NONE).alias("repair"), *FIGURES), tuple(notes))
