"""Rankings of any search program: TREC runs, BEIR runs and MTEB predictions, with judgments.

Formats, each told by its content: a run is six columns (query, ``Q0``, document, rank, score, tag),
or JSON ``{query: {document: score}}``, or MTEB's predictions ``{subset: {split: {query: …}}}``.
Judgments are four columns (query, 0, document, relevance), or BEIR's tab-separated file with the
head ``query-id corpus-id score``, or JSON as above. Languages and groups are two columns (id,
value), JSON ``{id: value}``, or JSON lines with ``_id`` (or ``id``) and ``language`` (``group``).
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from mteb_hybrid.measures import ANY_POOL, MAP, PARALLEL, UNJUDGED_AT_10
from mteb_hybrid.ranks import Pool, ranks_of_run

T = TypeVar("T")
Scores = dict[str, dict[str, float]]


class RunError(ValueError):
    """A file that cannot be read. The message names the file and the line or key."""


def read_run(file: Path, subset: str | None = None) -> Scores:
    """Read a ranking.

    Args:
        file: A TREC run, a BEIR run or MTEB predictions.
        subset: Which subset of MTEB predictions; needed if there are several.

    Returns:
        ``{query id: {document id: score}}``.

    Raises:
        RunError: If the file is none of these, or a document is ranked twice for a query.
    """
    data = _json(file)
    if data is None:
        return _columns(file, 6, (0, 2, 4), float, "a TREC run: query Q0 document rank score tag")
    if "mteb_model_meta" in data:
        subsets = {name: splits for name, splits in data.items() if name != "mteb_model_meta"}
        if subset is None and len(subsets) == 1:
            (subset,) = subsets
        if subset not in subsets:
            raise RunError(
                f"{file}: MTEB predictions of the subsets {', '.join(subsets)}; name one of them"
            )
        (data,) = subsets[subset].values()
    return _table(file, data, float)


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Read judgments: TREC qrels, BEIR's qrels or JSON.

    Raises:
        RunError: If the file is none of these, or a document is judged twice for a query.
    """
    data = _json(file)
    if data is not None:
        return _table(file, data, int)
    with file.open(encoding="utf-8") as stream:
        head = stream.readline().split()
    if head == ["query-id", "corpus-id", "score"]:
        return _columns(file, 3, (0, 1, 2), int, "BEIR's qrels: query-id corpus-id score", 1)
    return _columns(file, 4, (0, 2, 3), int, "TREC qrels: query 0 document relevance")


def read_mapping(file: Path, column: str) -> dict[str, str]:
    """Read what belongs to each id, such as its language.

    Args:
        file: Two columns, JSON, or JSON lines.
        column: Name of the value in JSON lines.

    Raises:
        RunError: If the file is none of these, or an id has two values.
    """
    text = file.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    if text.lstrip().startswith("{") and (data := _json(file)) and not {column, "_id"} & set(data):
        return {str(id_): str(value) for id_, value in data.items()}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if line.lstrip().startswith("{"):
            row = _parsed(file, number, line)
            about = {**(row.get("metadata") or {}), **row}
            id_, value = row.get("_id", row.get("id")), about.get(column)
        else:
            id_, _, value = (part.strip() for part in line.partition("\t" if "\t" in line else " "))
        if not id_ or not value:
            raise RunError(
                f"{file}: line {number}: no id or no {column}; expected two columns, or JSON with "
                f"'_id' and '{column}'"
            )
        if found.setdefault(str(id_), str(value)) != str(value):
            raise RunError(f"{file}: line {number}: {id_!r} has another {column} before; keep one")
    return found


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
        One row per query language (``all``: the unweighted mean over them) and measure: columns
        query_language, measure, value, queries.

    Raises:
        ValueError: If a ranked or judged document has no language, a score is NaN, no query is
            judged, or queries cannot be left out as `mteb_hybrid.ranks.RankCounter` says.
    """
    judged = {
        query: dict(rows) for query, rows in qrels.items() if any(g > 0 for g in rows.values())
    }
    if not judged:
        raise ValueError("no query has a relevant document; check the judgments")
    if groups:
        judged = {
            query: _with_translations(rows, groups, query if ignore_identical_ids else None)
            for query, rows in judged.items()
        }
    pool = Pool(list(languages), list(languages.values()), tuple(sorted(set(languages.values()))))
    spoken = query_languages or {}
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
    overall = table.group_by("measure", maintain_order=True).agg(
        pl.lit("all").alias("query_language"), pl.col("value").mean(), pl.col("queries").sum()
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


def _json(file: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file is not JSON, or is JSON lines."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" or not file.read_text(encoding="utf-8").startswith("{"):
            return None
        raise RunError(f"{file}: not JSON: {error}; the file was cut short") from None
    except UnicodeDecodeError as error:
        raise RunError(f"{file}: not UTF-8: {error}") from None
    if not isinstance(data, dict):
        raise RunError(f"{file}: expected a JSON object, found {type(data).__name__}")
    return data


def _parsed(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise RunError(f"{file}: line {number}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise RunError(f"{file}: line {number}: expected a JSON object")
    return row


def _table(
    file: Path, data: Mapping[str, Any], number: Callable[[Any], T]
) -> dict[str, dict[str, T]]:
    try:
        return {q: {d: number(value) for d, value in rows.items()} for q, rows in data.items()}
    except (AttributeError, TypeError, ValueError):
        raise RunError(
            f"{file}: expected {{query: {{document: {number.__name__}}}}}, as in BEIR"
        ) from None


def _columns(
    file: Path,
    width: int,
    wanted: tuple[int, int, int],
    number: Callable[[str], T],
    expected: str,
    skip: int = 0,
) -> dict[str, dict[str, T]]:
    found: dict[str, dict[str, T]] = {}
    with file.open(encoding="utf-8") as stream:
        for line_number, line in enumerate(stream, start=1):
            parts = line.split()
            if line_number <= skip or not parts:
                continue
            try:
                if len(parts) != width:
                    raise ValueError
                query, document, value = (parts[place] for place in wanted)
                converted = number(value)
            except ValueError:
                raise RunError(
                    f"{file}: line {line_number}: {line.strip()[:80]!r}; expected {expected}"
                ) from None
            if document in found.setdefault(query, {}):
                raise RunError(
                    f"{file}: line {line_number}: document {document!r} is there twice for query "
                    f"{query!r}; keep one"
                )
            found[query][document] = converted
    if not found:
        raise RunError(f"{file}: empty; expected {expected}")
    return found
