"""A task card for a user's own corpus in several languages that is judged across them."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mteb_hybrid.cards.card import CardError, TaskCard, read_card
from mteb_hybrid.cards.new_card import (
    About,
    card_text,
    file_table,
    place_in,
    place_of_card,
    warn_of_spellings,
    whole_card,
)
from mteb_hybrid.files.documents import toml_value
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import json_line, shown, write_lines
from mteb_hybrid.files.mixed_json import rows, value
from mteb_hybrid.files.whole import whole
from mteb_hybrid.languages.codes import find_language, language_tag, short_code
from mteb_hybrid.languages.detect import detector
from mteb_hybrid.languages.guess import full_code

logger = logging.getLogger(__name__)

_SAMPLE, _BATCH = 1000, 1024
Languages = Mapping[tuple[str, str], str]
_DESCRIPTION = "Queries judged on passages in {} languages, which are not parallel."


@dataclass(frozen=True)
class Mixed:
    """The files of a corpus, and what tells the languages in it.

    Attributes:
        corpus: Files of passages.
        queries: Files of queries.
        qrels: Files of judgments.
        language: Key of the rows that names their language.
        topic: Key of queries that is the same in all translations of one.
        of_files: Short codes of the languages of whole files.
        detect: Short codes of the languages to be told apart where nothing names them.
    """

    corpus: Sequence[Path]
    queries: Sequence[Path]
    qrels: Sequence[Path]
    language: str = "language"
    topic: str | None = None
    of_files: Mapping[Path, str] = field(default_factory=dict)
    detect: Sequence[str] = ()

    def texts(self) -> Iterator[tuple[str, Path]]:
        """Kind and place of every file of texts."""
        yield from (("passage", file) for file in self.corpus)
        yield from (("query", file) for file in self.queries)


def write_mixed_card(
    mixed: Mixed,
    folder: Path,
    about: About,
    check: Callable[[TaskCard], Sequence[str]],
) -> TaskCard:
    """Write a card, and the languages that were detected, once they have passed a check.

    Args:
        mixed: The files, in or below the folder.
        folder: Where the card goes.
        about: What the files do not say.
        check: Is given the card before it has its place, and raises if it is of no use; returns
            the subsets that have no answers.

    Returns:
        The card. Its file is called like the first of the corpus, or its folder if that is
        BEIR's ``corpus.jsonl``.

    Raises:
        CardError: As `mteb_hybrid.cards.new_card.write_card`; then, or if the check raises
            anything, nothing is written.
        DataError: If a file is missing or malformed, or a row does not tell its language.
        UnknownLanguageError: If a language is not recognised.
    """
    listed = [*mixed.corpus, *mixed.queries, *mixed.qrels]
    for file in listed:
        if not file.is_file():
            raise DataError(f"{file}: no such file; expected passages, queries and judgments")
    first = mixed.corpus[0]
    called = first.parent if first.name.partition(".")[0] == "corpus" else first
    target, name = place_of_card(called.resolve(), folder, about)
    places = {file: place_in(file, folder) for file in listed}
    told = folder / f"{target.stem}.languages.jsonl"
    if mixed.detect and told.exists():
        raise CardError(f"{told}: is there already; remove it to have languages detected anew")
    try:
        table, languages = _detected(mixed, told) if mixed.detect else ("", None)
        codes = _codes(mixed, about.codes, languages)
        if len(codes) < 2:
            raise CardError(
                f"{first}: passages and queries are all in {', '.join(codes)}; a collection judged "
                "across languages needs two. Add texts in another language"
            )
        empty: list[str] = []

        def text() -> str:
            return card_text(
                target.stem,
                name,
                listed,
                about,
                codes,
                format="mixed",
                source=_source(mixed, places, codes, empty) + table,
                description=_DESCRIPTION.format(len(codes)),
                annotations='"derived"  # (*) who judged, such as "expert-annotated"',
            )

        with whole_card(target) as part:
            part.write_text(text(), encoding="utf-8")
            empty += check(read_card(part))
            part.write_text(text(), encoding="utf-8")
    except BaseException:
        if mixed.detect:
            told.unlink(missing_ok=True)
        raise
    return read_card(target)


def _source(
    mixed: Mixed, places: Mapping[Path, str], codes: Mapping[str, str], empty: list[str]
) -> str:
    lines = []
    named = all(file in mixed.of_files for _, file in mixed.texts())
    if not mixed.detect and not named:
        lines.append(f"language = {toml_value(mixed.language)}  # the key that names it\n")
    if mixed.topic:
        lines.append(f"topic = {toml_value(mixed.topic)}  # the same in all translations\n")
    if empty:
        lines.append(f"empty_subsets = {toml_value(empty)}  # no query has an answer there\n")
    for key in ("corpus", "queries", "qrels"):
        for file in getattr(mixed, key):
            known = mixed.of_files.get(file) if key != "qrels" else None
            # As the card calls it: rows may write the same language in another way.
            further = f'language = "{find_language(known, codes)}"\n' if known else ""
            lines.append(file_table(key, file, places[file], further))
    return "".join(lines)


def _detected(mixed: Mixed, told: Path) -> tuple[str, Languages]:
    """Write the languages that are detected; also the table of the card that says so."""
    by, detect = detector(mixed.detect)
    texts = (
        (where, kind, id_, text)
        for kind, file in mixed.texts()
        if file not in mixed.of_files
        for where, id_, text, _ in rows(file, kind)
    )
    found: list[tuple[str, str, str, str | None, float]] = []
    while batch := list(islice(texts, _BATCH)):
        answers = detect([text for *_, text in batch])
        found += [
            (where, kind, id_, *answer)
            for (where, kind, id_, _), answer in zip(batch, answers, strict=True)
        ]
    known = Counter(language for *_, language, _ in found if language)
    if not known:
        raise DataError(f"{mixed.corpus[0]}: no text shows a language of {', '.join(mixed.detect)}")
    ((usual, _),) = known.most_common(1)
    first: dict[tuple[str, str], str] = {}
    for where, kind, id_, language, _ in found:
        if first.setdefault((kind, id_), language or usual) != (language or usual):
            topic = ", and what they share by --topic-key" if kind == "query" else ""
            raise DataError(
                f"{where}: the {kind} {id_!r} is there in {first[kind, id_]} and in "
                f"{language or usual}; for --detect every text needs an id of its own: give "
                f"translations others{topic}"
            )
    with whole(told) as part:
        write_lines(
            part,
            (
                json_line(
                    {
                        "kind": kind,
                        "id": id_,
                        "language": language or usual,
                        "certainty": round(certainty, 3),
                    }
                )
                for _, kind, id_, language, certainty in found
            ),
        )
    doubtful = sum(certainty < 0.5 for *_, certainty in found)
    if doubtful:
        logger.warning(
            "%s: %d of %d languages were detected with a certainty below 0.5; correct what is "
            "wrong there before results are published, and sha256 in the card with it",
            told,
            doubtful,
            len(found),
        )
    mean = sum(certainty for *_, certainty in found) / len(found)
    counts = f"texts = {len(found)}\ncertainty = {mean:.4f}\ndoubtful = {doubtful}  # below 0.5\n"
    table = file_table("detected", told, told.name, f"by = {toml_value(by)}\n{counts}")
    return table.replace("[[source.detected]]", "[source.detected]"), {
        (kind, id_): language or usual for _, kind, id_, language, _ in found
    }


def _codes(mixed: Mixed, given: Mapping[str, str], told: Languages | None) -> dict[str, str]:
    """Codes of all languages by short code, in the order of their first appearance."""
    samples: dict[str, list[str]] = {}
    sides: defaultdict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    for kind, file in mixed.texts():
        for where, id_, text, row in rows(file, kind):
            written = mixed.of_files.get(file) or (
                value(row, mixed.language) if told is None else told[kind, id_]
            )
            if not isinstance(written, str) or not language_tag(written):
                raise DataError(
                    f"{where}: key {mixed.language!r} is {shown(written)}; expected the language "
                    "of the row, such as 'de'. Name the key with --language-key, the language of "
                    f"a whole file with --file-language {file}=de, or have languages told "
                    "apart with --detect de,en."
                )
            tag = str(language_tag(written))
            short = names.setdefault(tag, short_code(written) if "-" in tag else tag)
            sides[short].add("queries" if kind == "query" else "passages")
            sample = samples.setdefault(short, [])
            if len(sample) < _SAMPLE:
                sample.append(text)
    if unknown := [language for language in given if language not in samples]:
        raise CardError(
            f"{mixed.corpus[0]}: no text in {unknown[0]!r}, of which a code was given; found "
            f"{', '.join(samples)}"
        )
    codes = {
        language: given.get(language) or full_code(language, sample)
        for language, sample in samples.items()
    }
    warn_of_spellings(mixed.corpus[0], codes, sides)
    return codes
