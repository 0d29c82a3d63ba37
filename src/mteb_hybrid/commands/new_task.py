"""``mteb-hybrid tasks new``: the card of one's own collection."""

import os
import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, get_args

import typer

from mteb_hybrid.cards.card import NAME, TaskCard
from mteb_hybrid.cards.new_card import PROMPT, About, write_card
from mteb_hybrid.cards.new_mixed_card import Mixed, write_mixed_card
from mteb_hybrid.cards.tasks import card_settings, task_name, task_views
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.files.places import TASKS_VARIABLE
from mteb_hybrid.languages.codes import check_language_code, short_code
from mteb_hybrid.languages.near import did_you_mean

NO_LICENSE = "not specified"


class SampleCreation(StrEnum):
    """MTEB's words for how texts came about."""

    HUMAN_TRANSLATED = "human-translated"
    MACHINE_TRANSLATED = "machine-translated"
    CREATED = "created"
    FOUND = "found"
    LOCALIZED = "human-translated and localized"
    MACHINE_VERIFIED = "machine-translated and verified"
    MACHINE_LM_VERIFIED = "machine-translated and LM verified"
    MACHINE_LOCALIZED = "machine-translated and localized"
    CREATED_AND_MACHINE = "created and machine-translated"
    LM_VERIFIED = "LM-generated and verified"
    RENDERED = "rendered"
    MULTIPLE = "multiple"


def _checked_name(name: str | None) -> str | None:
    if name is not None and not NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is no prefix of names of tasks; expected one as MyFaq")
    return name


def _checked_reference(reference: str | None) -> str | None:
    if reference and not re.fullmatch(r"https?://\S+", reference):
        raise typer.BadParameter(f"{reference!r} is no URL; expected one such as https://...")
    return reference


def new(
    files: Annotated[
        list[Path],
        typer.Argument(
            help='Parallel JSON lines, plain or .gz: {"id": "1", "query": {"en": "...", "de": '
            '"..."}, "passage": {"en": "...", "de": "..."}}; or, with --queries and --qrels, a '
            'corpus that is not parallel: {"id": "d1", "language": "de", "title": "...", "text": '
            '"..."}; or a folder in BEIR\'s layout with such a corpus.'
        ),
    ],
    sample_creation: Annotated[
        SampleCreation,
        typer.Option(
            metavar="HOW",
            help=f"How the texts came about: {', '.join(SampleCreation)}. Created: "
            "written for each language.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            "-n",
            help="Prefix of the task names, such as MyFaq; by default as the first file.",
            callback=_checked_name,
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Name in tables.")] = None,
    description: Annotated[str | None, typer.Option(help="One or two sentences.")] = None,
    license: Annotated[
        str, typer.Option(help="Licence of the texts in MTEB's spelling, such as cc-by-4.0.")
    ] = NO_LICENSE,
    reference: Annotated[
        str | None,
        typer.Option(help="URL of its documentation.", callback=_checked_reference),
    ] = None,
    prompt: Annotated[str, typer.Option(help="What instruction models are told.")] = PROMPT,
    code: Annotated[
        list[str] | None,
        typer.Option(
            metavar="XX=YYY-Zzzz",
            help="A language's ISO 639-3 and ISO 15924 codes, as in zh=zho-Hans, where they are "
            "not recognised; may be repeated.",
        ),
    ] = None,
    queries: Annotated[
        list[Path] | None,
        typer.Option(help="Queries of a corpus that is not parallel, as JSON lines."),
    ] = None,
    qrels: Annotated[
        list[Path] | None,
        typer.Option(help="Its judgments, across languages: TREC's, BEIR's or JSON."),
    ] = None,
    language_key: Annotated[
        str | None,
        typer.Option(help="Key of its rows that names their language; by default language."),
    ] = None,
    file_language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE=XX",
            help="The language of a whole file, as in fas.jsonl=fa, or fa/corpus.jsonl=fa where "
            "several have that name; may be repeated.",
        ),
    ] = None,
    detect: Annotated[
        str | None,
        typer.Option(
            metavar="XX,YY",
            help="Languages to tell apart by lingua, where nothing names them (needs the extra "
            "detect). What it says is kept beside the card, with its certainty.",
        ),
    ] = None,
    topic_key: Annotated[
        str | None,
        typer.Option(
            help="Key of queries that is the same in all translations of one; by default their id."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            exists=True,
            help=f"Folder for the card; by default the one that {TASKS_VARIABLE} names, else that "
            "of the first file. The files must lie in it.",
        ),
    ] = None,
) -> None:
    """Write the card of your own collection: counts, languages and checksums come from the files.

    A row's passage answers its question, in every language that it has. A row without a question
    adds passages that answer nothing. The card is a TOML file beside the files, called as the
    first, or as its folder if that is corpus.jsonl; `mteb-hybrid run` and `mteb run` know its
    tasks once MTEB_HYBRID_TASKS names the folder.

    A corpus in several languages that is not parallel needs queries and judgments: a query may have
    answers in any language. Each language of the corpus is a pool, and so are all of them together.

    Example: mteb-hybrid tasks new collections/my-faq.jsonl --sample-creation human-translated
    """
    own = os.environ.get(TASKS_VARIABLE)
    beir = files[0] if len(files) == 1 and files[0].is_dir() else None
    folder = to or (Path(own) if own else files[0].parent)
    about = About(
        sample_creation.value,
        name,
        title,
        description,
        license,
        reference,
        prompt,
        _codes(code or []),
    )
    _check_license(license)
    if queries or qrels or beir:
        listed = _beir(beir, queries, qrels) if beir else _given(files, queries, qrels)
        corpus, queries, qrels = listed
        mixed = Mixed(
            corpus,
            queries,
            qrels,
            language=language_key or "language",
            topic=topic_key,
            of_files=_of_files(file_language or [], [*corpus, *queries]),
            detect=[short_code(x) for x in detect.split(",")] if detect else (),
        )
        card = write_mixed_card(mixed, folder, about, try_mixed_card)
    else:
        apart = {
            "--language-key": language_key,
            "--file-language": file_language,
            "--detect": detect,
            "--topic-key": topic_key,
        }
        _check_parallel([option for option, value in apart.items() if value])
        card = write_card(files, folder, about, try_card)

    from mteb_hybrid.sources import load_collection

    collection = load_collection(card)
    say(f"{card.file}: {card.title}")
    for short, language in card.languages.items():
        asked, passages = (
            len(table.filter(language=short)) for table in (collection.queries, collection.passages)
        )
        say(f"  {short} ({language.code}): {asked} questions, {passages} passages")
    for setting in card_settings(card):
        count = len(task_views(card, setting))
        say(f"  {task_name(card, setting)}  ({count} subset{'s' * (count > 1)})")
    if card.source.empty_subsets:
        why = "no row has both" if card.source.parallel else "no query has an answer there"
        say(f"  left out, as {why}: {', '.join(card.source.empty_subsets)}")
    if card.source.languages_detected:
        say(f"  {card.source.languages_detected}")
    say("Before you publish results, fill in what the card marks with (*).")
    if own is None or Path(own).resolve() != folder.resolve():
        place = shlex.quote(str(folder.resolve()))
        say(f"The tasks are found once you say: export {TASKS_VARIABLE}={place}")
    say(f"Evaluate a model: mteb-hybrid run -m MODEL {card.file.stem}")


def try_mixed_card(card: TaskCard) -> list[str]:
    """Read the collection, and let MTEB see its tasks; the subsets in which none has an answer."""
    from mteb_hybrid.evaluation.task import task_classes
    from mteb_hybrid.retrieval.views import empty_views
    from mteb_hybrid.sources import load_collection

    found = empty_views(load_collection(card))
    task_classes({card.name: card})
    return found


def try_card(card: TaskCard) -> None:
    """Read the collection, and let MTEB see its tasks."""
    from mteb_hybrid.evaluation.task import task_classes
    from mteb_hybrid.sources import load_collection

    load_collection(card)
    task_classes({card.name: card})


Files = tuple[list[Path], list[Path], list[Path]]


def _given(files: list[Path], queries: list[Path] | None, qrels: list[Path] | None) -> Files:
    if not queries or not qrels:
        missing = "--qrels" if queries else "--queries"
        raise ValueError(f"{missing} is missing: a corpus that is not parallel needs both")
    return files, queries, qrels


def _check_parallel(given: list[str]) -> None:
    if given:
        raise ValueError(
            f"{', '.join(given)}: for a corpus with --queries and --qrels; the rows of a parallel "
            "collection name their languages themselves (--code says what their codes mean)"
        )


def _beir(folder: Path, queries: list[Path] | None, qrels: list[Path] | None) -> Files:
    """The files of a folder in BEIR's layout."""

    def texts(name: str) -> list[Path]:
        plain, packed = folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"
        return [packed if packed.is_file() and not plain.is_file() else plain]

    judged = folder / "qrels" / "test.tsv"
    if not qrels and not judged.is_file():
        there = ", ".join(sorted(map(str, judged.parent.glob("*")))) or "none"
        raise ValueError(f"{judged}: no such file; name judgments with --qrels; there: {there}")
    return texts("corpus"), queries or texts("queries"), qrels or [judged]


def _of_files(given: list[str], files: list[Path]) -> dict[Path, str]:
    """The languages of whole files, each named by its path, or by its name if no other has it."""
    found: dict[Path, str] = {}
    for pair in given:
        named, equals, short = pair.rpartition("=")
        if not equals:
            raise ValueError(
                f"--file-language {pair}: expected a file and its language, as in fas.jsonl=fa"
            )
        meant = [file for file in files if file.resolve() == Path(named).resolve()]
        meant = meant or [file for file in files if file.name == named]
        if len({file.resolve() for file in meant}) != 1:
            fault = "several files have that name" if meant else "no file of passages or queries"
            expected = ", ".join(map(str, dict.fromkeys(meant or files)))
            raise ValueError(f"--file-language {pair}: {fault}; expected one of {expected}")
        language = short_code(short)
        for file in meant:
            if found.setdefault(file, language) != language:
                raise ValueError(
                    f"--file-language {pair}: {file} was said to be in {found[file]!r}; expected "
                    "one language for a file. Remove one, or have its rows name their languages"
                )
    return found


def _check_license(license: str) -> None:
    if license == NO_LICENSE or license.startswith(("https://", "http://")):
        return
    from mteb.types import Licenses

    known = [word for part in get_args(Licenses) for word in get_args(part) or (part,)]
    if license not in known:
        raise ValueError(
            f"--license {license}: no licence that MTEB knows{did_you_mean(license, known)} "
            f"Expected a URL, or one of {', '.join(map(str, known))}"
        )


def _codes(given: list[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        short, equals, code = pair.partition("=")
        if not equals:
            raise ValueError(f"--code {pair}: expected a language and its code, as in de=deu-Latn")
        found[short_code(short)] = check_language_code(code)
    return found
