"""A task card for a user's own parallel JSON lines, written from what the files hold."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from pathlib import Path

from mteb_hybrid.cards.card import NAME, CardError, TaskCard, read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.files.documents import toml_value
from mteb_hybrid.files.download import sha256_of
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.inside import path_fault
from mteb_hybrid.files.parallel_json import existing_files, read_rows
from mteb_hybrid.files.whole import whole
from mteb_hybrid.languages.guess import full_code

logger = logging.getLogger(__name__)

PROMPT = "Given a question, retrieve passages that answer it"
_SAMPLE = 1000
_DESCRIPTION = "Questions, and the passages that answer them, in {} languages."

_CARD = """\
# Written by `mteb-hybrid tasks new`. Lines marked with (*) are to be filled in, or checked, before
# results are published. What the keys mean: tasks/README.md of mteb-hybrid.

name = {name}  # the tasks are called {tasks}
title = {title}
kind = "benchmark"
description = {description}  # (*)
split = "test"

[source]
format = {format}
path = "."
repository = {repository}  # name of the data in results
revision = "1.0.0"  # with the checksums, it tells old results from new ones
{source}
[metadata]
{reference}
date = {date}  # (*) when the texts were written; these are the dates of the files
domains = ["Written"]  # (*) and others of MTEB's, such as "Legal", "Medical", "News", "Web"
task_subtypes = []
license = {license}  # (*) in MTEB's spelling, such as "cc-by-4.0"; or a URL
annotations_creators = {annotations}
dialect = []
sample_creation = {sample_creation}
bibtex_citation = ""  # (*) if there is a paper

[metadata.prompt]
query = {prompt}  # what instruction models are told
{languages}"""


@dataclass(frozen=True)
class About:
    """What the files of a collection do not say.

    Attributes:
        sample_creation: How the texts came about, in MTEB's vocabulary.
        name: Prefix of the task names; by default from the name of the first file.
        title: Name in tables; by default `name`.
        description: One or two sentences.
        license: In MTEB's spelling, or a URL.
        reference: URL of its documentation.
        prompt: What instruction models are told about a query.
        codes: Codes of languages that are not to be guessed, by short code.
    """

    sample_creation: str
    name: str | None = None
    title: str | None = None
    description: str | None = None
    license: str = "not specified"
    reference: str | None = None
    prompt: str = PROMPT
    codes: Mapping[str, str] = field(default_factory=dict)


def write_card(
    files: Sequence[Path], folder: Path, about: About, check: Callable[[TaskCard], object]
) -> TaskCard:
    """Write a card, once it has passed a check.

    Args:
        files: Parallel JSON lines, in or below the folder.
        folder: Where the card goes.
        about: What the files do not say.
        check: Is given the card before it has its place, and raises if it is of no use.

    Returns:
        The card. Its file is called like the first of the files.

    Raises:
        CardError: If the card exists, another one has its name, or a file lies elsewhere. Then,
            or if the check raises anything, nothing is written.
        DataError: If a file is malformed.
        UnknownLanguageError: If a language is not recognised.
    """
    listed = existing_files(files)
    target, name = place_of_card(listed[0], folder, about)
    places = [place_in(file, folder) for file in listed]
    codes, empty = _languages(listed, about.codes)
    entries = [file_table("texts", *one) for one in zip(listed, places, strict=True)]
    lead = f"empty_subsets = {toml_value(empty)}  # no row has both\n" if empty else ""
    text = card_text(
        target.stem,
        name,
        listed,
        about,
        codes,
        format="parallel",
        source=lead + "".join(entries),
        description=_DESCRIPTION.format(len(codes)),
        annotations='"derived"  # a row\'s passage answers its question, which nobody judged anew',
    )
    with whole_card(target) as part:
        part.write_text(text, encoding="utf-8")
        check(read_card(part))
    return read_card(target)


@contextmanager
def whole_card(target: Path) -> Iterator[Path]:
    """As `mteb_hybrid.files.whole.whole`; errors name the card, not what it is written to first."""
    with whole(target) as part:
        try:
            yield part
        except (CardError, DataError) as error:
            raise type(error)(str(error).replace(part.name, target.name)) from None


def place_of_card(first: Path, folder: Path, about: About) -> tuple[Path, str]:
    """Where a card goes, and the name in it.

    Args:
        first: The file that it is called like.
        folder: Where it goes.
        about: What the files do not say.

    Raises:
        CardError: If it exists, another one has its name or title, or it is no name of tasks.
    """
    stem = re.sub(r"[^A-Za-z0-9]+", "-", first.name.partition(".")[0]).strip("-").lower()
    name = about.name or "".join(part.title() for part in stem.split("-"))
    target = folder / f"{stem}.toml"
    if target.exists():
        raise CardError(f"{target}: is there already; remove it to have it written anew")
    if not stem:
        raise CardError(f"{first}: expected a name with letters from a to z; rename the file")
    if not NAME.fullmatch(name):
        raise CardError(
            f"{first}: {name!r} is no name of tasks, which is a capital letter with letters and "
            "digits behind it; choose one with --name, such as MyQuestions"
        )
    title = about.title or name
    for other in (*task_cards().values(), *_cards_in(folder)):
        if other.name == name:
            raise CardError(f"{other.file}: is called {name!r} too; choose another --name")
        if other.title == title:
            raise CardError(f"{other.file}: has the title {title!r} too; choose another --title")
        if other.file.stem == stem:
            raise CardError(f"{first}: there is a collection {stem!r}; rename the file")
    return target, name


def _cards_in(folder: Path) -> Iterator[TaskCard]:
    """The cards in a folder, which need not be the one that commands look into."""
    for file in sorted(folder.glob("*.toml")):
        with suppress(CardError, OSError):  # what else a folder may hold
            yield read_card(file)


def place_in(file: Path, folder: Path) -> str:
    """The path of a file below the folder of its card.

    Raises:
        CardError: If it lies elsewhere.
    """
    try:
        place = file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise CardError(
            f"{file}: lies outside of {folder}, the folder of the card; move it there, or choose "
            "another folder with --to"
        ) from None
    if fault := path_fault(place):
        raise CardError(f"{file}: its path {fault}; rename it")
    return place


def _languages(files: Sequence[Path], given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Codes of all languages, in the order of their first appearance, and the empty subsets."""
    texts: dict[str, list[str]] = {}
    sides: defaultdict[str, set[str]] = defaultdict(set)
    pairs: set[tuple[str, str]] = set()
    for row in read_rows(files, questions=False):
        pairs.update(product(row.query, (*row.passage, "multi")))
        for side, of_side in (("queries", row.query), ("passages", row.passage)):
            for language, text in of_side.items():
                sides[language].add(side)
                sample = texts.setdefault(language, [])
                if len(sample) < _SAMPLE:
                    sample.append(text)
    if silent := [language for language in texts if "passages" not in sides[language]]:
        raise DataError(
            f"{files[0]}: no row has a passage in {silent[0]!r}, in which there are queries; add "
            "such passages, or take these queries out"
        )
    if unknown := [language for language in given if language not in texts]:
        raise CardError(
            f"{files[0]}: no text in {unknown[0]!r}, of which a code was given; found "
            f"{', '.join(texts)}"
        )
    codes = {
        language: given.get(language) or full_code(language, sample)
        for language, sample in texts.items()
    }
    warn_of_spellings(files[0], codes, sides)
    return codes, [f"{x}-{y}" for x, y in product(texts, (*texts, "multi")) if (x, y) not in pairs]


def warn_of_spellings(first: Path, codes: Mapping[str, str], sides: Mapping[str, Set[str]]) -> None:
    """Tell of languages that look like one, which is spelled in several ways.

    Variants such as ``pt`` and ``pt-BR`` have one full code too. But where one has queries and the
    other has none, or so with passages, the two may be one language, and what counts as
    cross-lingual is not.

    Args:
        first: The file that is named.
        codes: Full codes by short code.
        sides: What there is in each language: ``queries``, ``passages``, or both.
    """
    for code in dict.fromkeys(codes.values()):
        alike = [short for short in codes if codes[short] == code]
        if len({frozenset(sides[short]) for short in alike}) > 1:
            has = (f"{short!r} ({', '.join(sorted(sides[short]))})" for short in alike)
            logger.warning(
                "%s: %s have the code %s, and count as different languages. If they are one, "
                "remove the card, and give all rows the same short code; --file-language gives it "
                "to a whole file of a corpus that is not parallel",
                first,
                " and ".join(has),
                code,
            )


def file_table(key: str, file: Path, place: str, further: str = "") -> str:
    """A table ``[[source.KEY]]`` of one file."""
    return (
        f'\n[[source.{key}]]\nfile = {toml_value(place)}\nsha256 = "{sha256_of(file)}"\n{further}'
    )


def card_text(
    stem: str,
    name: str,
    files: Sequence[Path],
    about: About,
    codes: Mapping[str, str],
    *,
    format: str,
    source: str,
    description: str,
    annotations: str,
) -> str:
    """A card.

    Args:
        stem: Of its file.
        name: Prefix of the task names.
        files: Whose dates are those of the texts.
        about: What the files do not say.
        codes: Codes of languages by short code.
        format: The format.
        source: What else its table of the source holds, as TOML.
        description: Where there is none in `about`.
        annotations: Who judged, as TOML.
    """
    days = sorted(date.fromtimestamp(file.stat().st_mtime).isoformat() for file in files)
    link = (
        f"reference = {toml_value(about.reference or 'https://...')}  # (*) where it is described"
    )
    return _CARD.format(
        name=toml_value(name),
        tasks=f"{name}MonolingualRetrieval, ...",
        title=toml_value(about.title or name),
        description=toml_value(about.description or description),
        format=toml_value(format),
        repository=toml_value(f"own/{stem}"),
        source=source,
        reference=link if about.reference else f"# {link}",
        date=toml_value([days[0], days[-1]]),
        license=toml_value(about.license),
        annotations=annotations,
        sample_creation=toml_value(about.sample_creation),
        prompt=toml_value(about.prompt),
        languages="".join(
            f'\n[languages.{language}]\ncode = "{code}"\n' for language, code in codes.items()
        ),
    )
