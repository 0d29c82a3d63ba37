"""The commands ``mteb-hybrid tasks``: list and describe collections, write a card for one's own."""

from typing import Annotated

import typer

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.rewritten import (
    ORIGINAL,
    RewrittenCard,
    not_taken_over,
    rewrite_provenance,
)
from mteb_hybrid.cards.statistics import counts
from mteb_hybrid.cards.tasks import card_settings, task_name, task_views, tasks_by_name
from mteb_hybrid.cards.translations import NO_SETTING, provenance
from mteb_hybrid.commands.new_task import new
from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import prose, say
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.results.text_table import Format, write_table
from mteb_hybrid.retrieval.views import Setting

SETTINGS = {
    Setting.MONOLINGUAL: "Mo.",
    Setting.CROSSLINGUAL: "Cr.",
    Setting.MULTILINGUAL: "Mul.",
}
LONGEST = 12
"""How many characters of languages a table spells out."""

tasks_app = typer.Typer(no_args_is_help=True, help="List and describe collections and their tasks.")


@tasks_app.command("list")
def list_tasks() -> None:
    """List the collections: languages, passages, settings, and whether their files are at hand.

    In a file or a pipe: each collection, its languages, and below it its MTEB tasks, a line each.

    Example: mteb-hybrid tasks list
    """
    if width := terminal_width():
        _print_table(width)
        return
    for name, card in collections().items():
        say(f"{name}: {card.title}, {' '.join(card.languages)}")
        settings = card_settings(card)
        for setting in settings:
            count = len(task_views(card, setting))
            say(f"  {task_name(card, setting)}  ({count} subset{'s' * (count > 1)})")
        if not settings:
            say(f"  {NO_SETTING}")
        _say_not_taken_over(name, card)


def _say_not_taken_over(name: str, card: TaskCard) -> None:
    if folder := not_taken_over(card):
        say(
            f"  rewritten queries are in {folder}, not taken over yet: mteb-hybrid rewrite "
            f"{name} --adopt WHO",
            err=True,
        )


def _print_table(width: int) -> None:
    head = ["Name", "Languages", "Passages", *(title for title in SETTINGS.values()), "Files"]
    body = []
    for name, card in collections().items():
        found = counts(card)
        passages = sum(one.passages for one in found.values())
        subsets = (str(len(task_views(card, setting)) or "") for setting in SETTINGS)
        languages = " ".join(card.languages)
        short = languages if len(languages) <= LONGEST else f"{len(card.languages)}"
        body.append([name, short, f"{passages:,}" if passages else "", *subsets, _files(card)])
        _say_not_taken_over(name, card)
    print(write_table(head, body, Format.TEXT, width))
    say("")
    prose(
        "Mo., Cr., Mul.: how many subsets the monolingual, cross-lingual and multilingual setting "
        "has. Names of tasks, counts and licences: mteb-hybrid tasks show NAME; or all names: "
        "mteb-hybrid tasks list | cat."
    )


def _files(card: TaskCard) -> str:
    """Whether a collection can be read without a network, in a word or two."""
    from mteb_hybrid.sources.locate import is_there

    try:
        there = is_there(card)
    except DataError:  # to be made of others, and no folder is named
        there = False
    if there is None:
        return "on first use"
    if not there and card.source.has_url():
        return "to download"
    made = getattr(card.source, "made_from", None)
    return "at hand" if there else "to make" if made else "missing"


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
        if " " in value:
            prose(f"  {key}: {value}", indent="    ")
        else:
            say(f"  {key}: {value}")
    texts = counts(card)
    for short in texts:
        say(f"  {short}: {texts[short].queries:,} queries, {texts[short].passages:,} passages")
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


tasks_app.command("new")(new)
