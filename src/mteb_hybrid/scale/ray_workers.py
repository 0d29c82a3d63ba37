"""Workers of Ray: processes on this machine or others, each of which holds a model and encodes.

Ray starts them, gives each its GPU or CPU, and tells when one has ended. Then the call that it was
at is made again by another, and one more is started in its place.
"""

import logging
import os
import platform
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mteb_hybrid.files.scratch import scratch
from mteb_hybrid.retrieval.parts import Vectors

if TYPE_CHECKING:
    from mteb.models import MTEBModels

LOG = logging.getLogger(__name__)

TRIES = 3
"""How often a call is made, and a worker started, whose process ends."""

PATIENCE = 60.0
"""Seconds without any worker after which that is said."""

MESSAGES, MESSAGES_PER_WORKER = 128 << 20, 64 << 20
"""Bytes of shared memory for what workers are sent and return, where we start Ray."""

LONGEST_FOLDER = 40
"""Characters, below which Ray can make sockets: their paths have about 104 at most."""

PACKAGES = ("mteb-hybrid", "mteb", "sentence-transformers", "transformers", "torch")
"""They have to be of one version everywhere, or vectors might differ."""


class EngineError(ValueError):
    """Workers that cannot be had, or do not do their work."""


class Source(NamedTuple):
    """The model that workers hold.

    Attributes:
        model: Its name or folder, which each worker loads; or the model, which each is sent.
        revision: Of a name.
        found: Name and revision that it says it has, once loaded.
    """

    model: "str | MTEBModels"
    revision: str | None
    found: tuple[str | None, str | None]


def ray_module() -> Any:
    """Ray, imported.

    Raises:
        ImportError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ImportError('Ray needs the extra: pip install "mteb-hybrid[ray]"') from error
    return ray


@contextmanager
def cluster(address: str | None, memory: int) -> Iterator[None]:
    """Be a driver of Ray: of the cluster that this process uses already, one named, or our own.

    Args:
        address: ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``; if None, what ``RAY_ADDRESS``
            names. Without either, Ray is started on this machine, and ended in the end.
        memory: Bytes of shared memory for one that is started.

    Raises:
        EngineError: If there is no cluster at the address.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as stack:
        if address == "local":
            folder = stack.enter_context(scratch("ray"))
            if len(str(folder)) <= LONGEST_FOLDER:
                options["_temp_dir"] = str(folder)
            options |= {"include_dashboard": False, "object_store_memory": memory}
            # By default, all else that the machine does goes before its workers.
            os.environ.setdefault("RAY_worker_niceness", "0")
        stack.callback(ray.shutdown)
        terminated = signal.getsignal(signal.SIGTERM)
        try:
            if ":" in address:
                _knock(address)
            ray.init(address, **options)
        except (OSError, ValueError, RuntimeError) as error:
            why = _first_line(error)
            raise EngineError(
                f"Ray cannot be started here: {why}"
                if address == "local"
                else f"no cluster of Ray at {address}: {why}. Expected HOST:PORT of `ray start "
                "--head`, ray://HOST:10001 from another network, or auto on one of its machines"
            ) from error
        finally:
            with suppress(ValueError):  # not in the main thread; nor does Ray set it there
                signal.signal(signal.SIGTERM, terminated)
        yield


def _knock(address: str) -> None:
    """Raise an `OSError` unless somebody listens at an address; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
        pass


class Places(NamedTuple):
    """Where workers run.

    Attributes:
        workers: How many.
        gpu: Whether each has a GPU, or a CPU and one thread.
    """

    workers: int
    gpu: bool


def places(count: int | None, gpu: bool | None) -> Places:
    """Where workers can run in the cluster that is in use.

    Args:
        count: How many are asked for; one for each GPU, or CPU, if None.
        gpu: Whether on GPUs; where there are any if None.

    Raises:
        EngineError: If there are fewer.
    """
    there = ray_module().cluster_resources()
    kind = "CPU" if gpu is False or (gpu is None and "GPU" not in there) else "GPU"
    most = int(there.get(kind, 0))
    asked = max(1, most) if count is None else count
    if asked > most:
        remedy = f"ask for {most} at most, or give Ray more machines"
        if not most:
            remedy = f"choose device {'cpu' if kind == 'GPU' else 'cuda'}"
        raise EngineError(
            f"workers of one {kind} each: {asked} asked for, and Ray has {most} {kind}s; {remedy}"
        )
    return Places(asked, kind == "GPU")


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
        self._load = (model, source.revision, source.found, device, versions)
        options = {"num_cpus": 1, "num_gpus": int(where.gpu)}
        self._make = self._ray.remote(_Worker).options(**options).remote
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
        for _ in range(TRIES):
            worker = self._taken()
            try:
                found = self._ray.get(worker.encode.remote(columns, options))
            except self._ray.exceptions.RayTaskError as error:
                self._free.put(worker)
                raise error.cause from error
            except self._ray.exceptions.RayError as error:
                self._living.discard(worker)
                if self._stopped:
                    break
                said = "a worker of Ray ended (%s); its %d texts are encoded again"
                LOG.warning(said, _first_line(error), len(next(iter(columns.values()))))
                self._start()
            else:
                self._free.put(worker)
                # An array lies in Ray's shared memory, as it comes, and would fill it.
                return found.copy() if isinstance(found, np.ndarray) else found
        if self._stopped:
            raise EngineError("the workers of Ray are stopped")
        raise EngineError(
            f"{TRIES} workers of Ray ended, one after another, at the same texts. If memory was "
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
            worker = self._make()
            self._living.add(worker)
            try:
                fault = self._ray.get(worker.load.remote(*self._load))
            except Exception as raised:  # such as its end, or a package that it lacks
                self._living.discard(worker)
                error = raised
                if self._stopped:
                    return
            else:
                self._free.put(EngineError(f"a worker of Ray, {fault}") if fault else worker)
                return
        self._free.put(EngineError(f"workers of Ray cannot begin: {_first_line(error)}"))


class _Worker:
    """What runs as an actor."""

    def load(
        self,
        model: "str | MTEBModels",
        revision: str | None,
        expected: tuple[str | None, str | None],
        device: str,
        versions: Mapping[str, str],
    ) -> str | None:
        """Load the model; returns where this is and what is wrong, or None."""
        import torch

        from mteb_hybrid.models.load import load_model

        place = f"on {platform.node()}"
        other = {name: here for name in versions if (here := version(name)) != versions[name]}
        if other:
            wanted = {name: versions[name] for name in other}
            return f"{place}, has other packages: {other}, where the driver has {wanted}"
        if device == "cpu":
            torch.set_num_threads(1)
        if isinstance(model, str):
            try:
                self.model: Any = load_model(model, revision, device)
            except Exception as error:
                return (
                    f"{place}, cannot load the model: {error}. A folder has to be at the same "
                    "place on every machine"
                )
        else:
            self.model = model
            inner: Any = getattr(model, "model", None)
            if hasattr(inner, "to"):
                inner.to(device)
        meta = self.model.mteb_model_meta
        if (meta.name, meta.revision) != expected:
            return (
                f"{place}, has another model: {meta.name} at {meta.revision}, where the driver has "
                f"{' at '.join(map(str, expected))}. Copy the model to every machine again"
            )
        return None

    def encode(self, columns: Mapping[str, list[Any]], options: Mapping[str, Any]) -> Vectors:
        """The vectors of texts, on the CPU."""
        from datasets import Dataset, disable_progress_bars
        from torch.utils.data import DataLoader

        disable_progress_bars()
        rows = Dataset.from_dict(dict(columns))
        loader = DataLoader(rows, options.get("batch_size", 32), collate_fn=_columns)
        found = self.model.encode(loader, **options)
        return found.detach().cpu() if hasattr(found, "detach") else found


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
