"""The processes that do the runs of a study, as the process that starts them sees them."""

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mteb_hybrid.files.command_line import COMMAND_VARIABLE, given_command
from mteb_hybrid.files.places import FOLDER_VARIABLE

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
PATIENCE = 15
"""Seconds that a process has to tidy up when it is stopped."""


class Message(NamedTuple):
    """What a worker says: a step has ended, or a run has."""

    worker: "Worker"
    what: dict[str, Any]


class Worker:
    """A process that does runs, one after another.

    Args:
        study: File of the study.
        budget: Its budget.
        store: Folder of the store.
        told: Gets what it says.
        alone: Whether it may use all threads; else one.
    """

    def __init__(
        self, study: Path, budget: str, store: Path, told: "queue.Queue[Message]", *, alone: bool
    ) -> None:
        # Values per query lie beside the results: a store is whole.
        kept = {key: value for key, value in os.environ.items() if key != FOLDER_VARIABLE}
        one = {} if alone else dict.fromkeys(THREADS, "1")
        arguments = (str(study.resolve()), budget, str(store.resolve()))
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "mteb_hybrid.studies.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # Ctrl-C is for the parent
            env={
                **{**kept, **one, "TOKENIZERS_PARALLELISM": "false"},
                COMMAND_VARIABLE: given_command(),
            },
        )
        threading.Thread(target=self._listen, args=(told,), daemon=True).start()

    def do(self, key: str) -> None:
        """Have it do a run. That it has died, if it has, is told as a message."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.write(f"{key}\n")
                self._process.stdin.flush()

    def _listen(self, told: "queue.Queue[Message]") -> None:
        for line in self._process.stdout or ():
            told.put(Message(self, json.loads(line)))
        told.put(Message(self, {"end": "died", "said": how_it_ended(self._process.wait())}))

    def stop(self) -> None:
        """End it, and wait until it has."""
        with suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()


def how_it_ended(status: int) -> str:
    """Why a process says nothing more."""
    if status < 0:
        return f"its process was killed by signal {-status}" + (
            ", as a system that is out of memory does" if status == -9 else ""
        )
    return f"its process ended with status {status}"
