"""A process that does runs of a study, one after another: ``python -m mteb_hybrid.studies.worker``.

It reads keys of runs from standard input, a line each, and writes a JSON object for each step that
has ended. What runs print goes to their logs. When standard input ends, so does it, whatever it is
at: its parent is gone, and nobody would be told.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from mteb_hybrid.files.lock import LockedError
from mteb_hybrid.studies.catalogue import read_study
from mteb_hybrid.studies.one_run import perform
from mteb_hybrid.studies.order import works
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.store import Store, StudyError

GRACE = 10
"""Seconds to tidy up in, once the parent is gone."""


def main(study: str, budget: Any, folder: str) -> None:
    """Do runs until standard input ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    keys: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(keys,), daemon=True).start()
    known = {work.run.key: work.run for work in works(runs(read_study(study), budget))}
    store = Store(Path(folder))
    _prepare()

    def reply(**what: Any) -> None:
        replies.write(json.dumps(what) + "\n")

    while True:
        key = keys.get()
        log = store.log(key)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
        try:
            if key not in known:
                raise StudyError(f"{study}: was edited meanwhile; give the command again")
            perform(known[key], store, lambda step: reply(step=step))
        except LockedError:
            reply(end="locked")
        except Exception as error:
            traceback.print_exc()
            reply(end="failed", said=str(error) or type(error).__name__)
        else:
            reply(end="done")
        sys.stdout.flush()
        sys.stderr.flush()


def _read(keys: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        keys.put(line.strip())
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def _prepare() -> None:
    import datasets
    from transformers.utils import logging

    from mteb_hybrid import plugin

    plugin.register()
    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(*sys.argv[1:])
