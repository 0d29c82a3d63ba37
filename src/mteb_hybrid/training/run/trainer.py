"""The trainer of a run."""

from collections.abc import Iterator
from typing import Any

from sentence_transformers import SentenceTransformerTrainer


class RunTrainer(SentenceTransformerTrainer):
    """A trainer that makes no step when it resumes a run that had made all of its steps.

    A run that is killed between its last checkpoint and its model is resumed there. The stock
    trainer then makes one step more before it sees that it is done.
    """

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: Any
    ) -> tuple[list[Any], Any]:
        """The batches of a step; none if there is nothing left to do."""
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return [], None
        found: tuple[list[Any], Any] = super().get_batch_samples(
            epoch_iterator, num_batches, device
        )
        return found
