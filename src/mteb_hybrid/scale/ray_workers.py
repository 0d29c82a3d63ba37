"""Workers of Ray: processes on this machine or others, that encode with a model and search.

Ray starts them, gives each its GPU or CPU, and tells when one has ended. Then the call that it was
at is made again by another, and one more is started in its place.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mteb_hybrid.retrieval.parts import Vectors, take
from mteb_hybrid.retrieval.streaming import Asked, Partial
from mteb_hybrid.retrieval.tiles import Tiles
from mteb_hybrid.scale.ray_actor import Sent, Worker
from mteb_hybrid.scale.ray_cluster import EngineError, Places, first_line, ray_module

if TYPE_CHECKING:
    from mteb.models import MTEBModels

LOG = logging.getLogger(__name__)

BLOCKS = 8
"""Columns of tiles that are searched in one call."""

TRIES = 3
"""How often a call is made, and a worker started, whose process ends."""

PATIENCE = 60.0
"""Seconds without any worker after which that is said."""

MESSAGES, MESSAGES_PER_WORKER = 128 << 20, 256 << 20
"""Bytes of shared memory for what workers are sent and return, where we start Ray."""

PACKAGES = ("mteb-hybrid", "mteb", "sentence-transformers", "transformers", "torch")
"""They have to be of one version everywhere, or vectors might differ."""


class Source(NamedTuple):
    """The model that workers hold.

    Attributes:
        model: Its name or folder, which each worker loads; or the model, which each is sent.
        revision: Of a name.
        found: Name and revision that it says it has, once loaded.
        prepare: What is done to it once it is loaded by name, such as to encode in another
            precision; a function that can be pickled.
    """

    model: "str | MTEBModels"
    revision: str | None
    found: tuple[str | None, str | None]
    prepare: "Callable[[MTEBModels], MTEBModels] | None" = None


class Workers:
    """Workers with one model.

    Args:
        source: The model.
        where: Of `places`.
    """

    def __init__(self, source: Source, where: Places):
        self._ray = ray_module()
        model = source.model if isinstance(source.model, str) else self._ray.put(source.model)
        versions = {name: version(name) for name in PACKAGES}
        device = "cuda" if where.gpu else "cpu"
        self._load = (model, source.revision, source.found, device, versions, source.prepare)
        options = {"num_cpus": 1, "num_gpus": int(where.gpu)}
        self._make = self._ray.remote(Worker).options(**options).remote
        self.count = where.workers
        self._free: Queue[Any] = Queue()
        self._living: set[Any] = set()
        self._stopped = False
        for _ in range(where.workers):
            self._start()

    def encode(self, columns: Mapping[str, list[Any]], **options: Any) -> Vectors:
        """What the model returns for texts, from the worker that is free first.

        Args:
            columns: Of MTEB's data loader, each with N values.
            options: The other arguments of ``encode``.

        Raises:
            EngineError: If a worker cannot load the model, or each ends that encodes these texts.
            Exception: What the model raised.
        """
        found = self._called(
            "encode", f"{len(next(iter(columns.values())))} texts", columns, options
        )
        # An array lies in Ray's shared memory, as it comes, and would fill it.
        return found.copy() if isinstance(found, np.ndarray) else found

    def search(self, tiles: Tiles, asked: Asked) -> Partial:
        """Search a pool, some columns of tiles at a time.

        Args:
            tiles: Scores of a view, by the similarity of the model; only this process reads the
                passages.
            asked: What is asked for.

        Raises:
            EngineError: As `encode`.
            EncoderError: If a score is no number.
        """
        queries = take(tiles.queries, np.arange(len(tiles.queries)))
        shared = self._ray.put((queries, tiles.layout, asked))

        def found(start: int) -> Partial:
            blocks = range(start, min(start + BLOCKS, tiles.passage_blocks))
            read = {block: tiles.read(block) for block in blocks}
            sent = {k: Sent(x.start, x.positions, x.columns, x.vectors) for k, x in read.items()}
            some = self._called("search", f"{len(blocks)} blocks of passages", shared, sent)
            # They are written to, which Ray's shared memory cannot be.
            copied: Any = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in some.items()}
            return Partial(asked=asked, **copied)

        whole, calls = Partial.empty(asked), ThreadPoolExecutor(self.count)
        begun = [calls.submit(found, x) for x in range(0, tiles.passage_blocks, BLOCKS)]
        try:
            while begun:
                whole.merge(begun.pop(0).result())
        finally:
            calls.shutdown(wait=False, cancel_futures=True)
        return whole

    def _called(self, method: str, what: str, *arguments: Any) -> Any:
        for _ in range(TRIES):
            worker = self._taken()
            try:
                found = self._ray.get(getattr(worker, method).remote(*arguments))
            except self._ray.exceptions.RayTaskError as error:
                self._free.put(worker)
                raise error.cause from error
            except self._ray.exceptions.RayError as error:
                self._living.discard(worker)
                if self._stopped:
                    break
                said = "a worker of Ray ended (%s); its %s are done again"
                LOG.warning(said, first_line(error), what)
                self._start()
            except BaseException:  # Ctrl-C: the worker lives
                self._free.put(worker)
                raise
            else:
                self._free.put(worker)
                return found
        if self._stopped:
            raise EngineError("the workers of Ray are stopped")
        raise EngineError(
            f"{TRIES} workers of Ray ended, one after another, at the same {what}. If memory was "
            "short, lower --batch-size or have fewer workers; what is saved is kept"
        )

    def close(self) -> None:
        """End all workers; calls that are under way raise an `EngineError`."""
        self._stopped = True
        self._free.put(EngineError("the workers of Ray are stopped"))
        for worker in list(self._living):
            with suppress(Exception):  # whatever is wrong with it, it is to go
                self._ray.kill(worker)

    def _taken(self) -> Any:
        while True:
            try:
                found = self._free.get(timeout=PATIENCE)
            except Empty:
                if not self._living:
                    free = self._ray.available_resources()
                    LOG.warning("waiting for Ray to give a worker its place; it has free: %s", free)
                continue
            if isinstance(found, Exception):
                self._free.put(found)  # for whoever asks next
                raise found
            return found

    def _start(self) -> None:
        Thread(target=self._begin, daemon=True).start()

    def _begin(self) -> None:
        """Start a worker; once it has loaded the model, calls may have it."""
        error: Any = None
        for _ in range(TRIES):
            if self._stopped:
                return
            worker = self._make()
            self._living.add(worker)
            try:
                fault = self._ray.get(worker.load.remote(*self._load))
            except Exception as raised:  # such as its end, or a package that it lacks
                self._living.discard(worker)
                error = raised
            else:
                self._free.put(EngineError(f"a worker of Ray, {fault}") if fault else worker)
                return
        self._free.put(EngineError(f"workers of Ray cannot begin: {first_line(error)}"))
