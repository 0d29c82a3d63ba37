"""Multilingual retrieval evaluation and hybrid batch training for MTEB and sentence-transformers.

Importing this package imports neither mteb nor torch: the startup hook imports it in every process.
"""

__version__ = "0.1.0"

_TRAINING = {
    "HybridBatchCallback": "callback",
    "HybridBatchSampler": "sampler",
    "ParallelDataset": "dataset",
    "ParallelRetrievalEvaluator": "evaluator",
}
__all__ = list(_TRAINING)


def __getattr__(name: str) -> object:
    if name not in _TRAINING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.training.{_TRAINING[name]}"), name)
