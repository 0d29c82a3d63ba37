"""What is told while the runs of a study are done: bars on a terminal, else lines."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mteb_hybrid.files.safe_text import line, message
from mteb_hybrid.models.speed import duration
from mteb_hybrid.studies.order import Work
from mteb_hybrid.studies.progress import TimeLeft, steps
from mteb_hybrid.studies.schedule import Schedule
from mteb_hybrid.studies.store import Store


class Told:
    """Does works and tells of each step.

    Args:
        study: File of the study.
        budget: Its budget.
        store: Where all is kept.
        jobs: How many side by side.
    """

    def __init__(self, study: Path, budget: str, store: Store, jobs: int) -> None:
        self._store, self._jobs = store, jobs
        self._schedule = Schedule(study, budget, store, jobs, self._step, self._end, self._waits)

    def run(self, works: Sequence[Work], left: Sequence[Work], *, remove: bool) -> int:
        """Do what is left.

        Args:
            works: All works of the study.
            left: Those that are not complete.
            remove: Whether weights go that are needed no more.

        Returns:
            How many failed.
        """
        self._works, self._remove = works, remove
        self._open = {work.run.key for work in left}
        self._time = TimeLeft(works, self._store, self._jobs)
        self._time.left = {work.run.key: steps(work, self._store) for work in left}
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            *(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
            TextColumn("{task.fields[left]}", markup=False),
            console=Console(),
            disable=not sys.stdout.isatty(),
        )
        total = sum(map(len, self._time.left.values()))
        with self._bar:
            self._task = self._bar.add_task("steps", total=total, left="")
            self._drop()
            return len(self._schedule.run(left).failed)

    def _step(self, work: Work, step: str) -> None:
        left = self._time.left[work.run.key]
        if step in left:
            left.remove(step)
            self._bar.advance(self._task)
        seconds = self._time.seconds()
        said = "" if not seconds else f"about {duration(seconds)} left"
        self._bar.update(self._task, left=said)
        spent = self._store.costs(work.run.key).get(step, {}).get("seconds", 0)
        self._say(f"{work.label}: {step}, {duration(spent)}" + (f"; {said}" if said else ""))

    def _end(self, work: Work, fault: str | None) -> None:
        self._open.discard(work.run.key)
        skipped = self._time.left.pop(work.run.key, [])
        self._bar.advance(self._task, len(skipped))
        if fault is None:
            self._drop()
        else:
            self._print(message(f"{work.label} failed: {fault}"))

    def _waits(self, work: Work) -> None:
        self._say(f"{work.label}: another process is at work on it; it is left until later")

    def _say(self, text: str) -> None:
        self._print(line(text))

    def _print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _drop(self) -> None:
        """Remove the weights of what is complete, and is repaired for nothing that is not."""
        if not self._remove:
            return
        needed = {work.needs for work in self._works if work.run.key in self._open}
        for work in self._works:
            key, is_used = work.run.key, work.run.key in self._open | needed
            if not is_used and self._store.has_weights(key) and not self._store.missing(work.run):
                self._store.remove_weights(key)
