"""The trainer of a run."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sentence_transformers import SentenceTransformerTrainer

from mteb_hybrid.training.run.folder import RunFolderError


class RunTrainer(SentenceTransformerTrainer):
    """A trainer that makes no step when it resumes a run that had made all of its steps.

    A run that is killed between its last checkpoint and its model is resumed there. The stock
    trainer then makes one step more before it sees that it is done. Where it cannot load the best
    checkpoint, it goes on with the last weights; this one does not.
    """

    def _load_best_model(self) -> None:
        with suppress(Exception):  # as the stock one: it is for the model card alone
            self.model.model_card_data.set_best_model_step(int(self.state.best_global_step or 0))
        try:
            self._load_from_checkpoint(str(self.state.best_model_checkpoint))
        except Exception as error:
            raise RunFolderError(
                f"{self.state.best_model_checkpoint}: the best checkpoint cannot be loaded "
                f"({error}); the run has no model. Train anew in another folder"
            ) from error

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
