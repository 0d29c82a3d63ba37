"""Translated queries: an overlay that gives a collection cross-lingual subsets.

The queries of language *y*, translated into *x* by some system, keep their judgments, so they
search the passages of *y*: subset ``x-y``. That is how arXiv:2408.10536 makes MIRACL cross-lingual,
and what makes cross-lingual BEIR out of an English data set.

The overlay of a collection is a folder, ``translated-queries/COLLECTION`` below the folder that
``MTEB_HYBRID_DATA`` names, else in the user's data folder. It holds JSON lines, one file per pair,
``{"id": id of the query, "text": its translation}``, and ``provenance.json``, which names them and
the system. `mteb-hybrid translate` writes it. Translations are part of what is measured: their
checksum goes into the revision of the task.
"""

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tables import (
    EachLanguageOnce,
    FileInside,
    LanguageCode,
    Sha256,
    ShortCode,
    Strict,
)
from mteb_hybrid.files.errors import DataError, in_words
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.places import DATA_VARIABLE, data_folder

PROVENANCE = "provenance.json"

NO_SETTING = "no setting yet: needs translated queries, see `mteb-hybrid translate --help`"


class Translation(Strict):
    """The translated queries of one pair of languages.

    Attributes:
        into: Short code of the language that queries were translated into.
        of: Short code of the language of the queries; their passages are searched.
        file: Name of the file, beside ``provenance.json``.
        sha256: Its checksum.
        of_sha256: That of the queries' own ids and texts; None if it was not kept.
        cut: Ids of the queries whose translation ends where the system's length limit was.
    """

    into: ShortCode
    of: ShortCode
    file: Annotated[FileInside, Field(pattern=r"^[\w.-]+$")]
    sha256: Sha256
    of_sha256: Sha256 | None = None
    cut: list[str] = Field(default_factory=list)


class Provenance(Strict):
    """Where the translated queries of a collection come from: ``provenance.json``.

    Attributes:
        system: What translated, such as ``facebook/nllb-200-distilled-600M``.
        revision: Its commit or version.
        options: How it was run, such as its number of beams.
        date: When the last translation was added.
        languages: Codes of the languages that queries were translated into, by short code.
        translations: One for each pair of languages.
    """

    system: str
    revision: str
    options: dict[str, int | str] = Field(default_factory=dict)
    date: date
    languages: Annotated[dict[ShortCode, LanguageCode], EachLanguageOnce]
    translations: list[Translation]


def overlay_folder(collection: str) -> Path:
    """Where the translated queries of a collection are.

    Args:
        collection: Name of its card's file, such as ``scifact``.
    """
    return overlays("translated-queries") / collection


def overlays(kind: str) -> Path:
    """Where the overlays of one kind are, a folder for each collection."""
    data = os.environ.get(DATA_VARIABLE)
    return (Path(data) if data else data_folder()) / kind


def provenance(card: TaskCard) -> Provenance | None:
    """What is said of a collection's translated queries; None if it has none.

    Raises:
        DataError: If ``provenance.json`` is malformed, names a pair twice, or a pair that the
            collection has queries for itself, or a language of passages that it has not.
    """
    file = overlay_folder(card.file.stem) / PROVENANCE
    if not file.is_file():
        return None
    try:
        found = Provenance.model_validate(json_file(file))
    except ValidationError as error:
        raise DataError(
            f"{file}: {in_words(error.errors()[0])}. Correct it, or remove the folder and "
            "translate anew with `mteb-hybrid translate`."
        ) from None
    if fault := provenance_fault(found, card):
        raise DataError(f"{file}: {fault}. Correct or remove that entry.")
    return found


def provenance_fault(found: Provenance, card: TaskCard) -> str | None:
    """Why translated queries do not suit a collection, if they do not."""
    faults = ((entry, _fault(entry, found, card)) for entry in found.translations)
    return next((f"pair {entry.into}-{entry.of} {fault}" for entry, fault in faults if fault), None)


def query_language_codes(card: TaskCard) -> dict[str, str]:
    """Codes of the languages of a collection's queries by short code, translated ones first.

    Raises:
        DataError: As `provenance`.
    """
    translated = provenance(card)
    own = {short: language.code for short, language in card.languages.items()}
    return {**(translated.languages if translated else {}), **own}


def translations(card: TaskCard) -> list[Translation]:
    """The translated queries of a collection, one entry per pair of languages; none if it has none.

    Raises:
        DataError: As for `provenance`.
    """
    found = provenance(card)
    return found.translations if found else []


def _fault(entry: Translation, found: Provenance, card: TaskCard) -> str | None:
    """What is wrong with a pair of languages, if anything."""
    into, of = entry.into, entry.of
    code = card.languages[into].code if into in card.languages else found.languages.get(into)
    if sum((other.into, other.of) == (into, of) for other in found.translations) > 1:
        return "stands there twice"
    if card.source.queries_are_passages:
        return f"is not wanted: the queries of {card.title} are its passages"
    if of not in card.languages:
        return f"has no passages: {card.title} is in {', '.join(card.languages)}"
    if into == of or (into in card.languages and "crosslingual" in card.source.settings):
        return f"is not wanted: {card.title} has its own queries in {into}"
    if code is None:
        return f"lacks the code of {into!r}; add it to 'languages', as in \"deu-Latn\""
    if found.languages.get(into, code) != code:
        return f"is into {found.languages[into]}, but {into!r} is {code} in {card.file}"
    return None


def digest(found: Provenance) -> str:
    """Twelve hex digits that stand for the translations in a revision."""
    entries = sorted((entry.into, entry.of, entry.sha256) for entry in found.translations)
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:12]
