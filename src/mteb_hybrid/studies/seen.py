"""Which texts of its tests a run has seen: those that it trains, chooses or repairs on."""

from collections.abc import Iterable, Iterator, Sequence

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.tasks import collection_tasks, same_texts, tasks_by_name
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.studies.plan import Run


def seen_texts(run: Run, tasks: Iterable[str]) -> Iterator[str]:
    """What a run does with texts that it is tested on, in words.

    Args:
        run: The run.
        tasks: Those that it is tested on.
    """
    known = tasks_by_name()
    tested = sorted({known[task][0].file.stem for task in tasks})
    used = {}
    if run.trained:
        used = {f"trains on {d.path}": d.path for d in run.recipe.data if d.format == "collection"}
        watched = run.recipe.evaluation
        if watched and watched.patience:
            used[f"chooses its checkpoint on {watched.collection}"] = watched.collection
    if run.repair and run.repair.texts in collections():
        used[f"repairs on {run.repair.texts}"] = run.repair.texts
    same = {name for name in used.values() if _is_one_of(name, tested)}
    yield from (f"{said}, which it is tested on" for said, name in used.items() if name in same)
    for data in run.recipe.data if run.trained else ():
        if data.path not in same:
            yield from _shared(data, tested)


def _is_one_of(name: str, tested: Sequence[str]) -> bool:
    return any(same_texts(collections()[name], collections()[other]) for other in tested)


def _shared(data: Data, tested: Sequence[str]) -> Iterator[str]:
    """Of what is no collection, or another one, the tasks tell what is in it."""
    for other in tested:
        if shared := {*(data.tasks() or ())} & {*collection_tasks(other)}:
            yield (
                f"trains on {data.path}, which has the texts of {min(shared)}, and is tested on "
                f"{other}, which has them too"
            )
