"""Batches from several data sets at once, each with a sampler and perhaps a loss of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import torch
from sentence_transformers.base.sampler import MultiDatasetDefaultBatchSampler
from torch.utils.data import BatchSampler, ConcatDataset

from mteb_hybrid.recipes.plan import Floats
from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.dataset import Example

Key: TypeAlias = tuple[int, int]
"""The place of a data set, and what its own sampler asks for."""


@dataclass(frozen=True)
class Drawn:
    """A group of batches, one for each process.

    Attributes:
        place: Which data set they are from.
        size: How many examples they hold together.
        examples: What they hold, if the data set is parallel.
    """

    place: int
    size: int
    examples: list[Example]


class SeveralDatasetsSampler(MultiDatasetDefaultBatchSampler):
    """Batches from several data sets, hybrid ones from those that are parallel.

    Every group of `world_size` batches comes from one data set, so that all processes compute one
    loss, and no two of their hybrid batches hold duplicates. Which data set it is, is drawn at
    random in given proportions, and is a function of the seed and the epoch like everything else.

    Args:
        dataset: The data sets, as the trainer puts them together. Its keys become pairs.
        batch_samplers: One for each of them.
        generator: The random generator that the stock samplers share.
        seed: Seed of the order.
        names: The names of the data sets.
        weights: Share of the batches of each; by default in proportion to their own batches, all
            of which an epoch then has. With weights, an epoch has as many batches as without, and
            a data set is begun again, in another order, if it has too few.
        in_turn: Take one batch of each in turn until the first data set is exhausted.
        world_size: Number of processes.
        batches_per_step: Batches of one process per optimizer step.

    Attributes:
        drawn: What each group of batches of this epoch held, by its position; the callback reads
            them and takes them out.

    Raises:
        HybridBatchError: If a data set does not fill the batches of all processes once, has no
            batch by its weight, or the names are not of these data sets.
    """

    def __init__(
        self,
        dataset: ConcatDataset[Any],
        batch_samplers: Sequence[BatchSampler],
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        names: Sequence[str],
        weights: Sequence[float] | None = None,
        in_turn: bool = False,
        world_size: int = 1,
        batches_per_step: int = 1,
    ) -> None:
        if len(names) != len(dataset.datasets):
            raise HybridBatchError(
                f"found {len(dataset.datasets)} data sets, but the trainer was built for "
                f"{', '.join(names)}; build one for these"
            )
        super().__init__(dataset, list(batch_samplers), generator, seed)
        self.names = tuple(names)
        self.weights = weights
        self.in_turn = in_turn
        self.world_size = world_size
        self.batches_per_step = batches_per_step
        self.drawn: dict[int, Drawn] = {}
        # torch adds up rows to tell the data sets apart, which leaves no room for languages.
        dataset.__getitems__ = partial(_fetch, dataset.datasets)  # type: ignore[attr-defined]
        if world_size > 1:
            for sampler in batch_samplers:
                # accelerate leaves out what other processes have beside a short batch.
                sampler.drop_last = True
        else:
            for sampler in batch_samplers:
                # What is left after full batches is dropped, not all that a data set has.
                if not len(sampler):
                    sampler.drop_last = False
        largest = max(sampler.batch_size for sampler in batch_samplers)
        for name, sampler, size in zip(self.names, batch_samplers, self._own_groups, strict=True):
            # accelerate hands out the batches of several processes only if they have one size.
            if not size or (world_size > 1 and sampler.batch_size < largest):
                raise HybridBatchError(
                    f"{name}: its rows do not fill one batch of {largest} in "
                    f"each of {world_size} process(es); lower per_device_train_batch_size, or "
                    "leave the data set out"
                )
        for name, count in zip(self.names, self.counts, strict=True):
            if not count:
                raise HybridBatchError(
                    f"{name}: its weight gives it none of {sum(self.counts)} batches of an epoch; "
                    "raise it, or leave the data set out"
                )

    @cached_property
    def _own_groups(self) -> list[int]:
        """How many groups of batches each data set has in one pass over it."""
        return [len(sampler) // self.world_size for sampler in self.batch_samplers]

    @cached_property
    def counts(self) -> list[int]:
        """How many groups of batches of each data set an epoch has."""
        own = self._own_groups
        if self.in_turn:
            return [min(own)] * len(own)
        if self.weights is None:
            return own
        exact = np.array(self.weights) / sum(self.weights) * sum(own)
        counts = np.floor(exact).astype(int)
        missing = sum(own) - counts.sum()
        counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
        return [int(count) for count in counts]

    def __len__(self) -> int:
        """Exact number of batches of an epoch, of all processes together."""
        return sum(self.counts) * self.world_size

    def _places(self, epoch: int) -> Ints:
        """The data set of every group of batches of an epoch, in order."""
        if self.in_turn:
            return np.tile(np.arange(len(self.counts)), self.counts[0])
        places = np.repeat(np.arange(len(self.counts)), self.counts)
        return np.random.default_rng([self.seed, epoch, len(self.counts)]).permutation(places)

    def steps(self, epoch: int, positions: Ints) -> Floats:
        """The optimizer steps that groups of batches of an epoch serve, over the whole run."""
        per_epoch = -(-sum(self.counts) // self.batches_per_step)
        steps: Floats = epoch * per_epoch + positions / self.batches_per_step
        return steps

    def alpha(self, epoch: int, position: int) -> float:
        """Alpha of a group of batches of an epoch."""
        plans = (own.plan for own in self.batch_samplers if isinstance(own, HybridBatchSampler))
        return float(next(plans).alpha_at(self.steps(epoch, np.array([position])))[0])

    def __iter__(self) -> Iterator[list[Key]]:  # type: ignore[override]
        """The batches of this epoch, as keys of the data set."""
        if self.generator is not None:
            self.generator.manual_seed(self.seed + self.epoch)
        self.drawn.clear()
        places = self._places(self.epoch)
        streams = [
            Stream(self, place, sampler, np.flatnonzero(places == place))
            for place, sampler in enumerate(self.batch_samplers)
        ]
        for position, place in enumerate(places.tolist()):
            batches, examples = streams[place].take()
            self.drawn[position] = Drawn(place, sum(map(len, batches)), examples)
            for batch in batches:
                yield [(place, key) for key in batch]


def _fetch(datasets: Sequence[Any], keys: Sequence[Key]) -> list[dict[str, Any]]:
    """The examples of one batch, which are all of one data set: what torch's loader calls."""
    rows: list[dict[str, Any]] = datasets[keys[0][0]].__getitems__([key for _, key in keys])
    return rows


@dataclass
class Stream:
    """What one data set gives in an epoch of all: its batches, pass after pass.

    Attributes:
        owner: The sampler of all data sets.
        place: Which of them this is.
        sampler: Its own sampler.
        positions: Shape (N,), where its groups of batches stand in the epoch.
    """

    owner: SeveralDatasetsSampler
    place: int
    sampler: Any
    positions: Ints
    _passes: int = 0
    _taken: int = 0
    _group: int = 0
    _batches: Iterator[list[int]] = field(default_factory=lambda: iter(()))

    def _begin(self) -> None:
        """Begin a pass in an order of its own, in this epoch and among all."""
        own = self.owner
        most = max(-(-n // size) for n, size in zip(own.counts, own._own_groups, strict=True))
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(own.epoch * most + self._passes)
        if isinstance(self.sampler, HybridBatchSampler):
            # The schedule counts steps of the whole run, not batches of this data set.
            self.sampler.clock = partial(self._steps, self._taken)
        self._batches = iter(self.sampler)
        self._passes += 1
        self._group = 0

    def _steps(self, start: int, groups: Ints) -> Floats:
        """The optimizer steps of groups of batches of a pass; those not reached have the last."""
        places = np.minimum(start + groups, len(self.positions) - 1)
        return self.owner.steps(self.owner.epoch, self.positions[places])

    def take(self) -> tuple[list[list[int]], list[Example]]:
        """The next batch of every process, and what they hold if the data are parallel."""
        wanted = self.owner.world_size
        batches = list(islice(self._batches, wanted))
        if len(batches) < wanted:
            # The stock samplers may give fewer batches than they say.
            self._begin()
            batches = list(islice(self._batches, wanted))
        if len(batches) < wanted:
            raise HybridBatchError(
                f"{self.owner.names[self.place]}: its sampler gave {len(batches)} batches, "
                f"expected {wanted} or more; lower per_device_train_batch_size"
            )
        self._taken += 1
        self._group += 1
        held = getattr(self.sampler, "examples", {})
        return batches, held.pop(self._group - 1, [])
