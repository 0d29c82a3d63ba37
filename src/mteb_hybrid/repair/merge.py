"""Merge the results of several languages into one ranking per query."""

import re
from collections.abc import Mapping

import numpy as np

from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.repair.best_mean import best_mean
from mteb_hybrid.repair.csls import csls
from mteb_hybrid.repair.merging import Merging
from mteb_hybrid.repair.round_robin import ROUND_ROBIN
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.z_score import Z_SCORE

Scores = Mapping[str, Mapping[str, float]]

NAMES = "best-M (such as best-10), z-score, round-robin, csls-M"


def merging(name: str) -> Merging:
    """A merging by its name.

    Args:
        name: ``best-10``, ``z-score``, ``round-robin`` or ``csls-10``; other numbers likewise.

    Raises:
        RepairError: If there is none of that name.
    """
    if name in (found := {known.name: known for known in (Z_SCORE, ROUND_ROBIN)}):
        return found[name]
    kind, _, number = name.partition("-")
    made = {"best": best_mean, "csls": csls}.get(kind)
    if made is None or not re.fullmatch(r"0*[1-9]\d{0,8}", number, re.ASCII):
        best = "".join(re.findall(r"\d", name, re.ASCII))[:9] or "10"
        known = (f"best-{best}", "z-score", "round-robin", f"csls-{best}")
        raise RepairError(f"no merging {name!r}{did_you_mean(name, known)} Expected {NAMES}")
    return made(int(number))


def merged_run(
    run: Scores, languages: Mapping[str, str], how: Merging, ignore_identical_ids: bool = False
) -> dict[str, dict[str, float]]:
    """Make the scores of a run comparable between languages.

    Best and mean are those of the documents that were returned: where each language was cut at the
    same depth, they mean the same in all. A language that returned fewer documents than M counts
    with the mean of those. Scores are float64: who ranks them in float32 may find ties.

    Args:
        run: ``{query id: {document id: score}}``, of all languages.
        languages: The language of every ranked document.
        how: The merging.
        ignore_identical_ids: Whether to leave the document with a query's id out of its ranking
            (MTEB's name for it): it has no part in the level of its language.

    Returns:
        The same documents with new scores.

    Raises:
        RepairError: If a document has no language, a score is not finite, or the merging needs
            the scores of all passages.
    """
    if not how.of_query:
        raise RepairError(
            f"{how.name} needs the scores of all passages for all queries, which a run does not "
            "have; choose best-M, or evaluate the model with it"
        )
    if ignore_identical_ids:
        run = without_identical_ids(run)
    names = one_name_each(languages.values())
    languages = {document: names[language] for document, language in languages.items()}
    merged = {}
    for query, scores in run.items():
        nameless = [document for document in scores if document not in languages]
        if nameless:
            raise RepairError(
                f"query {query!r}: {len(nameless)} of {len(scores)} documents have no language, "
                f"the first is {nameless[0]!r}; add them to the languages"
            )
        values = np.array([list(scores.values())], dtype=np.float64)
        bad = [document for document, score in scores.items() if not np.isfinite(score)]
        if bad:
            raise RepairError(
                f"query {query!r}, document {bad[0]!r}: the score is {scores[bad[0]]}; expected a "
                "finite number"
            )
        _, codes = np.unique([languages[document] for document in scores], return_inverse=True)
        new = how(values, codes)[0] if scores else []
        merged[query] = dict(zip(scores, map(float, new), strict=True))
    return merged


def without_identical_ids(run: Scores) -> dict[str, dict[str, float]]:
    """A run in which no query ranks the document with its own id."""
    return {
        query: {document: score for document, score in scores.items() if document != query}
        for query, scores in run.items()
    }


def one_run(runs: Mapping[str, Scores]) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Put the runs of several languages together, one run each.

    Args:
        runs: By language.

    Returns:
        The run of all, and the language of each document.

    Raises:
        RepairError: If there is one run only, or a document is in the runs of two languages.
    """
    if len(runs) < 2:
        raise RepairError(f"one run ({', '.join(runs)}); to merge, give that of another language")
    together: dict[str, dict[str, float]] = {}
    languages: dict[str, str] = {}
    for language, run in runs.items():
        for query, scores in run.items():
            for document in scores:
                other = languages.setdefault(document, language)
                if other != language:
                    raise RepairError(
                        f"document {document!r} is in the runs of {other} and of {language}; ids "
                        "must differ between languages: put the language in front of them"
                    )
            together.setdefault(query, {}).update(scores)
    return together, languages
