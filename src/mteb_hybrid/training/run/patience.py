"""Early stopping in a run: it goes on where a checkpoint left it, and keeps to the first values."""

from typing import Any

from transformers import EarlyStoppingCallback

from mteb_hybrid.training.evaluator import ParallelRetrievalEvaluator


class Patience(EarlyStoppingCallback):
    """Early stopping that resumes. The stock callback begins to count anew.

    Args:
        patience: Evaluations without a better one, after which training stops.
        evaluator: The evaluator of the run. It gets back what it compares with.
    """

    def __init__(self, patience: int, evaluator: ParallelRetrievalEvaluator) -> None:
        super().__init__(patience)
        self.evaluator = evaluator

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up what the checkpoint holds, if there is one."""
        super().on_train_begin(args, state, control, **kwargs)  # type: ignore[no-untyped-call]
        if not state.global_step:
            return
        stored = state.stateful_callbacks[type(self).__name__]["attributes"]
        self.early_stopping_patience_counter = stored["early_stopping_patience_counter"]
        key = f"eval_{self.evaluator.name}_monolingual_map"
        self.evaluator.monolingual_before = next(
            entry[key] for entry in state.log_history if entry["step"] == 0 and key in entry
        )
        # A run that was killed between its last checkpoint and its model has nothing to learn.
        counter = self.early_stopping_patience_counter
        control.should_training_stop = counter >= self.early_stopping_patience
