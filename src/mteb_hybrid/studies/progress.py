"""What is left of a study, step by step, and how long that takes by what such steps took so far."""

from collections.abc import Iterable, Mapping, Sequence

from mteb_hybrid.studies.order import Work
from mteb_hybrid.studies.store import Store

TRAINING, REPAIR = "training", "repair"


def unfinished(works: Sequence[Work], store: Store) -> list[Work]:
    """The works of which something is missing; those that are only repaired, if that needs them."""
    evaluated = [
        work
        for work in works
        if work.run.tests and (store.missing(work.run) or work.run.not_at_hand())
    ]
    needed = {work.needs for work in evaluated if work.needs and not store.has_model(work.run)}
    return [
        work
        for work in works
        if work in evaluated or (work.run.key in needed and not store.has_model(work.run))
    ]


def steps(work: Work, store: Store) -> list[str]:
    """The steps of a work that are not done: training, repair, and the tasks."""
    run = work.run
    if store.has_model(run) or not (run.repair or run.trained):
        first = []
    else:
        first = [REPAIR if run.repair else TRAINING]
    return [*first, *store.missing(run)]


class TimeLeft:
    """How long what is left takes.

    Args:
        works: All works of a study, with those that are complete.
        store: What they cost so far is kept there.
        jobs: How many are done side by side.
    """

    def __init__(self, works: Iterable[Work], store: Store, jobs: int) -> None:
        self._store, self._jobs = store, jobs
        self._keys = [work.run.key for work in works]
        self.left: dict[str, list[str]] = {}

    def seconds(self) -> float | None:
        """Of all steps that are left; None if such a step was never done."""
        spent: dict[str, list[float]] = {}
        for key in self._keys:
            left = self.left.get(key, ())
            for step, cost in self._store.costs(key).items():
                if step not in left:
                    spent.setdefault(step, []).append(cost["seconds"])
        wanted = [step for steps in self.left.values() for step in steps]
        if any(step not in spent for step in wanted):
            return None
        return sum(sum(spent[step]) / len(spent[step]) for step in wanted) / self._jobs


def cpu_hours(costs: Iterable[Mapping[str, Mapping[str, float]]]) -> float:
    """Hours of all cores that runs have cost."""
    return sum(step["cpu_seconds"] for cost in costs for step in cost.values()) / 3600
