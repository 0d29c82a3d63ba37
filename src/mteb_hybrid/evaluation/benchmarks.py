"""MTEB benchmarks: the columns of the published tables, one benchmark per collection.

A benchmark's columns are the tasks' scores, and a task is one collection in one setting, so the
columns Mo., Cr. and Mul. of arXiv:2408.10536 are MTEB's own means over subsets.
"""

from dataclasses import dataclass

import mteb
from mteb.benchmarks.benchmark import Benchmark, CustomGroup, CustomGrouping
from mteb.results import BenchmarkResults

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings, task_name, tasks_by_name
from mteb_hybrid.retrieval.views import Setting

LABELS = {
    Setting.MONOLINGUAL: "Mo.",
    Setting.CROSSLINGUAL: "Cr.",
    Setting.MULTILINGUAL: "Mul.",
}
RANK_DISTANCE = "rank distance"
PUBLISHED = ("XQuAD-R", "MLQA-R")


@dataclass
class SettingsBenchmark(Benchmark):
    """A benchmark whose scores have the rank distance beside the columns Mo., Cr. and Mul.

    MTEB's tables are made of main scores alone, so there only the three columns stand.
    """

    def get_score(
        self, results: BenchmarkResults, *, raise_error: bool = False
    ) -> dict[str, dict[str, float | None]]:
        """Scores of every model: MTEB's, and ``COLLECTION::rank distance`` (lower is better).

        Args:
            results: Results of one or more models.
            raise_error: Whether to raise if a task is missing; else its scores are None.

        Returns:
            ``{model: {column: score}}``.
        """
        scores = super().get_score(results, raise_error=raise_error)
        tasks = {
            task_name(card, Setting.MULTILINGUAL): card.title
            for card, setting in tasks_by_name().values()
            if setting is Setting.MULTILINGUAL and card.source.parallel
        }
        for model in results.join_revisions():
            for result in model.select_tasks(self.tasks).task_results:
                if result.task_name in tasks:
                    column = f"{tasks[result.task_name]}::{RANK_DISTANCE}"
                    scores[model.model_name][column] = result.get_score(
                        getter=lambda subset: subset["rank_distance"]
                    )
        return scores


def our_benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name: one per collection, and the two published collections together."""
    cards = {card.title: card for card, _ in tasks_by_name().values()}
    found = {title: _benchmark(title, [card]) for title, card in cards.items()}
    both = " + ".join(PUBLISHED)
    found[both] = _benchmark(both, [cards[title] for title in PUBLISHED])
    return found


def _benchmark(name: str, cards: list[TaskCard]) -> Benchmark:
    groupings = [_columns(card) for card in cards]
    return SettingsBenchmark(
        name=name,
        tasks=[task for columns in groupings for group in columns.groups for task in group.tasks],
        description=" ".join(card.description for card in cards),
        reference=cards[0].metadata.reference or None,
        citation="\n\n".join(dict.fromkeys(card.metadata.bibtex_citation for card in cards)),
        language_view="all",
        aggregations=tuple(groupings),
    )


def _columns(card: TaskCard) -> CustomGrouping:
    """The columns of one collection, one per setting that it has."""
    groups = tuple(
        CustomGroup(
            label=LABELS[setting],
            tasks=[mteb.get_task(task_name(card, setting))],
            description=f"{card.title}, {setting} retrieval, uncut mean average precision",
        )
        for setting in card_settings(card)
    )
    return CustomGrouping(name=card.title, groups=groups)
