"""Multilingual retrieval evaluation and hybrid batch training for MTEB and sentence-transformers.

Importing this package imports neither mteb nor torch: the startup hook imports it in every process.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers know it; importing typing would cost every process
if TYPE_CHECKING:
    from mteb_hybrid.models.offline import load_offline_encoder
    from mteb_hybrid.recipes.plan import BatchPlan
    from mteb_hybrid.scale.ray_encoder import RayEncoder
    from mteb_hybrid.sources import load_collection
    from mteb_hybrid.training.batches.callback import HybridBatchCallback
    from mteb_hybrid.training.batches.sampler import HybridBatchSampler
    from mteb_hybrid.training.dataset import ParallelDataset
    from mteb_hybrid.training.evaluator import (
        ParallelRetrievalEvaluator as ParallelRetrievalEvaluator,
    )

__all__ = [
    "BatchPlan",
    "HybridBatchCallback",
    "HybridBatchSampler",
    "ParallelDataset",
    "ParallelRetrievalEvaluator",
    "RayEncoder",
    "load_collection",
    "load_offline_encoder",
]

_MODULES = {
    "BatchPlan": "recipes.plan",
    "HybridBatchCallback": "training.batches.callback",
    "HybridBatchSampler": "training.batches.sampler",
    "ParallelDataset": "training.dataset",
    "ParallelRetrievalEvaluator": "training.evaluator",
    "RayEncoder": "scale.ray_encoder",
    "load_collection": "sources",
    "load_offline_encoder": "models.offline",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"mteb_hybrid.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        # transformers raises one without a name from the one that tells it.
        missing = str(error.name or getattr(error.__cause__, "name", None)).partition(".")[0]
        if missing in (__name__, "None"):
            raise
        raise ImportError(
            f'{name} needs {missing}, of an extra: pip install "mteb-hybrid[train]"'
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
