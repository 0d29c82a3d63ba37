"""The runs of a study, done by one or several processes side by side."""

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mteb_hybrid.studies.order import Work
from mteb_hybrid.studies.store import Store
from mteb_hybrid.studies.workers import Message, Worker

AGAIN = 5.0
"""Seconds after which a run is tried again that another process is at work on."""

LINES = 12
"""Of the log of a run that failed."""


@dataclass
class Outcome:
    """What came of the runs.

    Attributes:
        done: Keys of runs that are complete.
        failed: Keys of those that are not, and why.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class Schedule:
    """Does works, as many side by side as there are jobs.

    Attributes:
        study: File of the study.
        budget: Its budget.
        store: Where all is kept.
        jobs: How many processes.
        step: Called with a work and the step of it that has ended.
        end: Called with a work that has ended, and why if it failed.
        waits: Called with a work that another process is at work on, once.
    """

    study: Path
    budget: str
    store: Store
    jobs: int
    step: Callable[[Work, str], None]
    end: Callable[[Work, str | None], None]
    waits: Callable[[Work], None]

    def run(self, works: Sequence[Work]) -> Outcome:
        """Do some works; those that others need come before them."""
        self._pending, self._outcome = list(works), Outcome()
        self._later: dict[str, float] = {}
        self._busy: dict[Worker, Work] = {}
        self._idle: list[Worker] = []
        self._told: queue.Queue[Message] = queue.Queue()
        try:
            while self._pending or self._busy:
                while len(self._busy) < self.jobs and (work := self._next()):
                    worker = self._idle.pop() if self._idle else self._worker()
                    self._busy[worker] = work
                    worker.do(work.run.key)
                self._hear()
        finally:
            for worker in [*self._busy, *self._idle]:
                worker.stop()
        return self._outcome

    def _worker(self) -> Worker:
        alone = self.jobs == 1
        return Worker(self.study, self.budget, self.store.path, self._told, alone=alone)

    def _next(self) -> Work | None:
        """The first work that can be begun; what needs one that failed has failed with it."""
        unfinished = {work.run.key for work in (*self._pending, *self._busy.values())}
        for work in list(self._pending):
            if work.needs in self._outcome.failed:
                self._pending.remove(work)
                self._ended(work, f"the run that it repairs failed: {work.needs}")
            elif work.needs not in unfinished and self._later.get(work.run.key, 0) < _now():
                self._pending.remove(work)
                return work
        return None

    def _hear(self) -> None:
        """Wait for a message, for a while."""
        try:
            worker, what = self._told.get(timeout=0.5)
        except queue.Empty:
            return
        if worker in self._idle:
            self._idle.remove(worker)  # all that it can say is that it died
            return
        work = self._busy[worker]
        if "step" in what:
            self.step(work, what["step"])
            return
        del self._busy[worker]
        if what["end"] != "died":
            self._idle.append(worker)
        if what["end"] == "locked":
            if work.run.key not in self._later:
                self.waits(work)
            self._later[work.run.key] = _now() + AGAIN
            self._pending.append(work)
        elif what["end"] == "done":
            self._ended(work, None)
        else:
            self._ended(work, "\n".join([what["said"], *self._last_words(work.run.key)]))

    def _ended(self, work: Work, fault: str | None) -> None:
        if fault is None:
            self._outcome.done.append(work.run.key)
        else:
            self._outcome.failed[work.run.key] = fault
        self.end(work, fault)

    def _last_words(self, key: str) -> list[str]:
        log = self.store.log(key)
        if not log.is_file():
            return []
        text = log.read_text(encoding="utf-8", errors="replace")
        return [f"the last lines of {log}:", *(f"  {x}" for x in text.splitlines()[-LINES:])]


def _now() -> float:
    return time.monotonic()
