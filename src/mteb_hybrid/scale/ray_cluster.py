"""Ray, of which this process is a driver: a cluster that is there, or one that is started here."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from mteb_hybrid.files.scratch import scratch

LONGEST_FOLDER = 40
"""Characters, below which Ray can make sockets: their paths have about 104 at most."""


class EngineError(ValueError):
    """Workers that cannot be had, or do not do their work."""


def ray_module() -> Any:
    """Ray, imported.

    Raises:
        ImportError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else a thread that comes late would start Ray again after it was ended.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
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
            why = first_line(error)
            raise EngineError(
                f"Ray cannot be started here: {why}"
                if address == "local"
                else f"no cluster of Ray at {address}: {why}. Expected HOST:PORT of `ray start "
                "--head`, ray://HOST:10001 from another network, or auto on one of its machines. "
                "If the cluster asks for a token, set RAY_AUTH_MODE=token"
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


def first_line(error: Exception) -> str:
    """What an error says first; those of Ray say much."""
    return str(error).strip().partition("\n")[0].rstrip(".")
