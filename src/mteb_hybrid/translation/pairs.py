"""Translates pairs of question and passage into parallel training data, as arXiv:2408.10536 does.

Input and output are parallel JSON lines (see `mteb_hybrid.files.parallel_json`). A row of the
output has its texts in the language that was translated and in those that it was translated into; a
text whose translation is empty or was cut is left out of it, and listed in the provenance beside
the output.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from mteb_hybrid.files.lines import ParallelDataError, json_line, write_lines
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.parallel_json import ParallelRow, existing_files, read_rows
from mteb_hybrid.files.whole import whole, write_json
from mteb_hybrid.translation.cache import Translated
from mteb_hybrid.translation.model_languages import TranslationError
from mteb_hybrid.translation.translator import Translator

Translations = Mapping[str, Mapping[str, Translated]]


def translate_pairs(
    file: Path,
    output: Path,
    translator: Translator,
    of: tuple[str, str],
    into: Mapping[str, str],
    batch_size: int = 32,
) -> dict[str, Any]:
    """Translate the questions and passages of one language in a file of parallel JSON lines.

    Args:
        file: The pairs, plain or gzip. Rows that lack the language are left out.
        output: Where the parallel data go; ``OUTPUT.provenance.json`` beside it tells of them.
        translator: What translates.
        of: Short code and code of the language of the texts: ``("en", "eng-Latn")``.
        into: Codes of the languages to translate into, by short code.
        batch_size: Texts per batch.

    Returns:
        The provenance.

    Raises:
        ParallelDataError: If the file is missing or malformed, or an id repeats.
        TranslationError: If the output exists, no row has the language, or the model does not know
            a language.
    """
    short, _ = of
    if short in into:
        raise TranslationError(f"--into {short}: the texts are in that language; leave it out")
    with lock(output):
        if output.exists():
            raise TranslationError(
                f"{output}: is there already; remove it or give another --output"
            )
        return _translated(file, output, translator, of, into, batch_size)


def _translated(
    file: Path,
    output: Path,
    translator: Translator,
    of: tuple[str, str],
    into: Mapping[str, str],
    batch_size: int,
) -> dict[str, Any]:
    short, code = of
    for target in into.values():
        translator.check(code, target)
    files = existing_files(file)
    texts = [text for row in _rows(files, short) for text in _texts(row, short).values()]
    if not texts:
        raise TranslationError(
            f"{file}: no row has a question and a passage in {short!r}; choose a language that "
            "is there with --of"
        )
    found = {
        language: translator.translate(texts, code, target, batch_size)
        for language, target in into.items()
    }
    about: dict[str, Any] = {
        "system": translator.system,
        "revision": translator.revision,
        "options": asdict(translator.options),
        "date": date.today().isoformat(),
        "source": {"file": file.name, "sha256": _sha256(file)},
        "of": short,
        "languages": {short: code, **into},
        "rows": len(texts) // 2,
        "left_out": [fault for row in _rows(files, short) for fault in _faults(row, short, found)],
    }
    with whole(output, follow=True) as part:
        rows = (_parallel(row, short, found) for row in _rows(files, short))
        write_lines(part, map(json_line, rows))
        about["sha256"] = _sha256(part)
        write_json(output.with_name(f"{output.name}.provenance.json"), about)
    return about


def _rows(files: list[Path], short: str) -> Iterator[ParallelRow]:
    """The rows that have a question and a passage in a language."""
    first: dict[str | int, str] = {}
    for row in read_rows(files, (short,)):
        if row.id is not None and first.setdefault(row.id, row.where) != row.where:
            raise ParallelDataError(
                f"{row.where}: repeats the id {row.id!r} of {first[row.id]}; expected an id of its "
                "own for each row, correct it"
            )
        if short in row.query and short in row.passage:
            yield row


def _texts(row: ParallelRow, short: str) -> dict[str, str]:
    return {"query": row.query[short], "passage": row.passage[short]}


def _parallel(row: ParallelRow, short: str, found: Translations) -> dict[str, Any]:
    texts = {
        role: {
            short: own,
            **{x: made[own].text for x, made in found.items() if not _fault(made[own])},
        }
        for role, own in _texts(row, short).items()
    }
    identity = {"id": row.id, "group": row.group}
    return {key: value for key, value in identity.items() if value is not None} | texts


def _faults(row: ParallelRow, short: str, found: Translations) -> Iterator[dict[str, Any]]:
    for role, own in _texts(row, short).items():
        for language, made in found.items():
            if fault := _fault(made[own]):
                yield {"line": row.number, "role": role, "language": language, "fault": fault}


def _fault(found: Translated) -> str | None:
    return "cut" if found.cut else None if found.text else "empty"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
