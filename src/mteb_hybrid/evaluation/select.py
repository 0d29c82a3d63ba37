"""Choose tasks and subsets by collection, setting and language."""

import os
from collections.abc import Collection, Mapping, Sequence

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.rewritten import not_taken_over, rewrites_folder
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.cards.translations import NO_SETTING, overlay_folder, query_language_codes
from mteb_hybrid.files.places import TASKS_VARIABLE
from mteb_hybrid.languages.codes import find_language, iso_entry
from mteb_hybrid.languages.near import did_you_mean, did_you_mean_language, near_languages
from mteb_hybrid.retrieval.views import Setting


class SelectionError(ValueError):
    """Tasks or languages that do not exist, or leave nothing to evaluate."""


class NotAtHandError(SelectionError):
    """Tasks or languages that come with translated or rewritten queries, which are not here."""


def select_tasks(
    names: Sequence[str],
    settings: Collection[Setting] = (),
    query_languages: Collection[str] = (),
    passage_languages: Collection[str] = (),
) -> dict[str, list[str]]:
    """Choose tasks and their subsets.

    Args:
        names: Collections (``xquad-r``: all its settings) or MTEB task names of ours.
        settings: Settings to keep; all if empty.
        query_languages: Short codes of query languages to keep; all if empty.
        passage_languages: Short codes of passage languages to keep; all if empty. A pool of all
            languages is kept only if this is empty.

    Returns:
        Task names to subset names, in order.

    Raises:
        NotAtHandError: If a task or a language comes with translated or rewritten queries, and
            these are not there.
        SelectionError: If a name or a language is unknown, or no subset is left.
    """
    tasks, cards = tasks_by_name(), collections()
    chosen: list[str] = []
    for name in names:
        if name in cards:
            own = [task for task, (card, _) in tasks.items() if card.file.stem == name]
            if not own:
                raise NotAtHandError(f"{cards[name].title}: {NO_SETTING}")
            chosen += own
        elif name in tasks:
            chosen.append(name)
        elif base := [one for one in cards if name.startswith(f"{one}-")]:
            raise NotAtHandError(_no_rewrites(name, max(base, key=len)))
        else:
            raise SelectionError(
                f"no collection or task {name!r}{did_you_mean(name, [*cards, *tasks])} There are "
                f"the collections {', '.join(cards)}; tasks: see `mteb-hybrid tasks list`. Those "
                f"of your own are in the folder that {TASKS_VARIABLE} names"
                f"{'' if os.environ.get(TASKS_VARIABLE) else ', which is not set'}. MTEB's other "
                "tasks run with `mteb run`."
            )
    selected: dict[str, list[str]] = {}
    for name in dict.fromkeys(chosen):
        card, setting = tasks[name]
        found = task_views(card, setting)
        codes = query_language_codes(card)
        queries = {_meant(code, codes, card, asked=True) for code in query_languages}
        passages = {_meant(code, codes, card) for code in passage_languages}
        subsets = [
            subset
            for subset, view in found.items()
            if (not settings or setting in settings)
            and (not queries or view.query_language in queries)
            and (not passages or passages.issuperset(view.passage_languages))
        ]
        if subsets:
            selected[name] = subsets
    if not selected:
        raise SelectionError("no subset is left; give fewer settings and languages, or other ones")
    return selected


def _no_rewrites(name: str, base: str) -> str:
    folder = rewrites_folder(base)
    if not_taken_over(collections()[base]):
        how = f"say what made those in {folder}: `mteb-hybrid rewrite {base} --adopt WHAT`"
    else:
        how = f"none are in {folder}; see `mteb-hybrid rewrite --help`"
    return f"no collection {name!r}: no such rewritten queries of {base} are at hand: {how}"


def _meant(code: str, known: Mapping[str, str], card: TaskCard, *, asked: bool = False) -> str:
    found = find_language(code, known)
    if found is not None:
        return found
    said = (
        f"no language {code!r} in {card.title}{did_you_mean_language(code, known)} It has "
        f"{', '.join(known)}"
    )
    if asked and iso_entry(code) and not near_languages(code, known):
        raise NotAtHandError(
            f"{said}; for queries in others see `mteb-hybrid translate --help`. Those of this "
            f"collection belong to {overlay_folder(card.file.stem)}"
        )
    raise SelectionError(said)
