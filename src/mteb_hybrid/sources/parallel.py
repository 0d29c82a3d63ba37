"""Parallel JSON lines, the format that training reads too: one row per content.

Format: see `mteb_hybrid.files.parallel_json`. A row's question is a query in every language that it
has, under the id ``language:row id``; its passage answers it in every language. A row without
``query`` adds passages that answer nothing. Rows without an id are numbered by their lines.

A passage text that repeats in a language is one passage, under the id of its first row, and
answers the questions of all its rows: nothing would tell it apart from a wrong answer. So short
answers ("yes", "1998") can be passages. Each question still has one relevant passage per language.
Question texts that repeat stay apart, as each is judged by its own row.

Passage texts that differ in Unicode normalisation only (an é may be one character, or two) look the
same, and count as one text, which is encoded as the first is written.

Queries are grouped by row, passages by the rows that they answer. The ``group`` of a row, which
keeps rows of one page out of one training batch, plays no part: other rows of a page are the hard
distractors.
"""

from unicodedata import normalize

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.parallel_json import read_rows
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources.locate import locate_file
from mteb_hybrid.sources.same_content import passage_groups


def read(card: TaskCard) -> Collection:
    """Read the files of a card, in the languages that it has; texts in others are left out.

    Args:
        card: Its card.

    Returns:
        The collection.

    Raises:
        DataError: If a file is missing, altered or malformed (with the line), an id repeats, no
            row has a question and a passage, or a language of the card has no passage.
    """
    files = [locate_file(card, entry) for entry in card.source.further_files()]
    queries: list[tuple[str, str, str, str]] = []
    passages: dict[tuple[str, str], tuple[str, str]] = {}
    rows: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for row in read_rows(files, tuple(card.languages), questions=False):
        id_ = str(row.number if row.id is None else row.id)
        if id_ in first:
            raise DataError(
                f"{row.where}: repeats the id {id_!r} of {first[id_]}; expected an id of its own "
                "for each row: put translations of a content into one row, or correct the id"
            )
        first[id_] = row.where
        rows[id_] = [
            passages.setdefault((language, normalize("NFC", text)), (f"{language}:{id_}", text))[0]
            for language, text in row.passage.items()
        ]
        queries += [
            (f"{language}:{id_}", text, language, id_) for language, text in row.query.items()
        ]
    found = {language for language, _ in passages}
    if missing := [language for language in card.languages if language not in found]:
        raise DataError(
            f"{files[0]}: no row has a passage in {missing[0]!r}, a language of the card; found "
            f"{', '.join(sorted(found)) or 'none'}. Correct {card.file}, or add such texts."
        )
    groups = passage_groups(rows)
    texts = [(id_, text, language, groups[id_]) for (language, _), (id_, text) in passages.items()]
    qrels = [(query, passage, 1) for query, _, _, id_ in queries for passage in rows[id_]]
    order = pl.col("language").cast(pl.Enum(list(card.languages)))
    try:
        return Collection(
            name=card.title,
            languages=tuple(card.languages),
            passages=pl.DataFrame(texts, TEXTS, orient="row").sort(order, maintain_order=True),
            queries=pl.DataFrame(queries, TEXTS, orient="row").sort(order, maintain_order=True),
            qrels=pl.DataFrame(qrels, QRELS, orient="row"),
        )
    except ValueError as error:  # no row has a question, or none of those has a passage
        raise DataError(f"{files[0]}: {error}") from None
