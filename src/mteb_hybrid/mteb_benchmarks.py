"""MTEB benchmarks: the columns of the published tables, one benchmark per collection.

A benchmark's columns are the tasks' scores, and a task is one collection in one setting, so the
columns Mo., Cr. and Mul. of arXiv:2408.10536 are MTEB's own means over subsets.
"""

import mteb
from mteb.benchmarks.benchmark import Benchmark, CustomGroup, CustomGrouping

from mteb_hybrid.cards import TaskCard
from mteb_hybrid.settings import Setting, tasks_by_name

LABELS = {
    Setting.MONOLINGUAL: "Mo.",
    Setting.CROSSLINGUAL: "Cr.",
    Setting.MULTILINGUAL: "Mul.",
}
PUBLISHED = ("XQuAD-R", "MLQA-R")


def our_benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name: one per collection, and the two published collections together."""
    tasks: dict[str, dict[str, Setting]] = {}
    cards: dict[str, TaskCard] = {}
    for name, (card, setting) in tasks_by_name().items():
        tasks.setdefault(card.title, {})[name] = setting
        cards[card.title] = card
    found = {title: _benchmark(title, [cards[title]], tasks[title]) for title in cards}
    both = " + ".join(PUBLISHED)
    together = {name: setting for title in PUBLISHED for name, setting in tasks[title].items()}
    found[both] = _benchmark(both, [cards[title] for title in PUBLISHED], together)
    return found


def _benchmark(name: str, cards: list[TaskCard], tasks: dict[str, Setting]) -> Benchmark:
    made = {task.metadata.name: task for task in mteb.get_tasks(tasks=list(tasks))}
    groups = tuple(
        CustomGroup(
            label=LABELS[setting],
            tasks=[made[task] for task, own in tasks.items() if own is setting],
            description=f"{setting} retrieval, uncut mean average precision",
        )
        for setting in Setting
        if setting in tasks.values()
    )
    return Benchmark(
        name=name,
        tasks=[made[task] for task in tasks],
        description=" ".join(card.description for card in cards),
        reference=cards[0].metadata.reference,
        citation="\n\n".join(dict.fromkeys(card.metadata.bibtex_citation for card in cards)),
        language_view="all",
        aggregations=(CustomGrouping(name="Setting", groups=groups),),
    )
