"""How far a study is: its runs, what is missing, and what its store has of earlier versions."""

from collections.abc import Sequence
from typing import NamedTuple

from mteb_hybrid.results.text_table import Format, write_table
from mteb_hybrid.studies.plan import Run
from mteb_hybrid.studies.progress import REPAIR, TRAINING, cpu_hours
from mteb_hybrid.studies.store import Store

HEAD = ("start", "condition", "seed", "language", "model", "evaluated", "hours", "CPU hours")


class State(NamedTuple):
    """How far a run is.

    Attributes:
        run: The run.
        model: What there is of its model.
        missing: Tasks and subsets that are not evaluated.
    """

    run: Run
    model: str
    missing: dict[str, list[str]]


def states(runs: Sequence[Run], store: Store) -> list[State]:
    """How far some runs are."""
    return [State(run, _model(run, store), store.missing(run)) for run in runs]


def table(found: Sequence[State], store: Store, width: int | None = None) -> str:
    """A row for each run."""
    return write_table(HEAD, [_row(state, store) for state in found], Format.TEXT, width, labels=5)


def outdated(study: str, budget: str, all_runs: Sequence[Run], store: Store) -> list[str]:
    """Keys of the runs that the study has had, and that its card asks for no more."""
    now = {run.key for run in all_runs}
    return [key for key in store.asked(study, budget) if key not in now]


def _model(run: Run, store: Store) -> str:
    if not run.trained and not run.repair:
        return "as it is"
    if store.has_model(run):
        if not run.repair:
            return "trained"
        return "repaired" if store.has_weights(run.key) else "needs no repair"
    if store.is_removed(run):
        return "not kept"
    return "begun" if store.run(run.key).is_dir() else "not yet"


def _row(state: State, store: Store) -> list[str]:
    run = state.run
    total = sum(map(len, run.selected().values()))
    missing = sum(map(len, state.missing.values()))
    asked = {TRAINING, REPAIR, *run.selected()}  # other studies may test the same run on more
    costs = {step: cost for step, cost in store.costs(run.key).items() if step in asked}
    hours = sum(step["seconds"] for step in costs.values()) / 3600
    return [
        *(run.start, run.condition, "" if run.seed is None else str(run.seed)),
        *(run.language or "all", state.model, f"{total - missing} of {total}"),
        *((f"{hours:.2f}", f"{cpu_hours([costs]):.2f}") if costs else ("", "")),
    ]
