"""Keeps rewritten queries beside their collection: see `mteb_hybrid.cards.rewritten`."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.rewritten import (
    ORIGINAL,
    InLanguage,
    Kind,
    RewriteProvenance,
    Rewrites,
    checksum,
    rewrite_provenance,
    rewrites_folder,
)
from mteb_hybrid.cards.translations import PROVENANCE
from mteb_hybrid.files.lines import json_line, write_lines
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole, write_text
from mteb_hybrid.languages.near import did_you_mean_language
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.rewritten import (
    Rows,
    of_kind,
    originals,
    read_rewrites,
    texts_checksum,
    without,
)


class RewriteError(ValueError):
    """What cannot be rewritten. The message says what was found, expected, and the remedy."""


@dataclass(frozen=True)
class Made:
    """Rewrites of one kind that are to be kept.

    Attributes:
        kind: The kind.
        by: As in `Rewrites`.
        options: Likewise.
        texts: By language and id, without the language.
        rejected: By language, how many were not kept, by reason.
    """

    kind: str
    by: str
    options: Mapping[str, str | int | float]
    texts: Mapping[str, Mapping[str, str]]
    rejected: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def keep(card: TaskCard, made: Made) -> RewriteProvenance:
    """Add the rewrites of one kind to those of other kinds, and of other processes.

    They replace earlier ones of the same kind in their languages. A file comes before what names
    it, and a kind that is rewritten anew is forgotten before its files change: whenever this is
    interrupted, all that is named is there.

    Args:
        card: The collection's card.
        made: The rewrites.

    Returns:
        What is said of all rewrites now.

    Raises:
        RewriteError: If no rewrite is left, or the kind was made by another or with other options
            in other languages, which would be lost.
        DataError: If what is there is malformed.
    """
    if not any(made.texts.values()):
        reasons = {reason for some in made.rejected.values() for reason in some}
        why = f" ({', '.join(sorted(reasons))})" if reasons else ""
        raise RewriteError(f"{card.title}, {made.kind}: no rewrite was made{why}")
    folder = rewrites_folder(card.file.stem)
    collection = load_collection(card)
    with lock(folder):
        about = rewrite_provenance(card) or RewriteProvenance(kinds={}, original={})
        before = about.kinds.get(made.kind)
        alike = before and (before.by, before.options) == (made.by, dict(made.options))
        if before and not alike and (others := before.languages.keys() - made.texts.keys()):
            where = ", ".join(sorted(others))
            raise RewriteError(
                f"{folder / PROVENANCE}: in {where} {made.kind!r} was made otherwise, by "
                f"{before.by}, and all of a kind is made alike. Make it in {where} too, in one "
                f"command; or, if it is not wanted there, take {made.kind!r} out of the files of "
                "these languages, and then: --adopt WHO"
            )
        named = {*about.original, *made.texts}
        languages = [language for language in card.languages if language in named]
        rows = _rows(folder, collection, languages, about.original)
        changed = {
            language: _with_kind(rows[language], made.kind, made.texts[language])
            for language in languages
            if language in made.texts
        }
        changed = {language: new for language, new in changed.items() if new != rows[language]}
        if before and changed:
            rest = {kind: found for kind, found in about.kinds.items() if kind != made.kind}
            _write(folder, _said(rest, about.excluded, rows, collection))
        for language, new in changed.items():
            with whole(folder / f"{language}.jsonl") as part:
                write_lines(part, (json_line({"id": id_, **row}) for id_, row in new.items()))
        found = _languages(made.kind, rows | changed, about.excluded, collection)
        if before and alike:  # what is not rewritten now is still of the queries that it was of
            found |= {x: told for x, told in before.languages.items() if x not in made.texts}
        new_kind = Rewrites(
            by=made.by,
            options=dict(made.options),
            date=before.date if before and not changed else date.today(),
            languages=found,
            rejected=_in_order(
                card, {**(before.rejected if before and alike else {}), **made.rejected}
            ),
        )
        kinds = about.kinds | {made.kind: new_kind}
        about = _said(kinds, about.excluded, rows | changed, collection)
        _write(folder, about)
    return about


def adopt(
    card: TaskCard, by: str | None, excluded_lines: Mapping[str, Iterable[int]]
) -> RewriteProvenance:
    """Take over the files that are there: write the provenance of what others wrote.

    Args:
        card: The collection's card.
        by: Who or what wrote the kinds of which no provenance is told, or which were altered; if
            None, there may be none such.
        excluded_lines: Lines of the files, counted from 1, whose queries are left out of all kinds.
            A language that is not named keeps what is left out of it.

    Returns:
        What is said of all rewrites now.

    Raises:
        RewriteError: If there are no files, or one of no language of the card; if a kind cannot be
            called so, a line does not exist, or nobody is named.
        DataError: If a file is malformed.
    """
    folder = rewrites_folder(card.file.stem)
    collection = load_collection(card)
    with lock(folder):
        _check_names(folder, card)
        languages = [x for x in card.languages if (folder / f"{x}.jsonl").is_file()]
        if not languages:
            raise RewriteError(
                f"{folder}: no rewritten queries; expected a file for each language, such as "
                f"{next(iter(card.languages))}.jsonl, with lines "
                '{"id": id of a query, "paraphrase": …}'
            )
        about = rewrite_provenance(card) or RewriteProvenance(kinds={}, original={})
        rows = _rows(folder, collection, languages, languages)
        _check_kinds(folder, rows)
        excluded = about.excluded | {
            language: [_id(folder, language, rows, number) for number in numbers]
            for language, numbers in excluded_lines.items()
        }
        kinds = {}
        for kind in dict.fromkeys(k for x in languages for row in rows[x].values() for k in row):
            before = about.kinds.get(kind)
            now = _languages(kind, rows, about.excluded, collection)
            if before and _alike(before.languages, now):
                found = _languages(kind, rows, excluded, collection)
                kinds[kind] = before.model_copy(update={"languages": found})
                continue
            if by is None:
                raise RewriteError(
                    f"{folder}: of the rewrites {kind!r}, as they are, {PROVENANCE} does not tell; "
                    "say who or what made them: --adopt WHO"
                )
            found = _languages(kind, rows, excluded, collection)
            kinds[kind] = Rewrites(by=by, date=date.today(), languages=found)
        about = _said(kinds, excluded, rows, collection)
        _write(folder, about)
    return about


def kind_fault(kind: str) -> str | None:
    """Why no kind can be called so; None if one can."""
    if kind == "id":
        return "'id' is the key of the query's id; rename it"
    if kind == ORIGINAL:
        return f"{ORIGINAL!r} stands for the queries themselves; rename it"
    try:
        TypeAdapter(Kind).validate_python(kind)
    except ValidationError:
        return (
            f"{kind!r} is no name of a kind; expected 40 characters at most, small letters from a "
            "to z, digits and hyphens between them, as in 'paraphrase'; rename it"
        )
    return None


def _check_names(folder: Path, card: TaskCard) -> None:
    """Refuse files that would be passed over."""
    codes = {short: language.code for short, language in card.languages.items()}
    for file in sorted(folder.glob("[!.]*.jsonl")):
        if file.stem not in codes:
            raise RewriteError(
                f"{file}: {file.stem!r} is no language of {card.title}"
                f"{did_you_mean_language(file.stem, codes)} It has {', '.join(codes)}; rename the "
                "file, or move it away"
            )


def _check_kinds(folder: Path, rows: Mapping[str, Rows]) -> None:
    for language, own in rows.items():
        for number, row in enumerate(own.values(), 1):
            for kind in row:
                if fault := kind_fault(kind):
                    raise RewriteError(f"{folder / language}.jsonl:{number}: {fault}")


def _rows(
    folder: Path, collection: Collection, languages: Iterable[str], there: Container[str]
) -> dict[str, Rows]:
    """What the files of some languages hold; nothing of those that may be missing."""
    found: dict[str, Rows] = {}
    for language in languages:
        file = folder / f"{language}.jsonl"
        known = collection.queries.filter(language=language)["id"]
        read = language in there or file.is_file()
        found[language] = read_rewrites(file, known, language) if read else {}
    return found


def _with_kind(rows: Rows, kind: str, texts: Mapping[str, str]) -> Rows:
    """Rewrites with other ones of one kind; what has none at all is no row."""
    others = {id_: {k: text for k, text in row.items() if k != kind} for id_, row in rows.items()}
    both = {
        id_: others.get(id_, {}) | ({kind: texts[id_]} if id_ in texts else {})
        for id_ in dict.fromkeys([*others, *texts])
    }
    return {id_: row for id_, row in both.items() if row}


def _languages(
    kind: str,
    rows: Mapping[str, Rows],
    excluded: Mapping[str, Iterable[str]],
    collection: Collection,
) -> dict[str, InLanguage]:
    found = {
        language: _in_language(
            language, of_kind(without(own, excluded.get(language, ())), kind), collection
        )
        for language, own in rows.items()
    }
    return {language: told for language, told in found.items() if told}


def _said(
    kinds: Mapping[str, Rewrites],
    excluded: Mapping[str, list[str]],
    rows: Mapping[str, Rows],
    collection: Collection,
) -> RewriteProvenance:
    about = RewriteProvenance(kinds=dict(kinds), original={}, excluded=dict(excluded))
    found = {
        language: _in_language(
            language,
            originals(without(own, excluded.get(language, ())), about.kinds_in(language)),
            collection,
        )
        for language, own in rows.items()
    }
    original = {language: told for language, told in found.items() if told}
    return about.model_copy(update={"original": original})


def _in_language(language: str, texts: dict[str, str], collection: Collection) -> InLanguage | None:
    ids = [f"{language}:{id_}" for id_ in texts]
    queries = collection.queries.filter(pl.col("id").is_in(ids))
    judged = collection.judged(queries, collection.passages).filter(pl.col("relevance") > 0)
    answers = collection.passages.join(judged, left_on="id", right_on="passage_id", how="semi")
    there = set(answers["language"])
    if not texts or not there:
        return None
    return InLanguage(
        queries=len(texts),
        sha256=checksum(texts),
        of_sha256=texts_checksum(queries),
        passages=[x for x in collection.languages if x in there],
    )


def _in_order(
    card: TaskCard, rejected: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """In the order of the card, and of the alphabet, and without what has none."""
    return {x: dict(sorted(rejected[x].items())) for x in card.languages if rejected.get(x)}


def _alike(before: Mapping[str, InLanguage], now: Mapping[str, InLanguage]) -> bool:
    """Whether rewrites are those that the provenance tells of, of the same queries."""
    return before.keys() == now.keys() and all(
        told.sha256 == now[language].sha256 and told.of_sha256 in (None, now[language].of_sha256)
        for language, told in before.items()
    )


def _id(folder: Path, language: str, rows: Mapping[str, Rows], number: int) -> str:
    ids = list(rows.get(language, ()))
    if not 1 <= number <= len(ids):
        raise RewriteError(
            f"--exclude {language}={number}: {folder}/{language}.jsonl has {len(ids)} lines"
        )
    return ids[number - 1]


def _write(folder: Path, about: RewriteProvenance) -> None:
    if not (about.kinds or about.excluded):
        (folder / PROVENANCE).unlink(missing_ok=True)
    else:
        write_text(folder / PROVENANCE, about.model_dump_json(indent=2) + "\n")
