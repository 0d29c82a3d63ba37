"""What is wrong with a result file of our tasks, and what of it can still be read."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mteb.results import TaskResult
from packaging.version import Version

from mteb_hybrid.files.documents import DECODER, parse_json
from mteb_hybrid.results.evaluation import scores_of

FAULTS = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)
"""What MTEB and pydantic raise on content that is not theirs."""
_TEXT = r'"{}":\s*("(?:[^"\\]|\\.)*")'
_BETWEEN = (" ", "\n", "\r", "\t", ",")
_SCORES = re.compile(r'"scores":\s*\{\s*("(?:[^"\\]|\\.)*"):\s*\[')


class DamagedError(ValueError):
    """A result file that MTEB, or our tables, cannot read. The message says what is wrong."""


def read_result(file: Path) -> TaskResult:
    """Read a result file, and check all that MTEB merges and our tables show.

    Args:
        file: A file named ``TASK.json``.

    Raises:
        DamagedError: If it is damaged.
    """
    try:
        parse_json(file.read_bytes())  # what our tables refuse is damaged too
        result = TaskResult.from_disk(file)
    except FAULTS as error:
        said = str(error).splitlines()
        raise DamagedError(said[0] if said else type(error).__name__) from None
    if result.task_name != file.stem:
        raise DamagedError(f"it has results of {result.task_name}")
    for rows in result.scores.values():
        seen: set[str] = set()
        for row in rows:
            subset = row["hf_subset"]
            if subset in seen:
                raise DamagedError(f"subset {subset!r} is there twice")
            if not _is_sound(row):
                raise DamagedError(f"subset {subset!r} has something that is no score")
            seen.add(subset)
    return result


def rows_that_can_be_read(file: Path) -> TaskResult | None:
    """The results in a damaged file that are whole; None if there are none.

    Of a file that is cut short these are the subsets before the cut.

    Args:
        file: A file named ``TASK.json``.
    """
    raw = file.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        text = raw[: error.start].decode()
    revision, version = (_text(name, text) for name in ("dataset_revision", "mteb_version"))
    scores: dict[str, list[dict[str, Any]]] = {}
    for split, row in _rows(text):
        seen = {row["hf_subset"] for row in scores.get(split, ())}
        if _is_sound(row) and row["hf_subset"] not in seen:
            scores.setdefault(split, []).append(row)
    if not scores or revision is None or _text("task_name", text) != file.stem:
        return None
    return TaskResult.model_validate(
        {
            "dataset_revision": revision,
            "task_name": file.stem,
            "mteb_version": version,
            "scores": scores,
            "evaluation_time": None,
        }
    )


def _rows(text: str) -> Iterator[tuple[str, Any]]:
    """The subsets, one after another, up to the first that cannot be read."""
    found = _SCORES.search(text)
    if not found:
        return
    end = found.end()
    while True:
        while text[end : end + 1] in _BETWEEN:
            end += 1
        try:
            row, end = DECODER.raw_decode(text, end)
            split = DECODER.decode(found[1])
        except (ValueError, RecursionError):
            return
        yield split, row


def _text(name: str, text: str) -> str | None:
    found = re.search(_TEXT.format(name), text)
    try:
        return str(DECODER.decode(found[1])) if found else None
    except ValueError:
        return None


def _is_sound(row: Any) -> bool:
    """Whether MTEB takes a row, merges it, and our tables show it."""
    try:
        scores_of("", row)
        Version(row.get("mteb_version") or "0")
        texts = [row["hf_subset"], *row["languages"]]
        return all(isinstance(text, str) for text in texts) and isinstance(
            row["main_score"], int | float | None
        )
    except FAULTS:
        return False


def run_settings(raw: bytes) -> tuple[bytes, int]:
    """The lines of ``run_settings.jsonl`` that MTEB can merge with others, and how many it cannot.

    Args:
        raw: The file's content.
    """
    lines = [line for line in raw.splitlines() if line.strip()]
    kept = [line for line in lines if _is_setting(line)]
    return b"".join(line + b"\n" for line in kept), len(lines) - len(kept)


def _is_setting(line: bytes) -> bool:
    try:
        entry = parse_json(line)
    except FAULTS:
        return False
    if not isinstance(entry, dict):
        return False
    lists = [entry.get(name) or [] for name in ("splits", "subsets")]
    texts = [entry.get(name) or "" for name in ("task", "split", "subset")]
    return all(isinstance(some, list) for some in lists) and all(
        isinstance(text, str) for text in [*texts, *(text for some in lists for text in some)]
    )
