"""Rankings of any search program: TREC runs, BEIR runs and MTEB predictions, with judgments.

Formats, each told by its content: a run is six columns (query, ``Q0``, document, rank, score, tag),
or JSON ``{query: {document: score}}``, or MTEB's predictions ``{subset: {split: {query: …}}}``.
Judgments are four columns (query, 0, document, relevance), or BEIR's tab-separated file with the
head ``query-id corpus-id score``, or JSON as above. Languages and groups are two columns (id,
value), JSON ``{id: value}``, or JSON lines with ``_id`` (or ``id``) and ``language`` (``group``).

Columns are separated by spaces or tabs; where tabs alone make the right number of columns, ids may
have spaces in them. Judgments are integers: 1.0 in JSON is 1, and 0.5 is refused, for measures take
grades. Files may be compressed with gzip and begin with a byte order mark, as
`mteb_hybrid.files.lines` reads them.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mteb_hybrid.files.lines import (
    TextError,
    beir_columns,
    columns,
    decoded,
    grade_of,
    json_file,
    lines,
    shown,
    text_of,
)

T = TypeVar("T")
Scores = dict[str, dict[str, float]]

BEIR_HEAD = ["query-id", "corpus-id", "score"]
IDS = {"id", "doc", "docid", "doc_id", "document", "corpus-id", "qid", "query", "query-id"}
"""What the column of ids is called where a file has a head, without underscores around."""


RunError = TextError


def read_run(file: Path, subset: str | None = None) -> Scores:
    """Read a ranking.

    Args:
        file: A TREC run, a BEIR run or MTEB predictions.
        subset: Which subset of MTEB predictions; needed if there are several. No other file has
            any.

    Returns:
        ``{query id: {document id: score}}``.

    Raises:
        TextError: If the file is none of these, a score is no number, or a document is ranked twice
            for a query; or a subset is asked for where there are none.
    """
    data = _json(file)
    if data is not None and "mteb_model_meta" in data:
        return scores_of(str(file), _predictions(file, data, subset))
    if subset is not None:
        raise RunError(
            f"{file}: no MTEB predictions, so that all of it is one ranking without "
            f"subsets, and none is called {subset}. Leave the subset out, and give a file of "
            "that subset alone."
        )
    if data is None:
        return _columns(file, 6, (0, 2, 4), _score, "a TREC run: query Q0 document rank score tag")
    return scores_of(str(file), data)


def scores_of(where: str, data: object) -> Scores:
    """Check the scores in JSON: ``{query id: {document id: score}}``.

    Args:
        where: What it is, for error messages.
        data: What was read.

    Raises:
        TextError: If it is something else, or a score is no number.
    """
    return _table(where, data, _score, "score")


def _predictions(file: Path, data: Mapping[str, Any], subset: str | None) -> Any:
    subsets = {name: splits for name, splits in data.items() if name != "mteb_model_meta"}
    if subset is None and len(subsets) == 1:
        (subset,) = subsets
    if subset not in subsets:
        raise RunError(
            f"{file}: MTEB predictions of the subsets {', '.join(subsets)}; name one of them"
        )
    splits = subsets[subset]
    if not isinstance(splits, dict) or len(splits) != 1:
        raise RunError(
            f"{file}: subset {subset!r}: expected one split, {{split: {{query: {{document: "
            f"score}}}}}}; found {shown(list(splits) if isinstance(splits, dict) else splits)}"
        )
    (found,) = splits.values()
    return found


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Read judgments: TREC qrels, BEIR's qrels or JSON.

    Raises:
        TextError: If the file is none of these, a judgment is no integer, or a document is judged
            twice for a query.
    """
    data = _json(file)
    if data is not None:
        return _table(str(file), data, _grade, "judgment")
    _, first = next(_texts(file), ("", ""))
    expected = "BEIR's qrels: query-id corpus-id score"
    if beir_columns(first) == BEIR_HEAD:
        return _columns(file, 3, (0, 1, 2), _grade, expected, 1, beir_columns)
    if first.split() == BEIR_HEAD:
        return _columns(file, 3, (0, 1, 2), _grade, expected, 1)
    expected = "TREC qrels: query 0 document relevance"
    return _columns(file, 4, (0, 2, 3), _grade, expected)


def read_mapping(file: Path, column: str) -> dict[str, str]:
    """Read what belongs to each id, such as its language.

    Args:
        file: Two columns, JSON, or JSON lines. A head whose second column is the name of the value
            is skipped.
        column: Name of the value in JSON lines.

    Raises:
        TextError: If the file is none of these, or an id has two values.
    """
    _, first = next(_texts(file), ("", ""))
    rows = _mapping_columns(file, column)
    if first.lstrip().startswith("{"):
        data = _json(file)
        json_lines = data is None or {column, "_id"} & set(data)
        rows = _mapping_lines(file, column) if json_lines else _items(file, data or {})
    found: dict[str, str] = {}
    for where, id_, value in rows:
        texts = [_name(part) for part in (id_, value)]
        if None in texts:
            raise RunError(
                f"{where}: no id or no {column} (found {shown(id_)} and {shown(value)}); expected "
                f"two columns, or JSON with '_id' and '{column}', both of them texts"
            )
        name, text = map(str, texts)
        if found.setdefault(name, text) != text:
            raise RunError(f"{where}: {name!r} has another {column} before; keep one")
    if not found:
        raise RunError(f"{file}: empty; expected an id and its {column} on every line")
    return found


def _name(value: object) -> str | None:
    """An id or a value as a text; None if it is neither a text nor an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _items(file: Path, data: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    for id_, value in data.items():
        yield f"{file}: key {id_!r}", id_, value


def _mapping_lines(file: Path, column: str) -> Iterator[tuple[str, object, object]]:
    for where, line in _lines(file):
        row = decoded(where, line)
        if not isinstance(row, dict):
            raise RunError(f"{where}: found {shown(row)}; expected a JSON object")
        metadata = row.get("metadata")
        about = {**(metadata if isinstance(metadata, dict) else {}), **row}
        yield where, row.get("_id", row.get("id")), about.get(column)


def _mapping_columns(file: Path, column: str) -> Iterator[tuple[str, object, object]]:
    for place, (where, line) in enumerate(_texts(file)):
        fields = columns(line, 2)
        if not place and len(fields) == 2 and _is_head(fields, column):
            continue
        if len(fields) > 2:
            raise RunError(
                f"{where}: {shown(line)} has {len(fields)} columns; expected an id and a {column}, "
                "separated by a tab"
            )
        yield where, *([*fields, None] if len(fields) == 1 else fields)


def _is_head(fields: list[str], column: str) -> bool:
    """Whether a first line names the columns: ``docid language``, ``id lang``, ``doc group_id``."""
    first, second = (field.lower() for field in fields)
    near = second.startswith(column) or column.startswith(second)
    return second == column or (near and first.strip("_") in IDS)


def _json(file: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file is not JSON, or is JSON lines."""
    rows = (line for _, line in _lines(file))
    first = next(rows, b"").lstrip()
    several = next(rows, None) is not None
    if not first.startswith((b"{", b"[")) or (several and _is_json(first)):
        return None
    if first.startswith(b"[") and not _is_json(first):
        return None  # columns whose first id begins so
    data = json_file(file)
    if not isinstance(data, dict):
        raise RunError(f"{file}: expected a JSON object, found {type(data).__name__}")
    return data


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    """Place and content of the lines that are not blank."""
    for number, (_, line) in enumerate(lines([file]), 1):
        if not line.isspace():
            yield f"{file}: line {number}", line


def _texts(file: Path) -> Iterator[tuple[str, str]]:
    return ((where, text_of(where, line)) for where, line in _lines(file))


def _score(value: object) -> float:
    """A score that can be ranked by.

    Raises:
        ValueError: If it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        raise ValueError
    try:
        score = float(value)
    except OverflowError:
        raise ValueError from None
    if math.isnan(score):
        raise ValueError("is NaN")
    return score


def _grade(value: object) -> int:
    """A judgment, which is an integer; 1.0 in JSON is one.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    found = grade_of(str(value))
    if found is None:
        raise ValueError
    return found


def _table(
    place: str, data: object, number: Callable[[object], T], what: str
) -> dict[str, dict[str, T]]:
    """Numbers by query and document, each checked."""
    found: dict[str, dict[str, T]] = {}
    for query, rows in data.items() if isinstance(data, dict) else [("", None)]:
        if not isinstance(rows, dict):
            raise RunError(
                f"{place}: expected {{query: {{document: {what}}}}}, as in BEIR; found "
                f"{shown(rows if query else data)}" + (f" for query {query!r}" if query else "")
            )
        found[query] = {}
        for document, value in rows.items():
            try:
                found[query][document] = number(value)
            except ValueError as error:
                expected = "a number" if what == "score" else "an integer of up to six digits"
                raise RunError(
                    f"{place}: query {query!r}, document {document!r}: the {what} "
                    f"{error if str(error) else f'is {shown(value)}'}; expected {expected}. "
                    "Correct it."
                ) from None
    return found


def _columns(
    file: Path,
    width: int,
    wanted: tuple[int, int, int],
    number: Callable[[object], T],
    expected: str,
    skip: int = 0,
    split: Callable[[str], list[str]] | None = None,
) -> dict[str, dict[str, T]]:
    found: dict[str, dict[str, T]] = {}
    for place, (where, line) in enumerate(_texts(file)):
        if place < skip:
            continue
        try:
            parts = split(line) if split else columns(line, width)
            if len(parts) != width:
                raise ValueError
            query, document, value = (parts[index] for index in wanted)
            if not query or not document:
                raise ValueError("has no id")
            converted = number(value)
        except ValueError as error:
            fault = f" {error}" if str(error) else ""
            raise RunError(f"{where}: {shown(line)}{fault}; expected {expected}") from None
        if document in found.setdefault(query, {}):
            raise RunError(
                f"{where}: document {document!r} is there twice for query {query!r}; keep one"
            )
        found[query][document] = converted
    if not found:
        raise RunError(f"{file}: empty; expected {expected}")
    return found
