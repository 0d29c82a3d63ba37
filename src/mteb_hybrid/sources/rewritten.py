"""Rewritten queries of a collection, read from the user's data folder."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from mteb_hybrid.cards.rewritten import ORIGINAL, RewrittenCard, checksum, rewrites_folder
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import TextError, decoded, lines
from mteb_hybrid.retrieval.collection import TEXTS, Collection

Rows = dict[str, dict[str, str]]
"""Rewrites by kind, of each query by id."""


def with_rewritten_queries(collection: Collection, card: RewrittenCard) -> Collection:
    """The passages of a collection, and one kind of its queries, under their own ids.

    Args:
        collection: What the source of the collection holds.
        card: The card of the rewrites.

    Raises:
        DataError: As `rewritten_queries`.
    """
    queries = rewritten_queries(collection.queries, card)
    qrels = collection.qrels
    if qrels is not None:
        qrels = qrels.join(queries.select(query_id="id"), on="query_id", how="semi")
    return replace(collection, name=card.title, queries=queries, qrels=qrels)


def rewritten_queries(queries: pl.DataFrame, card: RewrittenCard) -> pl.DataFrame:
    """Some queries of a collection, rewritten.

    Args:
        queries: The queries of the collection.
        card: The card of the rewrites.

    Returns:
        Those that have a rewrite, in their order; under `ORIGINAL` those that have any, unchanged.

    Raises:
        DataError: If a file is missing, altered since its provenance was written, is not JSON
            lines, or has unknown queries or empty texts, with line numbers; or if the queries
            were altered.
    """
    texts: dict[str, str] = {}
    folder = rewrites_folder(card.of.file.stem)
    for language, expected in card.rewrites.items():
        file = folder / f"{language}.jsonl"
        own = queries.filter(language=language)
        rows = read_rewrites(file, own["id"], language)
        kept = without(rows, card.excluded.get(language, ()))
        original = card.rewrite == ORIGINAL
        found = originals(kept, card.kinds[language]) if original else of_kind(kept, card.rewrite)
        if checksum(found) != expected.sha256:
            raise DataError(
                f"{file}: altered since {folder.name}/provenance.json was written: the texts of "
                f"{card.rewrite!r} do not have its sha256. If they are right as they are, take "
                f"them over: `mteb-hybrid rewrite {card.of.file.stem} --adopt WHO`; else rewrite "
                "anew."
            )
        rewritten = own.filter(pl.col("id").is_in([f"{language}:{id_}" for id_ in found]))
        if expected.of_sha256 not in (None, texts_checksum(rewritten)):
            raise DataError(
                f"{file}: the queries of {card.of.title} in {language} are not those that were "
                f"rewritten: their texts do not have the of_sha256 of {folder.name}/"
                "provenance.json. Rewrite anew, or, where the rewrites are right as they are, "
                f"take them over: `mteb-hybrid rewrite {card.of.file.stem} --adopt WHO`."
            )
        texts |= {f"{language}:{id_}": text for id_, text in found.items()}
    chosen = queries.filter(pl.col("id").is_in(list(texts)))
    if card.rewrite == ORIGINAL:
        return chosen
    return chosen.with_columns(text=pl.col("id").replace_strict(texts, return_dtype=TEXTS["text"]))


def read_rewrites(file: Path, known: Iterable[str], language: str) -> Rows:
    """The rewrites of one language.

    Args:
        file: JSON lines, ``{"id": …, KIND: text, …}``.
        known: Ids of the queries in the collection, with their language.
        language: Its short code.

    Raises:
        DataError: As `rewritten_queries`.
    """
    remedy = "Correct the file, or rewrite anew with `mteb-hybrid rewrite`."
    if not file.is_file():
        raise DataError(f"{file}: no such file, but there should be one. {remedy}")
    ids = {id_.removeprefix(f"{language}:") for id_ in known}
    rows: Rows = {}
    for where, row in _read(file, remedy):
        id_ = row.pop("id", None)
        fault = (
            'expected {"id": …, "paraphrase": …}'
            if id_ is None
            else f"no query of {language} has the id {id_!r}"
            if id_ not in ids
            else f"repeats the id {id_!r}"
            if id_ in rows
            else next((f"{kind!r} is empty" for kind, text in row.items() if not text.strip()), "")
        )
        if fault or id_ is None:
            raise DataError(f"{where}: {fault}. {remedy}")
        rows[id_] = row
    return rows


def texts_checksum(queries: pl.DataFrame) -> str:
    """Checksum of queries as they stand: of their ids and texts, whatever their order."""
    return checksum(dict(queries.select("id", "text").iter_rows()))


def without(rows: Rows, excluded: Iterable[str]) -> Rows:
    """Rewrites without those of some queries."""
    left_out = set(excluded)
    return {id_: row for id_, row in rows.items() if id_ not in left_out}


def of_kind(rows: Rows, kind: str) -> dict[str, str]:
    """The texts of one kind by id."""
    return {id_: row[kind] for id_, row in rows.items() if kind in row}


def originals(rows: Rows, kinds: Iterable[str]) -> dict[str, str]:
    """The ids of the queries that have one of some kinds, which stand for their texts."""
    return {id_: id_ for kind in kinds for id_ in of_kind(rows, kind)}


def _read(file: Path, remedy: str) -> Iterator[tuple[str, dict[str, str]]]:
    for where, line in lines([file]):
        try:
            row = decoded(where, line)
        except TextError as error:
            raise DataError(f"{error} {remedy}") from None
        if not isinstance(row, dict) or not all(isinstance(text, str) for text in row.values()):
            raise DataError(f'{where}: expected {{"id": …, "paraphrase": …}}, all texts. {remedy}')
        yield where, row
