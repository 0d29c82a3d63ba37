"""A model whose texts are encoded by workers of Ray, as MTEB takes it."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.models.load import load_model
from mteb_hybrid.retrieval.embeddings import TEXTS_PER_CALL
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.streaming import Asked, Partial
from mteb_hybrid.retrieval.tiles import Tiles
from mteb_hybrid.scale.ray_cluster import EngineError, cluster, places
from mteb_hybrid.scale.ray_workers import MESSAGES, MESSAGES_PER_WORKER, Source, Workers

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mteb.models import ModelMeta, MTEBModels
    from sentence_transformers import SentenceTransformer
    from torch.utils.data import DataLoader


class RayEncoder:
    """An encoder of MTEB (its ``EncoderProtocol``) that encodes on workers of Ray.

    Each call goes to one worker as a whole, so that its vectors are those that the model gives in
    one process, to the last bit where devices and threads are the same. Calls of several languages,
    and of large ones, are made beside each other. That of a worker that ends is made by another.

    Use it in a ``with`` statement, which ends the workers, and Ray if it began it:

        with RayEncoder("intfloat/multilingual-e5-small", workers=4) as model:
            mteb.evaluate(model, tasks)

    Args:
        model: A name or folder, which every worker loads; or an encoder of MTEB or
            SentenceTransformer, a copy of which each is sent.
        revision: Of a name.
        workers: How many; by default one for every GPU that Ray has, or every CPU.
        device: ``cuda`` for workers that have a GPU each, ``cpu`` for those of one CPU and thread;
            by default GPUs, where there are any.
        address: Of a cluster of Ray, as ``ray.init`` takes it; by default what ``RAY_ADDRESS``
            names, else Ray is started on this machine.
        prepare: What is done to a model that was loaded by name, here and by each worker, such as
            to encode in another precision; a function that can be pickled.
        texts_per_call: Texts of a call that is larger are shared out between workers. Where it is
            lowered, batches are others than those of one process, and so are last bits of vectors;
            integers that are scaled by the range of a call are scaled by that of each part.

    Attributes:
        executor: Runs as many calls at a time as there are workers.

    Raises:
        ImportError: If Ray is not installed.
        EngineError: If the cluster cannot be reached or has too little, or it is no dense encoder.
        ModelError: If the model cannot be loaded here.
    """

    def __init__(
        self,
        model: "str | MTEBModels | SentenceTransformer",
        revision: str | None = None,
        *,
        workers: int | None = None,
        device: str | None = None,
        address: str | None = None,
        prepare: "Callable[[MTEBModels], MTEBModels] | None" = None,
        texts_per_call: int = TEXTS_PER_CALL,
    ):
        if device not in (None, "cuda", "cpu"):
            raise EngineError(
                f"device {device!r}: Ray chooses which; expected cuda (a GPU for each worker), cpu"
            )
        self.texts_per_call = texts_per_call
        memory = MESSAGES + MESSAGES_PER_WORKER * (workers or 8)
        if not isinstance(model, str):
            self._model = _checked(model)
            memory += _bytes(self._model)
        with ExitStack() as stack:
            stack.enter_context(cluster(address, memory))
            where = places(workers, None if device is None else device == "cuda")
            if isinstance(model, str):
                loaded = load_model(model, revision, "cpu")
                self._model = _checked(prepare(loaded) if prepare else loaded)
            self.mteb_model_meta: ModelMeta = self._model.mteb_model_meta
            found = (self.mteb_model_meta.name, self.mteb_model_meta.revision)
            sent = model if isinstance(model, str) else self._model
            self._count = where.workers
            self._workers = Workers(Source(sent, revision, found, prepare), where)
            stack.callback(self._workers.close)
            self.executor = ThreadPoolExecutor(self._count)
            stack.callback(self.executor.shutdown, wait=False, cancel_futures=True)
            self._stack = stack.pop_all()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and Ray if it was begun for them."""
        self._stack.close()

    def __getattr__(self, name: str) -> Any:
        # What tells the vectors of one model from those of another asks the model itself.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._model, name)

    def encode(self, inputs: "DataLoader[Any]", **options: Any) -> Vectors:
        """As MTEB's ``EncoderProtocol.encode``; may be called from several threads.

        Raises:
            EngineError: If the workers cannot be had, or end.
            Exception: What the model raised.
        """
        options["show_progress_bar"] = False
        calls = list(_calls(_columns(inputs), self.texts_per_call))
        if len(calls) == 1:
            return self._workers.encode(calls[0], **options)
        several = ThreadPoolExecutor(self._count)
        try:
            found = list(several.map(lambda call: self._workers.encode(call, **options), calls))
        finally:
            several.shutdown(wait=False, cancel_futures=True)
        if hasattr(found[0], "detach"):
            import torch

            return torch.cat(found)
        return np.concatenate(found)

    def encode_whole(self, inputs: "DataLoader[Any]", **options: Any) -> Vectors:
        """As `encode`, but by one worker in one call, on all texts of which vectors may depend."""
        return self._workers.encode(_columns(inputs), **options | {"show_progress_bar": False})

    def search_tiles(self, tiles: Tiles, asked: Asked) -> Partial:
        """Search a pool on the workers: as `mteb_hybrid.retrieval.streaming.search`, of all of it.

        Raises:
            EngineError: If the workers end.
            EncoderError: If a score is no number.
        """
        return self._workers.search(tiles, asked)

    def similarity(self, embeddings1: Vectors, embeddings2: Vectors) -> Vectors:
        """As that of the model."""
        return self._model.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Vectors, embeddings2: Vectors) -> Vectors:
        """As that of the model."""
        return self._model.similarity_pairwise(embeddings1, embeddings2)


def _checked(model: Any) -> Any:
    """An encoder of MTEB; a SentenceTransformer becomes one."""
    from mteb.models.models_protocols import EncoderProtocol, SearchProtocol
    from mteb.models.sentence_transformer_wrapper import (
        SentenceTransformerEncoderWrapper,
        SparseEncoderWrapper,
    )
    from sentence_transformers import SentenceTransformer

    if isinstance(model, SentenceTransformer):
        model = SentenceTransformerEncoderWrapper(model)
    sparse = isinstance(model, SearchProtocol | SparseEncoderWrapper)
    if sparse or not isinstance(model, EncoderProtocol):
        raise EngineError(
            f"{model.mteb_model_meta.name} is no dense encoder, and that is what workers of Ray "
            "hold; evaluate it in one process"
        )
    return model


def _bytes(model: Any) -> int:
    """Of its parameters, where it has any, and what is sent with them."""
    parameters = getattr(getattr(model, "model", None), "parameters", list)
    return int(1.1 * sum(part.numel() * part.element_size() for part in parameters()))


def _columns(inputs: "DataLoader[Any]") -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for batch in inputs:
        for name, values in batch.items():
            columns.setdefault(name, []).extend(values)
    return columns


def _calls(columns: Mapping[str, list[Any]], texts: int) -> Iterator[dict[str, list[Any]]]:
    count = len(next(iter(columns.values())))
    for start in range(0, count, texts):
        yield {name: values[start : start + texts] for name, values in columns.items()}
