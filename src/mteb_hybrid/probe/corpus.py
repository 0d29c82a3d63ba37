"""Passages and queries of several languages, read from JSON lines: no judgments."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import shown
from mteb_hybrid.files.mixed_json import rows, value
from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.retrieval.pool import Pool

logger = logging.getLogger(__name__)


class ProbeError(ValueError):
    """A corpus, queries or rankings that cannot be looked at; says what was expected."""


@dataclass(frozen=True)
class _Row:
    id: str
    whole: str
    language: str
    group: str | int | None


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
        corpus: JSON lines with ``_id`` or ``id``, ``text``, ``language`` and perhaps ``title``.
        queries: JSON lines with ``_id`` or ``id``, ``text``, ``language`` and perhaps ``group``,
            the same for all translations of one query.

    Raises:
        DataError: If a line is malformed, a language is missing, an id repeats, a query is empty,
            two queries of a group are in one language, or passages are in one language only.
    """
    passages, asked = _read(corpus, "passage"), _read(queries, "query")
    there = [(where, row) for where, row in passages if row.whole]
    if blank := len(passages) - len(there):
        logger.warning("%s: %d passage(s) without title and text left out", corpus, blank)
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


def _read(file: Path, what: str) -> list[tuple[str, _Row]]:
    """Place and content of every line."""
    found: dict[str, tuple[str, _Row]] = {}
    for where, id_, whole, row in rows(file, what):
        language, group = value(row, "language"), value(row, "group") if what == "query" else None
        if not isinstance(language, str) or not language.strip():
            raise _no_language(where)
        if isinstance(group, bool) or not isinstance(group, str | int | None):
            raise DataError(
                f"{where}: key 'group': found {shown(group)}; expected a text or a number, the "
                "same for all translations of a query. Correct that line."
            )
        if id_ in found:
            raise DataError(
                f"{where}: repeats the id {shown(id_)} of {found[id_][0]}; expected an id of its "
                "own on every line. Remove one of them, or give it another id."
            )
        found[id_] = where, _Row(id_, whole, language, group)
    if not found:
        raise DataError(f"{file}: is empty; expected JSON lines.")
    return list(found.values())


def _no_language(where: str) -> DataError:
    return DataError(
        f"{where}: no 'language'; expected its code, such as de, on every line. Add it: whoever "
        "made the text may know it, else a program that detects languages."
    )


def _refuse_repeated_groups(asked: Sequence[tuple[str, _Row]], names: dict[str, str]) -> None:
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
