"""Which batch sampler a data set gets: what the callback puts into the training arguments.

The factories are objects of a module, not closures, because the trainer pickles its arguments into
every checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sentence_transformers.base.sampler import (
    BatchSamplers,
    DefaultBatchSampler,
    GroupByLabelBatchSampler,
    NoDuplicatesBatchSampler,
)
from torch.utils.data import BatchSampler, ConcatDataset, RandomSampler

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.batches.several import SeveralDatasetsSampler
from mteb_hybrid.training.batches.shuffle import TranslationShuffleSampler
from mteb_hybrid.training.dataset import ParallelDataset


def make_sampler(dataset: ParallelDataset, plan: BatchPlan, **arguments: Any) -> HybridBatchSampler:
    """The sampler of a plan; the arguments are those of `HybridBatchSampler`."""
    sampler = TranslationShuffleSampler if plan.method == "shuffle" else HybridBatchSampler
    return sampler(dataset, plan=plan, **arguments)


def plan_for(plan: BatchPlan, dataset: ParallelDataset) -> BatchPlan:
    """A plan with those of its languages that a data set has, if it has any of them."""
    chosen = [code for code in plan.languages or () if code in dataset.languages]
    return replace(plan, languages=chosen) if chosen else plan


@dataclass(frozen=True)
class SamplerFactory:
    """What stands in ``args.batch_sampler``: hybrid batches for parallel data.

    Other data sets get the sampler that the user's arguments named.

    Attributes:
        plan: What batches consist of.
        otherwise: ``args.batch_sampler`` as it was.
        world_size: Number of processes.
        batches_per_step: Batches of one process per optimizer step.
    """

    plan: BatchPlan
    otherwise: Any
    world_size: int
    batches_per_step: int

    def __call__(self, dataset: Any, **arguments: Any) -> BatchSampler:
        """Make the batch sampler of a data set; called by the trainer."""
        if isinstance(dataset, ParallelDataset):
            return make_sampler(
                dataset,
                plan_for(self.plan, dataset),
                world_size=self.world_size,
                batches_per_step=self.batches_per_step,
                **arguments,
            )
        if callable(self.otherwise):
            return self.otherwise(dataset, **arguments)  # type: ignore[no-any-return]
        if self.otherwise == BatchSamplers.GROUP_BY_LABEL:
            return GroupByLabelBatchSampler(dataset, **arguments)
        if self.otherwise == BatchSamplers.BATCH_SAMPLER:
            shuffled = RandomSampler(dataset, generator=arguments["generator"])
            return DefaultBatchSampler(shuffled, **arguments)
        hashed = self.otherwise == BatchSamplers.NO_DUPLICATES_HASHED
        return NoDuplicatesBatchSampler(dataset, precompute_hashes=hashed, **arguments)


@dataclass(frozen=True)
class SeveralFactory:
    """What stands in ``args.multi_dataset_batch_sampler``.

    Attributes:
        otherwise: ``args.multi_dataset_batch_sampler`` as it was.
        names: The names of the data sets that are trained on.
        weights: Share of the batches of each; None for the rule of `otherwise`.
        in_turn: Take a batch of each in turn.
        world_size: Number of processes.
        batches_per_step: Batches of one process per optimizer step.
    """

    otherwise: Any
    names: tuple[str, ...]
    weights: tuple[float, ...] | None
    in_turn: bool
    world_size: int
    batches_per_step: int

    def __call__(
        self, dataset: ConcatDataset[Any], batch_samplers: Sequence[BatchSampler], **arguments: Any
    ) -> SeveralDatasetsSampler:
        """Make the batch sampler of all data sets; called by the trainer."""
        return SeveralDatasetsSampler(
            dataset,
            batch_samplers,
            names=self.names,
            weights=self.weights,
            in_turn=self.in_turn,
            world_size=self.world_size,
            batches_per_step=self.batches_per_step,
            **arguments,
        )
