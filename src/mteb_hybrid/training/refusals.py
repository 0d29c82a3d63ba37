"""What a `datasets.Dataset` can do and parallel data cannot: refused, with a way out."""

from typing import Any, NoReturn, TypeVar

from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError

KEPT = frozenset(
    {
        # made of select and of the number of rows
        "shard",
        "skip",
        "take",
        # descriptions
        "builder_name",
        "citation",
        "config_name",
        "dataset_size",
        "description",
        "download_checksums",
        "download_size",
        "features",
        "format",
        "homepage",
        "info",
        "license",
        "size_in_bytes",
        "split",
        "supervised_keys",
        "version",
    }
)
"""Public names of `datasets.Dataset` that are right as they are inherited."""

WAY_OUT = (
    "data.wide() is a plain datasets.Dataset with all texts of its rows (query_en, passage_de, …), "
    "and ParallelDataset.from_dataset takes such columns back"
)

_READ = "read with datasets.Dataset.{name}, and give that to ParallelDataset.from_dataset"
_COLUMNS = "its columns are fixed; change texts with map, add or remove labels with {label}"

_REMEDIES = {
    "add_item": "put rows together with ParallelDataset.concatenate or ParallelDataset.mix",
    "batch": "iterate with iter(batch_size); HybridBatchCallback makes the batches of training",
    "cleanup_cache_files": "delete files of the folder that cache_files names",
    "flatten_indices": "selections cost nothing; save_to_disk writes only the rows that were kept",
    "push_to_hub": "this would lose all but one language; use data.wide().push_to_hub(…)",
    **{
        name: _COLUMNS.format(label="add_column and remove_columns")
        for name in [
            "align_labels_with_mapping",
            "cast",
            "cast_column",
            "class_encode_column",
            "flatten",
            "rename_column",
            "rename_columns",
            "select_columns",
        ]
    },
    **{
        name: _READ.format(name=name)
        for name in [
            "from_buffer",
            "from_csv",
            "from_dict",
            "from_file",
            "from_generator",
            "from_list",
            "from_pandas",
            "from_polars",
            "from_spark",
            "from_sql",
            "from_text",
        ]
    },
}

AnyClass = TypeVar("AnyClass", bound=type)


class NoTableError(ParallelDataError, AttributeError):
    """Something needs the table of a `datasets.Dataset` where there is none."""


class Refused:
    """An attribute that nobody can have."""

    def __init__(self, name: str) -> None:
        self.message = f"ParallelDataset has no {name}: {_REMEDIES.get(name, WAY_OUT)}"

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        """Say what to do instead.

        Raises:
            NoTableError: Always.
        """
        raise NoTableError(self.message)


def refuse_the_rest(kind: AnyClass) -> AnyClass:
    """Refuse every public name of `datasets.Dataset` that a subclass neither has nor keeps.

    What another version of `datasets` adds is refused too, until someone has looked at it.
    """
    for name in {*dir(Dataset)} - KEPT - {*vars(kind)}:
        if not name.startswith("_"):
            refused: Any = Refused(name)
            setattr(kind, name, refused)
    return kind
