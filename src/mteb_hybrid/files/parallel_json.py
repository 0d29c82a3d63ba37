"""Rows of parallel JSON lines, for training and evaluation alike: one content in several languages.

Format: jsonlines.org, in UTF-8, plain or gzip. A line is ``{"id": …, "group": …, "query": {"en":
…}, "passage": {"en": …}}``. Other keys are ignored, and so are empty lines. A text that is null
counts as missing.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mteb_hybrid.files.lines import ParallelDataError, decoded, lines, shown
from mteb_hybrid.languages.codes import code_by_name, find_language, short_code

FilePath: TypeAlias = str | os.PathLike[str]


EXAMPLE = '{"id": "1", "query": {"en": "…", "de": "…"}, "passage": {"en": "…", "de": "…"}}'


class ParallelRow(NamedTuple):
    """One line, checked.

    Attributes:
        where: ``file:line``.
        number: Its number among the lines of all files, from 1.
        size: Bytes of the line.
        content: The whole object.
        id: What identifies it, if it says so.
        group: Its group, if it says so.
        query: Question by language.
        passage: Passage by language.
    """

    where: str
    number: int
    size: int
    content: dict[str, Any]
    id: str | int | None
    group: str | int | None
    query: dict[str, str]
    passage: dict[str, str]


def existing_files(paths: FilePath | Sequence[FilePath]) -> list[Path]:
    """The files, one or several.

    Raises:
        ParallelDataError: If one is missing, or there is none.
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files = [Path(path) for path in listed]
    for file in files:
        if not file.is_file():
            found = "a folder" if file.is_dir() else "no such file"
            raise ParallelDataError(f"{file}: {found}; expected a file of parallel JSON lines")
    if not files:
        raise ParallelDataError("no file given; expected at least one of parallel JSON lines")
    return files


def read_rows(
    files: Sequence[Path], languages: Sequence[str] | None = None, questions: bool = True
) -> Iterator[ParallelRow]:
    """The rows of files one after another, each checked.

    Args:
        files: JSON lines; those called ``.gz`` are decompressed.
        languages: Read only texts in these; by default all.
        questions: Whether every row must have a question.

    Yields:
        Rows. With `languages` given, one may be left without texts.

    Raises:
        ParallelDataError: If a file is cut off, not UTF-8 or not JSON lines; a value has the wrong
            type, a text is blank, or a row has no question (where it must) or no passage at all.
            The message gives the file and the line.
    """
    short = language_reader(languages)
    for number, (where, line) in enumerate(lines(files), 1):
        if line.isspace():
            continue
        row = decoded(where, line)
        if not isinstance(row, dict):
            raise ParallelDataError(
                f"{where}: found {shown(row)}; expected an object like {EXAMPLE}"
            )
        query = row.get("query")
        yield ParallelRow(
            where=where,
            number=number,
            size=len(line),
            content=row,
            id=_identity(where, "id", row.get("id")),
            group=_identity(where, "group", row.get("group")),
            query=(_texts(where, "query", query, short) if questions or query is not None else {}),
            passage=_texts(where, "passage", row.get("passage"), short),
        )


def check_text(where: str, what: str, text: object) -> None:
    """Refuse what is no text, or blank.

    Raises:
        ParallelDataError: If it is.
    """
    if not isinstance(text, str):
        raise ParallelDataError(f"{where}: {what!r} is {shown(text)}; expected a text")
    if not text or text.isspace():
        raise ParallelDataError(
            f"{where}: {what!r} is blank; expected a text, leave a missing translation out"
        )


def _identity(where: str, key: str, value: object) -> str | int | None:
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise ParallelDataError(
        f"{where}: {key!r} is {shown(value)}; expected a string or a 64-bit integer, correct it or "
        "leave it out"
    )


def language_reader(languages: Sequence[str] | None) -> Callable[[str, str, str], str | None]:
    """What tells the short code of a language from a key of a row.

    Args:
        languages: Short codes of those that are read; all if None.

    Returns:
        A function of where the key stands, in what, and the key itself. It returns None for a
        language that is not to be read, and raises `ParallelDataError` for a key that is no
        language where all are read.
    """
    wanted = None if languages is None else {code: code for code in languages}
    known: dict[str, str | None] = {} if wanted is None else {**wanted}

    def short(where: str, role: str, key: str) -> str | None:
        if key not in known:
            known[key] = _code(where, role, key) if wanted is None else find_language(key, wanted)
        return known[key]

    return short


def _code(where: str, role: str, key: str) -> str:
    try:
        return short_code(key)
    except ValueError:
        named = code_by_name(key)
        expected = f"its code {named!r}" if named else "a short code such as 'en', 'zh' or 'pt-br'"
        raise ParallelDataError(
            f"{where}: {role!r} has the language {shown(key)}; expected {expected}, rename it or "
            "give `languages` to read only those"
        ) from None


def _texts(
    where: str, role: str, value: object, short: Callable[[str, str, str], str | None]
) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ParallelDataError(
            f"{where}: {role!r} is {'missing' if value is None else shown(value)}; expected texts "
            'by language, such as {"en": "…", "de": "…"}'
        )
    texts: dict[str, str] = {}
    for key, text in value.items():
        if text is None or (code := short(where, role, key)) is None:
            continue
        check_text(where, f"{role}.{key}", text)
        if code in texts:
            raise ParallelDataError(
                f"{where}: {role!r} has several texts in {code!r}, one of them as {shown(key)}; "
                "expected one per language, remove the others"
            )
        texts[code] = text
    if not texts and not any(text is not None for text in value.values()):
        raise ParallelDataError(
            f"{where}: {role!r} has no text in any language; expected at least one, remove the row"
        )
    return texts
