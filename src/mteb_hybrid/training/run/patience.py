"""Early stopping in a run: it goes on where a checkpoint left it, and keeps to the first values."""

import math
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback

from mteb_hybrid.training.evaluator import ParallelRetrievalEvaluator
from mteb_hybrid.training.run.folder import RunFolderError


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
        if state.best_global_step is not None:
            # The path in the checkpoint may be of another place, and then the trainer forgot it.
            best = Path(args.output_dir, f"checkpoint-{state.best_global_step}")
            if not best.is_dir():
                raise RunFolderError(
                    f"{best}: the best checkpoint so far is not there; put it back, or train anew "
                    "in another --output-folder"
                )
            state.best_model_checkpoint = str(best)
        # A run that was killed between its last checkpoint and its model has nothing to learn.
        counter = self.early_stopping_patience_counter
        control.should_training_stop = counter >= self.early_stopping_patience

    def on_evaluate(  # type: ignore[override]
        self, args: Any, state: Any, control: Any, metrics: Any, **kwargs: Any
    ) -> None:
        """Refuse a metric that has no value: none would ever be better than the first."""
        name = args.metric_for_best_model
        if math.isnan(metrics.get(name, math.nan)):
            raise ValueError(
                f"evaluation.patience: {name} has no value, so that no step is better than another;"
                " choose another evaluation.metric, or a collection that has one, in another "
                "--output-folder"
            )
        super().on_evaluate(args, state, control, metrics, **kwargs)  # type: ignore[no-untyped-call]
