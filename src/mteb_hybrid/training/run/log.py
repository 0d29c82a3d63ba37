"""The log of a run: short lines for a reader, and the file in the run folder."""

import time
from datetime import timedelta
from typing import Any

from transformers import TrainerCallback

from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.training.run.folder import RunFolder


class RunLog(TrainerCallback):
    """Prints a line per entry of the log, in place of the trainer's dictionaries.

    With every checkpoint it writes the whole log to the run folder.

    Args:
        run: The run folder.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._start = (0.0, 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._start = (time.monotonic(), state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the log."""
        if state.is_world_process_zero:
            self.run.write_log(state.log_history)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Print an entry."""
        logs = kwargs.get("logs") or {}
        said = []
        if "loss" in logs:
            said += [f"loss {logs['loss']:.4f}", self._time_left(state)]
        for setting in Setting:
            ends = f"_{setting}_map"
            found = [value for key, value in logs.items() if key.endswith(ends)]
            said += [f"{setting} map {value:.4f}" for value in found]
        if said and state.is_world_process_zero:
            print(f"step {state.global_step}/{state.max_steps}: {', '.join(said)}", flush=True)

    def _time_left(self, state: Any) -> str:
        then, step = self._start
        pace = (time.monotonic() - then) / max(1, state.global_step - step)
        left = timedelta(seconds=round(pace * (state.max_steps - state.global_step)))
        return f"{left} left"
