"""Training corpora from files, `datasets.Dataset` objects and evaluation collections."""

from mteb_hybrid.training.readers.collection import from_collection
from mteb_hybrid.training.readers.dataset import from_dataset, from_pairs
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.mmarco import read_mmarco

__all__ = [
    "from_collection",
    "from_dataset",
    "from_datasets",
    "from_pairs",
    "read_json",
    "read_mmarco",
]
