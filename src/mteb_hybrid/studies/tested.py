"""What a study tests on: the subsets of each task that its budget names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.languages.traits import By
from mteb_hybrid.results.compare import with_trait
from mteb_hybrid.retrieval.views import Setting, View


@dataclass(frozen=True)
class Tested:
    """A task, as far as a study tests on it.

    Attributes:
        task: Its name.
        card: Its collection.
        setting: Its setting.
        views: Its subsets that are tested, in its order.
    """

    task: str
    card: TaskCard
    setting: Setting
    views: Mapping[str, View]

    @property
    def names(self) -> tuple[str, str]:
        """What a card may call it: its task, or its collection."""
        return self.task, self.card.file.stem

    @property
    def query_languages(self) -> list[str]:
        """Short codes, in the order of the subsets."""
        return list(dict.fromkeys(view.query_language for view in self.views.values()))

    def traits(self, by: By, trained_on: Sequence[str]) -> dict[str, str]:
        """A property of each query language.

        Args:
            by: As for `mteb_hybrid.results.compare.breakdown`.
            trained_on: Likewise; if nothing is trained, no language is seen.
        """
        asked = self.query_languages
        if by is By.SEEN and not trained_on:
            return dict.fromkeys(asked, "unseen")
        frame = pl.DataFrame({"task": [self.task] * len(asked), "query_language": asked})
        rows = with_trait(frame, by, trained_on)
        found = dict(zip(rows["query_language"], rows[by.column], strict=True))
        return {code: found[code] for code in asked}


def tested(selections: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, Tested]:
    """The tasks of some selections of tasks and subsets, in the order of all tasks."""
    names: dict[str, set[str]] = {}
    for selected in selections:
        for task, subsets in selected.items():
            names.setdefault(task, set()).update(subsets)
    found = {}
    for task, (card, setting) in tasks_by_name().items():
        if task in names:
            views = task_views(card, setting)
            kept = {name: view for name, view in views.items() if name in names[task]}
            found[task] = Tested(task, card, setting, kept)
    return found
