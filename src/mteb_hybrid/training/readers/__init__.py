"""Training corpora from files, `datasets.Dataset` objects and evaluation collections."""

from mteb_hybrid.training.readers.collection import from_collection
from mteb_hybrid.training.readers.dataset import from_dataset, from_pairs
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.dictionaries import from_translations
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.long import from_long
from mteb_hybrid.training.readers.mmarco import read_mmarco
from mteb_hybrid.training.readers.parquet import read_parquet

__all__ = [
    "from_collection",
    "from_dataset",
    "from_datasets",
    "from_long",
    "from_pairs",
    "from_translations",
    "read_json",
    "read_mmarco",
    "read_parquet",
]
