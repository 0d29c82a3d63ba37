"""Which batch sampler a data set gets: what the callback puts into the training arguments."""

from dataclasses import dataclass
from typing import Any

from sentence_transformers.base.sampler import (
    BatchSamplers,
    DefaultBatchSampler,
    GroupByLabelBatchSampler,
    NoDuplicatesBatchSampler,
)
from torch.utils.data import BatchSampler, RandomSampler

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.batches.shuffle import TranslationShuffleSampler
from mteb_hybrid.training.dataset import ParallelDataset


def make_sampler(dataset: ParallelDataset, plan: BatchPlan, **arguments: Any) -> HybridBatchSampler:
    """The sampler of a plan; the arguments are those of `HybridBatchSampler`."""
    sampler = TranslationShuffleSampler if plan.method == "shuffle" else HybridBatchSampler
    return sampler(dataset, plan=plan, **arguments)


@dataclass(frozen=True)
class SamplerFactory:
    """What stands in ``args.batch_sampler``: hybrid batches for parallel data.

    Other data sets (an evaluation set, say) get the sampler that the user's arguments named. It
    is an object of a module, not a closure, because the trainer pickles its arguments into every
    checkpoint.

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
                self.plan,
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
