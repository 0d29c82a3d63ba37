"""The commands ``mteb-hybrid tasks``: list and describe collections, write a card for one's own."""

import os
import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, get_args

import typer

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.new_card import PROMPT, About, write_card
from mteb_hybrid.cards.rewritten import (
    ORIGINAL,
    RewrittenCard,
    not_taken_over,
    rewrite_provenance,
)
from mteb_hybrid.cards.tasks import card_settings, task_name, task_views, tasks_by_name
from mteb_hybrid.cards.translations import NO_SETTING, provenance
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.files.places import TASKS_VARIABLE
from mteb_hybrid.languages.codes import check_language_code, language_name, short_code
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
    if name is not None and not re.fullmatch("[A-Z][A-Za-z0-9]*", name):
        raise typer.BadParameter(f"{name!r} is no prefix of names of tasks; expected one as MyFaq")
    return name


def _checked_reference(reference: str | None) -> str | None:
    if reference and not re.fullmatch(r"https?://\S+", reference):
        raise typer.BadParameter(f"{reference!r} is no URL; expected one such as https://...")
    return reference


tasks_app = typer.Typer(no_args_is_help=True, help="List and describe collections and their tasks.")


@tasks_app.command("list")
def list_tasks() -> None:
    """List the collections, their languages and the names of their MTEB tasks.

    Example: mteb-hybrid tasks list
    """
    for name, card in collections().items():
        say(f"{name}: {card.title}, {' '.join(card.languages)}")
        settings = card_settings(card)
        for setting in settings:
            count = len(task_views(card, setting))
            say(f"  {task_name(card, setting)}  ({count} subset{'s' * (count > 1)})")
        if not settings:
            say(f"  {NO_SETTING}")
        if folder := not_taken_over(card):
            say(
                f"  rewritten queries are in {folder}, not taken over yet: mteb-hybrid rewrite "
                f"{name} --adopt WHO",
                err=True,
            )


@tasks_app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(help="A collection (xquad-r) or a task of it.")],
) -> None:
    """Describe a collection: languages, source, licence, subsets of each setting.

    Example: mteb-hybrid tasks show xquad-r
    """
    tasks, cards = tasks_by_name(), collections()
    card = tasks[name][0] if name in tasks else cards.get(name)
    if card is None:
        raise ValueError(
            f"no collection or task {name!r}{did_you_mean(name, [*cards, *tasks])} There are "
            f"{', '.join(cards)}, and the tasks of `mteb-hybrid tasks list`"
        )
    source, about = card.source, card.metadata
    languages = [f"{k} {language_name(v.code)} ({v.code})" for k, v in card.languages.items()]
    lines = {
        "description": " ".join(card.description.split()),
        "kind": card.kind,
        "languages": ", ".join(languages),
        "candidates": source.candidates,
        "files": source.origin,
        "revision": source.revision,
        "licence": about.license,
        "text": f"{about.annotations_creators}, {about.sample_creation}",
        "reference": about.reference or "none",
    }
    if source.known_faults.listed:
        lines["known faults"] = str(source.known_faults)
    if found := provenance(card):
        pairs = " ".join(f"{entry.into}-{entry.of}" for entry in found.translations)
        cut = sum(len(entry.cut) for entry in found.translations)
        lines["queries translated by"] = f"{found.system}, {found.revision}, {found.date}: {pairs}"
        if cut:
            lines["translations cut"] = f"{cut}, by the length limit"
    if isinstance(card, RewrittenCard):
        lines |= _rewritten(card)
    say(card.title)
    for key, value in lines.items():
        say(f"  {key}: {value}")
    for setting in card_settings(card):
        subsets = list(task_views(card, setting))
        shown = " ".join(subsets if len(subsets) < 12 else [*subsets[:6], "...", subsets[-1]])
        say(f"  {task_name(card, setting)}: {len(subsets)} subsets: {shown}")
    if not card_settings(card):
        say(f"  {NO_SETTING}")


def _rewritten(card: RewrittenCard) -> dict[str, str]:
    """What is said of rewritten queries."""
    counts = " ".join(f"{x} {found.queries}" for x, found in card.rewrites.items())
    about = rewrite_provenance(card.of)
    if about is None or card.rewrite == ORIGINAL:
        return {"queries": counts}
    found = about.kinds[card.rewrite]
    options = "".join(f", {key} {value}" for key, value in found.options.items())
    return {"queries rewritten by": f"{found.by}, {found.date}{options}: {counts}"}


@tasks_app.command("new")
def new(
    files: Annotated[
        list[Path],
        typer.Argument(
            help='Parallel JSON lines, plain or .gz: {"id": "1", "query": {"en": "...", "de": '
            '"..."}, "passage": {"en": "...", "de": "..."}}.'
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
    first; `mteb-hybrid run` and `mteb run` know its tasks once MTEB_HYBRID_TASKS names the folder.

    Example: mteb-hybrid tasks new collections/my-faq.jsonl --sample-creation human-translated
    """
    own = os.environ.get(TASKS_VARIABLE)
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
    card = write_card(files, folder, about, try_card)

    from mteb_hybrid.sources import load_collection

    collection = load_collection(card)
    say(f"{card.file}: {card.title}")
    for short, language in card.languages.items():
        queries, passages = (
            len(table.filter(language=short)) for table in (collection.queries, collection.passages)
        )
        say(f"  {short} ({language.code}): {queries} questions, {passages} passages")
    for setting in card_settings(card):
        count = len(task_views(card, setting))
        say(f"  {task_name(card, setting)}  ({count} subset{'s' * (count > 1)})")
    if card.source.empty_subsets:
        say(f"  left out, as no row has both: {', '.join(card.source.empty_subsets)}")
    say("Before you publish results, fill in what the card marks with (*).")
    if own is None or Path(own).resolve() != folder.resolve():
        place = shlex.quote(str(folder.resolve()))
        say(f"The tasks are found once you say: export {TASKS_VARIABLE}={place}")


def try_card(card: TaskCard) -> None:
    """Read the collection, and let MTEB see its tasks."""
    from mteb_hybrid.evaluation.task import task_classes
    from mteb_hybrid.sources import load_collection

    load_collection(card)
    task_classes({card.name: card})


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
