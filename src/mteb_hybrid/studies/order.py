"""In which order runs are done: what others need first, then so that there is something to read."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mteb_hybrid.studies.plan import Run


@dataclass(frozen=True)
class Work:
    """One thing to do, whichever conditions it is for.

    Attributes:
        run: It, with the tests of all of them; none if it is only repaired for others.
        needs: Key of the run whose model it repairs.
    """

    run: Run
    needs: str | None = None

    @property
    def label(self) -> str:
        """What it is called, such as ``e5, alpha 0.5, seed 1``."""
        run = self.run
        seed = None if run.seed is None else f"seed {run.seed}"
        return ", ".join(filter(None, (run.start, run.condition, run.language, seed)))


def works(runs: Iterable[Run]) -> list[Work]:
    """What is to be done for some runs: each model once, the first seed of all before the second.

    Args:
        runs: The runs of a study, or some of them.
    """
    wanted = list(runs)
    seeds = list(dict.fromkeys(run.seed for run in wanted if run.seed is not None))
    found: dict[str, Work] = {}
    for run in wanted:
        if run.repair and run.trained:
            base = replace(run.base, tests=())
            found.setdefault(base.key, Work(base))
        if run.key in found:
            same = found[run.key].run
            tests = (*same.tests, *(test for test in run.tests if test not in same.tests))
            # Where a recipe has but one language and the pivot, its model is the one for all.
            alike = not same.tests or same.language == run.language
            run = replace(run, tests=tests, language=run.language if alike else None)
        needs = run.base.key if run.repair and run.trained else None
        found[run.key] = Work(run, needs)
    return sorted(
        found.values(),
        key=lambda work: (
            -1 if work.run.seed is None else seeds.index(work.run.seed),
            work.needs is not None,
        ),
    )
