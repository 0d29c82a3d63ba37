"""The MTEB tasks of a card: one per setting that it has, and the views of each."""

import hashlib
import json

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import card_folder, collection_card, collections
from mteb_hybrid.cards.rewritten import RewrittenCard
from mteb_hybrid.cards.source import BESIDE_THE_CARD, FileSource
from mteb_hybrid.cards.translations import digest, provenance, translations
from mteb_hybrid.retrieval.views import Setting, View, views


def collection_tasks(name: str) -> list[str]:
    """The MTEB tasks on the texts of a collection.

    They are its own, those of other cards of the same texts, and those that these are adapted from.
    """
    own = collection_card(name)
    found = [card for card in collections().values() if same_texts(card, own)]
    return list(
        dict.fromkeys(
            task
            for card in found
            for task in (
                *card.metadata.adapted_from,
                *(task_name(card, setting) for setting in card_settings(card)),
            )
        )
    )


def same_texts(one: TaskCard, other: TaskCard) -> bool:
    """Whether two collections have a file in common; or, if they list none, folder or data set.

    So do those that say that they are adapted from the same task of MTEB's.
    """
    adapted = {*one.metadata.adapted_from} & {*other.metadata.adapted_from}
    return bool(adapted) or not _texts(one).isdisjoint(_texts(other))


def _texts(card: TaskCard) -> set[str]:
    source = card.source
    own = (language.sha256 for language in card.languages.values())
    further = (file.sha256 for file in source.further_files())
    if listed := {sha256 for sha256 in (*own, *further) if sha256}:
        return listed
    if isinstance(source, FileSource):
        return {str(card.file.parent / source.path)}
    return {source.repository}


def task_name(card: TaskCard, setting: Setting) -> str:
    """MTEB name of a card's task, such as ``XQuADRMultilingualRetrieval``."""
    return f"{card.name}{setting.title()}Retrieval"


def card_settings(card: TaskCard) -> tuple[Setting, ...]:
    """The settings that a collection has, in their order: those with any views."""
    return tuple(setting for setting in Setting if task_views(card, setting))


def data_revision(card: TaskCard, setting: Setting) -> str:
    """The revision of all that a task measures on.

    It is that of the files, and what stands for those of one's own that lie beside their card, for
    the rows that are left out, for languages that were detected, and for rewritten and translated
    queries.

    Raises:
        DataError: As `task_views`.
    """
    revision = card.source.revision
    if card.source.origin == BESIDE_THE_CARD and (own := own_digest(card)):
        revision += f"+card-{own}"
    if card.source.known_faults.listed:
        revision += f"+left-out-{card.source.known_faults.digest}"
    if detected := card.source.languages_detected:
        revision += f"+languages-{detected.sha256[:12]}"
    if isinstance(card, RewrittenCard):
        revision += f"+{card.rewrite}-{card.digest}"
    if setting is Setting.CROSSLINGUAL and (translated := provenance(card)):
        revision += f"+translated-{digest(translated)}"
    return revision


def own_digest(card: TaskCard) -> str | None:
    """Twelve hex digits that stand for what a card of one's own reads; None if it is shipped.

    They are of its tables of source and languages, checksums of files among them: nobody but its
    author raises its revision.
    """
    if card.file.parent == card_folder():
        return None
    said = card.model_dump(mode="json", include={"source", "languages"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def keeps_rankings(card: TaskCard, setting: Setting) -> bool:
    """Whether the top of rankings is kept, to compare those of parallel queries."""
    return setting is Setting.MULTILINGUAL and card.source.judged_across


def tasks_by_name() -> dict[str, tuple[TaskCard, Setting]]:
    """The card and setting behind every task name; benchmarks before samples."""
    return {
        task_name(card, setting): (card, setting)
        for card in collections().values()
        for setting in card_settings(card)
    }


def task_views(card: TaskCard, setting: Setting) -> dict[str, View]:
    """The views of a collection in a setting by name; none if it does not have the setting.

    Translated queries, where there are any, add cross-lingual views.

    Raises:
        DataError: If what is said of translated queries is malformed.
    """
    found: dict[str, View] = {}
    of_one = setting is Setting.MULTILINGUAL and len(card.languages) == 1
    if setting in card.source.settings and not of_one:
        found |= views(setting, tuple(card.languages))
        if (own := card.source.subsets) is not None:
            found = {name: view for name, view in found.items() if name in own}
    if isinstance(card, RewrittenCard):
        found = {name: view for name, view in found.items() if card.has(view)}
    if setting is Setting.CROSSLINGUAL:
        found |= translated_views(card)
    return {name: view for name, view in found.items() if name not in card.source.empty_subsets}


def translated_views(card: TaskCard) -> dict[str, View]:
    """The cross-lingual views that a collection has from translated queries, by name.

    Raises:
        DataError: As `task_views`.
    """
    found = [View(entry.into, (entry.of,)) for entry in translations(card)]
    return {view.name: view for view in found}
