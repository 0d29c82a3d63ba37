"""Choose tasks and subsets by collection, setting and language."""

from collections.abc import Collection, Sequence

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.cards.translations import NO_SETTING, translations
from mteb_hybrid.retrieval.views import Setting


class SelectionError(ValueError):
    """Tasks or languages that do not exist, or leave nothing to evaluate."""


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
        SelectionError: If a name or a language is unknown, or no subset is left.
    """
    tasks, cards = tasks_by_name(), collections()
    chosen: list[str] = []
    for name in names:
        if name in cards:
            own = [task for task, (card, _) in tasks.items() if card.file.stem == name]
            if not own:
                raise SelectionError(f"{cards[name].title}: {NO_SETTING}")
            chosen += own
        elif name in tasks:
            chosen.append(name)
        else:
            raise SelectionError(
                f"no collection or task {name!r}; collections: {', '.join(cards)}; tasks: "
                f"see `mteb-hybrid tasks list`. MTEB's other tasks run with `mteb run`."
            )
    selected: dict[str, list[str]] = {}
    for name in dict.fromkeys(chosen):
        card, setting = tasks[name]
        found = task_views(card, setting)
        translated = [entry.into for entry in translations(card)]
        languages = dict.fromkeys([*card.languages, *translated])
        for code in (*query_languages, *passage_languages):
            if code not in languages:
                raise SelectionError(
                    f"no language {code!r} in {card.title}; it has {', '.join(languages)}"
                )
        subsets = [
            subset
            for subset, view in found.items()
            if (not settings or setting in settings)
            and (not query_languages or view.query_language in query_languages)
            and (not passage_languages or set(view.passage_languages) <= set(passage_languages))
        ]
        if subsets:
            selected[name] = subsets
    if not selected:
        raise SelectionError("no subset is left; give fewer settings and languages, or other ones")
    return selected
