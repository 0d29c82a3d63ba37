"""Translates the queries of a collection, and keeps them beside it: see `cards.translations`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.translations import (
    PROVENANCE,
    Provenance,
    Translation,
    overlay_folder,
    provenance,
    provenance_fault,
)
from mteb_hybrid.files.lines import json_line, write_lines
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole, write_text
from mteb_hybrid.sources import load_queries
from mteb_hybrid.sources.rewritten import texts_checksum
from mteb_hybrid.translation.cache import Translated
from mteb_hybrid.translation.model_languages import TranslationError
from mteb_hybrid.translation.translator import Translator


def translate_queries(
    card: TaskCard,
    translator: Translator,
    into: Mapping[str, str],
    of: Sequence[str] = (),
    batch_size: int = 32,
) -> list[Translation]:
    """Translate the queries of a collection; what is done is kept after every pair of languages.

    Args:
        card: The collection's card.
        translator: What translates.
        into: Codes such as ``deu-Latn`` of the languages to translate into, by short code.
        of: Short codes of the languages of the queries; by default all of the collection.
        batch_size: Texts per batch.

    Returns:
        What was translated, one entry for each pair of languages.

    Raises:
        TranslationError: If the model does not know a language, a pair does not suit the
            collection, there are translations of another system or with other options already, or
            some translation is empty.
        DataError: If what is said of earlier translations is malformed, or the queries cannot be
            read.
    """
    pairs = [(x, y) for y in of or card.languages for x in into if x != y]
    if not pairs:
        raise TranslationError("no pair of languages is left; give other languages with --into")
    about = _mergeable(card, translator)
    planned = [Translation(into=x, of=y, file="planned", sha256="0" * 64) for x, y in pairs]
    if fault := provenance_fault(_merged(about, into, planned), card):
        raise TranslationError(f"{fault}. Give other languages with --into and --of.")
    for x, y in pairs:
        translator.check(card.languages[y].code, into[x])
    everything = load_queries(card)
    done = []
    for x, y in pairs:
        queries = everything.filter(language=y)
        found = translator.translate(
            queries["text"], card.languages[y].code, into[x], batch_size=batch_size
        )
        ids = [id_.removeprefix(f"{y}:") for id_ in queries["id"]]
        rows = dict(zip(ids, (found[text] for text in queries["text"]), strict=True))
        done.append(_keep(card, translator, {x: into[x]}, y, rows, texts_checksum(queries)))
    return done


def _mergeable(card: TaskCard, translator: Translator) -> Provenance:
    """What is said of the translations so far, if this system made them."""
    mine = Provenance(
        system=translator.system,
        revision=translator.revision,
        options=asdict(translator.options),
        date=date.today(),
        languages={},
        translations=[],
    )
    before = provenance(card)
    if before is None:
        return mine
    for key in ("system", "revision", "options"):
        if getattr(before, key) != getattr(mine, key):
            raise TranslationError(
                f"{overlay_folder(card.file.stem) / PROVENANCE}: the {key} there is "
                f"{getattr(before, key)}, here {getattr(mine, key)}; results must tell of one. "
                "Translate with the same, or remove that folder to begin anew."
            )
    return before.model_copy(update={"date": mine.date})


def _merged(
    about: Provenance, languages: Mapping[str, str], entries: list[Translation]
) -> Provenance:
    changes = {
        "languages": {**about.languages, **languages},
        "translations": [*_without(about.translations, entries), *entries],
    }
    return about.model_copy(update=changes)


def _without(all_: list[Translation], some: list[Translation]) -> list[Translation]:
    """The translations of other pairs of languages."""
    pairs = {(entry.into, entry.of) for entry in some}
    return [entry for entry in all_ if (entry.into, entry.of) not in pairs]


def _keep(
    card: TaskCard,
    translator: Translator,
    language: Mapping[str, str],
    of: str,
    rows: Mapping[str, Translated],
    of_sha256: str,
) -> Translation:
    """Add the translations of one pair to those of others, and of other processes.

    The file comes before what names it, and a pair that is translated anew is forgotten before its
    file changes: whenever this is interrupted, all that is named is there.
    """
    (into,) = language
    folder = overlay_folder(card.file.stem)
    if empty := [id_ for id_, found in rows.items() if not found.text]:
        raise TranslationError(
            f"{card.title}: {len(empty)} of {len(rows)} translations of {of} into {into} are "
            f"empty: {', '.join(empty[:20])}. Translate with other --beams or another --model."
        )
    file = folder / f"{into}-{of}.jsonl"
    with lock(folder):
        about = _mergeable(card, translator)
        with whole(file) as part:
            write_lines(
                part, (json_line({"id": id_, "text": found.text}) for id_, found in rows.items())
            )
            entry = Translation(
                into=into,
                of=of,
                file=file.name,
                sha256=hashlib.sha256(part.read_bytes()).hexdigest(),
                of_sha256=of_sha256,
                cut=[id_ for id_, found in rows.items() if found.cut],
            )
            others = _without(about.translations, [entry])
            if len(others) < len(about.translations) and entry not in about.translations:
                here = {other.into for other in others}
                codes = {x: code for x, code in about.languages.items() if x in here}
                forgetful = {"translations": others, "languages": codes}
                _write(folder, about.model_copy(update=forgetful))
        _write(folder, _merged(about, language, [entry]))
    return entry


def _write(folder: Path, about: Provenance) -> None:
    write_text(folder / PROVENANCE, about.model_dump_json(indent=2) + "\n")
