"""What a study would do: its data, models, steps and hours. Nothing is downloaded or written."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.evaluation import to_encode
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.models.speed import duration
from mteb_hybrid.recipes.places import model_folder
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.locate import is_there
from mteb_hybrid.studies.content import ABSENT, data_content
from mteb_hybrid.studies.order import Work
from mteb_hybrid.studies.probe import Speed, probe
from mteb_hybrid.studies.progress import TRAINING, steps
from mteb_hybrid.studies.store import Store

MMARCO = "unicamp-dl/mmarco"

REPAIR_TEXTS = 300
"""Texts of each language that a repair encodes, to fit and to judge."""


@dataclass(frozen=True)
class DryRun:
    """What a study would do.

    Attributes:
        works: All its works.
        left: Those that are not complete.
        store: Where these are kept.
        jobs: How many would be done side by side.
    """

    works: Sequence[Work]
    left: Sequence[Work]
    store: Store
    jobs: int

    def lines(self) -> Iterator[tuple[str, str]]:
        """What, and how it is."""
        done = len(self.works) - len(self.left)
        trained = sum(work.run.trained and not work.run.repair for work in self.works)
        repaired = sum(work.run.repair is not None for work in self.works)
        yield (
            "runs",
            f"{len(self.works)}, of which {trained} are trained and {repaired} repaired; "
            f"{done} are complete",
        )
        yield from self._models()
        yield from self._data()
        yield from self._steps()
        yield from self._hours()

    def _models(self) -> Iterator[tuple[str, str]]:
        found = {
            (model.name, model.revision): model
            for model in (work.run.recipe.model for work in self.works)
        }
        for (name, revision), model in found.items():
            if model.is_offline:
                how = "of the extra `offline`"
            elif model.on_hub:
                how = "downloaded from the hub, unless it is there already"
            else:
                model_folder(model)
                how = "a folder"
            yield "model", f"{name} {revision or ''}: {how}".replace(" :", ":")

    def _data(self) -> Iterator[tuple[str, str]]:
        recipes = {work.run.key: work.run.recipe for work in self.works if work.run.trained}
        parts = {(data.format, data.path): data for r in recipes.values() for data in r.data}
        for (format_, path), data in parts.items():
            if format_ == "collection":
                yield "trained on", _collection(collections()[path])
            else:
                content = data_content(data)
                how = f"at hand, hash {content}"
                if content == ABSENT:
                    how = f"not at hand: put it below {DATA_VARIABLE}"
                where = f", as the hub has {MMARCO}" if format_ == "mmarco" else ""
                yield "trained on", f"{path} ({format_}): {how}{where}"
        for texts in dict.fromkeys(w.run.repair.texts for w in self.works if w.run.repair):
            card = collections().get(texts)
            yield "repaired on", _collection(card) if card else f"{texts}: at hand"
        for name in self._tested:
            yield "tested on", _collection(collections()[name])
        for name, why in self._not_at_hand.items():
            yield "tested on", f"{name}: not at hand: {why}"

    @cached_property
    def _not_at_hand(self) -> dict[str, str]:
        """Tests that wait for queries."""
        return dict(chain.from_iterable(work.run.not_at_hand().items() for work in self.works))

    @cached_property
    def _tested(self) -> dict[str, dict[str, set[str]]]:
        """By collection: the languages of queries and of passages that all works encode."""
        found: dict[str, dict[str, set[str]]] = {}
        for work in self.works:
            _add_languages(work, found)
        return found

    def _steps(self) -> Iterator[tuple[str, str]]:
        by_length: dict[str, int] = {}
        for work in self.works:
            if work.run.trained and not work.run.repair:
                training, size = work.run.recipe.training, work.run.recipe.batches.size
                length = (
                    f"{training.max_steps:,} steps of {size} pairs"
                    if training.max_steps
                    else f"{training.epochs:g} epochs in batches of {size} pairs"
                )
                by_length[length] = by_length.get(length, 0) + 1
        for length, count in by_length.items():
            yield "training", f"{length}, {count} times"
        before: set[to_encode.Part] = set()
        for name, languages in self._tested.items():
            parts = _parts(name, languages)
            how = "unknown: its files are elsewhere"
            if parts is not None:
                beside = " beside those above" if before.intersection(parts) else ""
                how = f"{_texts(set(parts) - before):,} texts{beside}"
                before.update(parts)
            yield "encoding", f"{name}: {how}, for each run that is tested in all languages"

    def _hours(self) -> Iterator[tuple[str, str]]:
        total, unknown = 0.0, set[str]()
        notes: dict[str, None] = {}
        for work, speed in self._speeds():
            if speed is None:
                unknown.add(work.run.recipe.model.name)
                continue
            notes |= dict.fromkeys(speed.notes)
            seconds, left_out = self._seconds(work, speed)
            total += seconds
            unknown |= left_out
        wall = f", {duration(total / self.jobs)} with --jobs {self.jobs}" if self.jobs > 1 else ""
        unknown |= self._not_at_hand.keys()
        least = "at least " if unknown else ""
        how = f"on this device, as busy as it is now{wall}; ranking comes on top"
        yield "time left", f"{least}{duration(total)} {how}"
        yield from (("  note", note) for note in notes)
        if unknown:
            yield "  unknown", f"not in it: {', '.join(sorted(unknown))}"

    def _speeds(self) -> Iterator[tuple[Work, Speed | None]]:
        """Each work with its speed; one for all that train alike, or only encode with a model."""
        measured: dict[str, Speed | None] = {}
        trains = {work.run.key: TRAINING in steps(work, self.store) for work in self.left}
        for work in sorted(self.left, key=lambda work: not trains[work.run.key]):
            recipe, training = work.run.recipe, trains[work.run.key]
            name, shape = recipe.model.name, _shape(recipe) if training else ""
            if (known := shape or name) not in measured:
                measured[known] = probe(recipe, self._some_texts, trains=training)
                measured.setdefault(name, measured[known])
            yield work, measured[known]

    def _seconds(self, work: Work, speed: Speed) -> tuple[float, set[str]]:
        run, unknown = work.run, set()
        left = steps(work, self.store)
        seconds = 0.0
        if TRAINING in left:
            if run.recipe.training.max_steps:
                seconds += run.recipe.training.max_steps * speed.step
            else:
                unknown.add("epochs of training")
        if run.repair and "repair" in left:
            card = collections().get(run.repair.texts)
            seconds += speed.text * REPAIR_TEXTS * len(card.languages if card else ())
        found: dict[str, dict[str, set[str]]] = {}
        _add_languages(work, found, set(left))
        # Collections of the same passages, as those of rewritten queries are, share their vectors.
        distinct: set[to_encode.Part] = set()
        for name, languages in found.items():
            parts = _parts(name, languages)
            distinct.update(parts or ())
            if parts is None:
                unknown.add(name)
        return seconds + _texts(distinct) * speed.text, unknown

    @cached_property
    def _some_texts(self) -> list[str]:
        for name in (*self._tested, "sample"):
            card = collections()[name]
            if is_there(card):
                passages = load_collection(card).passages["text"]
                return passages.gather_every(max(1, len(passages) // 48)).to_list()
        return []


def _shape(recipe: Recipe) -> str:
    """What decides how long a step takes."""
    return str((recipe.model, recipe.batches.size, recipe.training.loss, recipe.data))


def _collection(card: TaskCard) -> str:
    there = is_there(card)
    how = {True: "at hand", False: "not at hand", None: "loaded when it is needed"}[there]
    return f"{card.file.stem} {card.source.revision}: {how}, from {card.source.origin}"


def _add_languages(
    work: Work, found: dict[str, dict[str, set[str]]], tasks: set[str] | None = None
) -> None:
    selected = {
        task: subsets
        for task, subsets in work.run.selected().items()
        if tasks is None or task in tasks
    }
    for name, sides in to_encode.languages(selected).items():
        known = found.setdefault(name, {side: set() for side in sides})
        for side, some in sides.items():
            known[side] |= some


def _parts(name: str, languages: dict[str, set[str]]) -> list[to_encode.Part] | None:
    """The texts of a collection: counted, or as its statistics have them; None if nothing does."""
    card = collections()[name]
    counted = to_encode.counted(card, languages)
    return to_encode.by_statistics(card, languages) if counted is None else counted


def _texts(parts: Collection[to_encode.Part]) -> int:
    return sum(part.texts for part in parts)
