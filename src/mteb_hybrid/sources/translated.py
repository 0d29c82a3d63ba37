"""Translated queries of a collection, read from the user's data folder."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.translations import PROVENANCE, Translation, overlay_folder, provenance
from mteb_hybrid.files.errors import DataError, in_words
from mteb_hybrid.files.lines import TextError, decoded, lines
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources.rewritten import texts_checksum


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    id: str
    text: str


def with_translated_queries(collection: Collection, card: TaskCard) -> Collection:
    """A collection with its translated queries, under the ids ``x>y:id``.

    Args:
        collection: What the card's source holds.
        card: The card.

    Returns:
        The collection, with further queries and their judgments; itself if there are none.

    Raises:
        DataError: If a file is missing or altered, is not JSON lines, translates unknown queries,
            leaves some out, or has empty texts, with line numbers; or if the queries were altered.
    """
    found = provenance(card)
    if found is None:
        return collection
    queries = [collection.queries]
    qrels = [collection.judged(collection.queries, collection.passages)]
    for entry in found.translations:
        originals = collection.queries.filter(language=entry.of)
        texts = dict(_read(overlay_folder(card.file.stem) / entry.file, entry, originals))
        prefix = f"{entry.into}>"
        queries.append(
            originals.with_columns(
                id=pl.concat_str(pl.lit(prefix), "id"),
                text=pl.col("id").replace_strict(texts, return_dtype=TEXTS["text"]),
                language=pl.lit(entry.into),
            )
        )
        passages = collection.passages.filter(language=entry.of)
        qrels.append(
            collection.judged(originals, passages)
            .with_columns(query_id=pl.concat_str(pl.lit(prefix), "query_id"))
            .select(*QRELS)
        )
    return replace(
        collection,
        languages=(*collection.languages, *(x for x in found.languages if x not in card.languages)),
        queries=pl.concat(queries),
        qrels=pl.concat(qrels),
    )


def _read(file: Path, entry: Translation, originals: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Pairs of (id in the collection, translation), one for every original."""
    remedy = "Translate these again with `mteb-hybrid translate`."
    if entry.of_sha256 not in (None, texts_checksum(originals)):
        raise DataError(
            f"{file}: the queries of {entry.of} are not those that were translated: not the "
            f"of_sha256 of {PROVENANCE}. {remedy}"
        )
    if not file.is_file():
        raise DataError(f"{file}: no such file, but {PROVENANCE} names it. {remedy}")
    if hashlib.sha256(file.read_bytes()).hexdigest() != entry.sha256:
        raise DataError(f"{file}: altered or cut short: not the sha256 of {PROVENANCE}. {remedy}")
    known, seen = set(originals["id"].to_list()), set()
    prefix = f"{entry.of}:"
    unknown, empty, repeated = [], [], []
    for number, (where, line) in enumerate(lines([file]), 1):
        try:
            row = _Line.model_validate(decoded(where, line))
        except TextError as error:
            raise DataError(f"{error} {remedy}") from None
        except ValidationError as error:
            problem = in_words(error.errors()[0])
            raise DataError(
                f'{file}: line {number}: {problem}; expected {{"id": …, "text": …}}. {remedy}'
            ) from None
        id_ = f"{prefix}{row.id}"
        if id_ not in known:
            unknown.append(number)
        elif id_ in seen:
            repeated.append(number)
        elif not row.text.strip():
            empty.append(number)
        else:
            seen.add(id_)
            yield id_, row.text
    for numbers, fault in (
        (unknown, f"translate no query of {entry.of}"),
        (repeated, "repeat an id"),
        (empty, "are empty"),
    ):
        if numbers:
            raise DataError(f"{file}: line(s) {_some(numbers)} {fault}. {remedy}")
    missing = [id_.removeprefix(prefix) for id_ in originals["id"] if id_ not in seen]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of {len(known)} queries are missing: {_some(missing)}. "
            f"{remedy}"
        )


def _some(items: list[int] | list[str]) -> str:
    return ", ".join(map(str, items[:10])) + (", …" if len(items) > 10 else "")
