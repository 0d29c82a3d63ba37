"""Line-aligned text: one UTF-8 file per language, in which lines of one number say the same.

Every line is a query and a passage, both with the id ``language:line number`` (counted from 1, as
in editors). Its group is its line number, or what a file of groups says. Relevant are the lines of
its group in the other languages; the line itself answers nothing. Lines whose text repeats within
a language stay candidates of their own, and tie.

A byte order mark, and the carriage returns of Windows, are no part of a text. Blank lines are
refused: they may be a lost translation, or a line too many, after which all others are misaligned.
"""

from itertools import islice
from pathlib import Path

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.formats.lines import LinesSource
from mteb_hybrid.cards.known_faults import NOTHING, LeftOut
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import lines, text_of
from mteb_hybrid.retrieval.collection import TEXTS, Collection
from mteb_hybrid.sources.locate import locate, locate_file


def read(card: TaskCard) -> Collection:
    """Read all languages of a line-aligned collection.

    Args:
        card: Its card.

    Returns:
        The collection. Its queries are its passages.

    Raises:
        DataError: If a file is missing, altered or not UTF-8, has a blank line, or has another
            number of lines than the first language's, or fewer than the card reads.
    """
    source = card.source
    most = source.lines if isinstance(source, LinesSource) else None
    files = {language: locate(card, language) for language in card.languages}
    left_out = LeftOut(card.title, card.source.known_faults)
    texts = {language: read_lines(file, left_out, most) for language, file in files.items()}
    first = next(iter(files))
    count = len(texts[first])
    groups = [str(number) for number in range(1, count + 1)]
    if isinstance(source, LinesSource) and source.groups:
        file = locate_file(card, source.groups)
        groups = read_lines(file, NOTHING, most)
        check_length(file, len(groups), count, f"one group for every line of {files[first]}")
    rows = []
    for language, file in files.items():
        check_length(file, len(texts[language]), count, f"as many as {files[first]}")
        rows += [
            (f"{language}:{number}", text, language, group)
            for number, (text, group) in enumerate(zip(texts[language], groups, strict=True), 1)
            if text.strip()
        ]
    left_out.log()
    table = pl.DataFrame(rows, TEXTS, orient="row")
    return Collection(
        name=card.title,
        languages=tuple(card.languages),
        passages=table,
        queries=table,
        qrels=_translations(table),
    )


def read_lines(file: Path, left_out: LeftOut = NOTHING, most: int | None = None) -> list[str]:
    """The lines of a file, none of them blank.

    Args:
        file: The file.
        left_out: Which blank lines are known; they stay where they are.
        most: How many lines are read, from the first; all if None.

    Raises:
        DataError: If it is not UTF-8, is empty, has fewer lines than that, or a blank one.
    """
    found = [text_of(where, line) for where, line in islice(lines([file]), most)]
    if not found:
        raise DataError(f"{file}: is empty; expected a text on every line.")
    for number, line in enumerate(found, 1):
        if not line.strip() and not left_out("blank_texts", [f"{file}:{number}"]):
            raise DataError(
                f"{file}: line {number} is blank; expected a text on every line. Remove the line "
                "with its number from the files of all languages, or give it a text."
                f"{left_out.more('blank_texts')}"
            )
    if most is not None and len(found) < most:
        raise DataError(
            f"{file}: {len(found)} lines; expected at least {most}, as source.lines of the card "
            "says. Correct the card, or get the whole file."
        )
    return found


def check_length(file: Path, found: int, expected: int, why: str) -> None:
    """Refuse a file that has another number of lines than the one that it is aligned with.

    Raises:
        DataError: If it has.
    """
    if found != expected:
        raise DataError(
            f"{file}: {found} lines; expected {expected}, {why}. Lines of one number must belong "
            "together: look for one that is missing or broken in two."
        )


def _translations(table: pl.DataFrame) -> pl.DataFrame:
    """Judgments: every line with the lines of its group in other languages."""
    queries = table.select("group", "language", query_id="id")
    passages = table.select("group", other="language", passage_id="id")
    pairs = queries.join(passages, on="group", maintain_order="left_right")
    return pairs.filter(pl.col("language") != pl.col("other")).select(
        "query_id", "passage_id", relevance=pl.lit(1, pl.Int64)
    )
