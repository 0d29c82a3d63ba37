"""Rankings of any search program: TREC runs, BEIR runs and MTEB predictions, with judgments.

Formats, each told by its content: a run is six columns (query, ``Q0``, document, rank, score, tag),
or JSON ``{query: {document: score}}``, or MTEB's predictions ``{subset: {split: {query: …}}}``.
Judgments are four columns (query, 0, document, relevance), or BEIR's tab-separated file with the
head ``query-id corpus-id score``, or JSON as above. Languages and groups are two columns (id,
value), JSON ``{id: value}``, or JSON lines with ``_id`` (or ``id``) and ``language`` (``group``).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.lines import one_line


@dataclass(frozen=True)
class Run:
    """A ranking of one view.

    Attributes:
        scores: ``{query id: {passage id: score}}``.
        tag: What TREC's last column says, without white space.
        file: Where it comes from, for messages.
    """

    scores: Mapping[str, Mapping[str, float]]
    tag: str = "mteb-hybrid"
    file: Path = Path("run")


def read_predictions(file: Path, split: str) -> dict[str, Run]:
    """Read the predictions that MTEB saved of one task.

    Args:
        file: What ``mteb-hybrid run --prediction-folder`` left there.
        split: The split of the task.

    Returns:
        Rankings by subset.

    Raises:
        ExportError: If the file is not of that kind, or lacks the split.
    """
    expected = "expected MTEB predictions, as `mteb-hybrid run --prediction-folder` saves them"
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(f"{file}: not JSON: {error}; {expected}. Save them again.") from None
    if not isinstance(data, dict) or "mteb_model_meta" not in data:
        raise ExportError(f"{file}: no key 'mteb_model_meta'; {expected}. Give that file.")
    meta = data.pop("mteb_model_meta")
    tag = "".join(one_line(str(meta.get("model_name") or "mteb")).split()) or "mteb"
    return {subset: Run(_scores(file, subset, data[subset], split), tag, file) for subset in data}


def _scores(file: Path, subset: str, splits: Any, split: str) -> dict[str, dict[str, float]]:
    where = f"{file}: subset {subset}"
    try:
        if split not in splits:
            raise ExportError(
                f"{where} has the splits {', '.join(splits)}; expected {split}. Give the "
                "predictions of a task of this collection."
            )
        return {
            query: {id_: float(score) for id_, score in scores.items()}
            for query, scores in splits[split].items()
        }
    except (AttributeError, TypeError):
        raise ExportError(
            f"{where}: expected {{split: {{query: {{passage: score}}}}}}. Save them again."
        ) from None


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
