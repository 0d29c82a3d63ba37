"""Passages and queries of several languages, read from JSON lines: no judgments."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import decoded, lines, shown
from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.retrieval.pool import Pool

logger = logging.getLogger(__name__)


class ProbeError(ValueError):
    """A corpus, queries or rankings that cannot be looked at; says what was expected."""


class _Text(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str = Field(alias="_id", min_length=1)
    text: str
    language: str = ""

    @property
    def whole(self) -> str:
        return self.text.strip()


class _Passage(_Text):
    title: str | None = None

    @property
    def whole(self) -> str:
        return f"{self.title or ''} {self.text}".strip()


class _Query(_Text):
    group: str | int | None = None


Row = TypeVar("Row", bound=_Text)


@dataclass(frozen=True)
class MixedCorpus:
    """Passages of at least two languages, and queries.

    Attributes:
        passages: One row each: id, text, language.
        queries: One row each: id, text, language, group. A query without translations is a group
            of its own.
    """

    passages: pl.DataFrame
    queries: pl.DataFrame

    @property
    def pool(self) -> Pool:
        """What is ranked."""
        spoken = self.passages["language"].to_list()
        return Pool(self.passages["id"].to_list(), spoken, tuple(sorted(set(spoken))))


def read_mixed(corpus: Path, queries: Path) -> MixedCorpus:
    """Read both files.

    A passage is its title and its text, joined by a space, as in BEIR; one that has neither is left
    out with a warning. Languages may be written in any way (``EN``, ``zh_TW``).

    Args:
        corpus: JSON lines with ``_id``, ``text``, ``language`` and perhaps ``title``.
        queries: JSON lines with ``_id``, ``text``, ``language`` and perhaps ``group``, the same for
            all translations of one query.

    Raises:
        DataError: If a line is malformed, a language is missing, an id repeats, a query is empty,
            two queries of a group are in one language, or passages are in one language only.
    """
    passages, asked = _read(corpus, _Passage), _read(queries, _Query)
    there = [(where, row) for where, row in passages if row.whole]
    if blank := len(passages) - len(there):
        logger.warning("%s: %d passage(s) without title and text left out", corpus, blank)
    for where, row in asked:
        if not row.whole:
            raise DataError(
                f"{where}: the query {shown(row.id)} is empty; expected words to search for. "
                "Remove the line, or give it a text."
            )
    names = one_name_each(row.language for _, row in (*there, *asked))
    spoken = sorted({names[row.language] for _, row in there})
    if len(spoken) < 2:
        raise DataError(
            f"{corpus}: {len(there)} passages in {len(spoken)} language(s) "
            f"({', '.join(spoken) or 'none'}); bias towards a language shows only beside others. "
            "Give a corpus of at least two."
        )
    _refuse_repeated_groups(asked, names)
    table = {
        "id": [row.id for _, row in asked],
        "text": [row.whole for _, row in asked],
        "language": [names[row.language] for _, row in asked],
        # A group may be called as another query's id.
        "group": [
            f"query {row.id}" if row.group is None else f"group {row.group}" for _, row in asked
        ],
    }
    return MixedCorpus(
        passages=pl.DataFrame(
            [(row.id, row.whole, names[row.language]) for _, row in there],
            {"id": pl.String, "text": pl.String, "language": pl.String},
            orient="row",
        ),
        queries=pl.DataFrame(table),
    )


def different(rows: Iterable[int], texts: Sequence[str]) -> list[int]:
    """The first row of every text."""
    found: dict[str, int] = {}
    for row in rows:
        found.setdefault(texts[row], row)
    return list(found.values())


def _read(file: Path, kind: type[Row]) -> list[tuple[str, Row]]:
    """Place and content of every line; blank lines are none."""
    found: dict[str, tuple[str, Row]] = {}
    for where, line in lines([file]):
        if line.isspace():
            continue
        data: Any = decoded(where, line)
        try:
            row = kind.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            if key == "language":
                raise _no_language(where) from None
            keys = ", ".join(field.alias or name for name, field in kind.model_fields.items())
            raise DataError(
                f"{where}: {f'key {key!r}: ' if key else ''}{first['msg']}; expected an object "
                f"with the texts {keys}. Correct that line."
            ) from None
        if not row.language.strip():
            raise _no_language(where)
        if row.id in found:
            raise DataError(
                f"{where}: repeats the _id {shown(row.id)} of {found[row.id][0]}; expected an id "
                "of its own on every line. Remove one of them, or give it another id."
            )
        found[row.id] = where, row
    if not found:
        raise DataError(f"{file}: is empty; expected JSON lines.")
    return list(found.values())


def _no_language(where: str) -> DataError:
    return DataError(
        f"{where}: no 'language'; expected its code, such as de, on every line. Add it: whoever "
        "made the text may know it, else a program that detects languages."
    )


def _refuse_repeated_groups(asked: Sequence[tuple[str, _Query]], names: dict[str, str]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for where, row in asked:
        if row.group is None:
            continue
        key = str(row.group), names[row.language]
        if key in seen:
            raise DataError(
                f"{where}: a second query of the group {shown(key[0])} in {key[1]}, after "
                f"{seen[key]}; expected one in each language, its translations. Correct the group."
            )
        seen[key] = where
