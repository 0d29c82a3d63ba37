"""The log of a run: short lines for a reader, and the file in the run folder."""

import time
from datetime import timedelta
from math import isnan, nan
from typing import Any

from transformers import TrainerCallback

from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.training.evaluator import CONSTRAINED
from mteb_hybrid.training.run.folder import RunFolder


class RunLog(TrainerCallback):
    """Prints a line per entry of the log, in place of the trainer's dictionaries.

    With every checkpoint it writes the whole log to the run folder. A resumed run tells the model's
    card what was logged before, which the stock trainer forgets.

    Args:
        run: The run folder.
        metric: The evaluator's primary metric, if there is one.
    """

    def __init__(self, run: RunFolder, metric: str | None = None) -> None:
        self.run, self.metric = run, metric
        self._start = (0.0, 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._start = (time.monotonic(), state.global_step)
        logged = {"loss": "Training Loss"}
        if self.metric:
            logged[f"eval_{self.metric}"] = self.metric
        rows: dict[int, dict[str, Any]] = {}
        for entry in state.log_history:
            told = {name: entry[key] for key, name in logged.items() if key in entry}
            if told:
                row = {"Epoch": entry["epoch"], "Step": entry["step"]}
                rows.setdefault(entry["step"], row).update(told)
        kwargs["model"].model_card_data.training_logs = [*rows.values()]

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
        said += _evaluated(logs)
        if said and state.is_world_process_zero:
            print(f"step {state.global_step}/{state.max_steps}: {', '.join(said)}", flush=True)

    def _time_left(self, state: Any) -> str:
        then, step = self._start
        pace = (time.monotonic() - then) / max(1, state.global_step - step)
        left = timedelta(seconds=round(pace * (state.max_steps - state.global_step)))
        return f"{left} left"


def _evaluated(logs: dict[str, Any]) -> list[str]:
    """What an evaluation found beside maps, and what it cost; of the keys the ends are known."""
    found = {key.rpartition("_")[2]: value for key, value in logs.items()}
    said = []
    if not isnan(found.get("distance", nan)):
        said.append(f"rank distance {found['distance']:.1f}")
    constrained = next((logs[key] for key in logs if key.endswith(f"_{CONSTRAINED}")), 0)
    if constrained < 0:
        said.append(f"monolingual map {-constrained:.4f} too low to be kept")
    if {"texts", "seconds"} <= found.keys():
        said.append(f"{found['texts']:,} texts in {found['seconds']:.1f} s")
    return said
