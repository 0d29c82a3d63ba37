"""A `datasets.Dataset` whose rows are made when they are read: no table, so none that misleads."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetInfo, Features, IterableDataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.refusals import WAY_OUT, NoTableError, refuse_the_rest
from mteb_hybrid.training.selections import check_options, positions


@refuse_the_rest
class TablelessDataset(Dataset):  # type: ignore[misc]
    """What of a `datasets.Dataset` needs only rows, each made when it is read.

    All of the rest is refused, unless a subclass has it.

    Args:
        features: Its columns and their types.
    """

    def __init__(self, features: Features) -> None:
        # Dataset.__init__ is left out, since it needs a table. What inherited code reads beside
        # that is here.
        self._info = DatasetInfo(features=features)
        self._split = None
        self._indices = None
        self._format_type = "custom"
        self._format_kwargs: dict[str, Any] = {}
        self._format_columns = None
        self._output_all_columns = False

    def __del__(self) -> None:
        # The inherited one asks for a table, when a script ends and error classes may be gone.
        pass

    @property
    def _data(self) -> Any:
        raise NoTableError(
            "parallel data cannot be joined with datasets.concatenate_datasets or the like; use "
            f"ParallelDataset.concatenate or ParallelDataset.mix. Else: {WAY_OUT}"
        )

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def shown(self, row: int) -> dict[str, Any]:
        """What a row shows when it is read plainly, by column."""

    @abstractmethod
    def _kept(self, rows: Ints) -> Self:
        """These rows, in this order."""

    def _transformed(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        columns = {name: [example[name] for example in examples] for name in self.column_names}
        transform = self._format_kwargs.get("transform")
        return transform(columns) if transform else columns

    def __getitem__(self, key: Any) -> Any:
        """Rows as they show themselves; a column by its name."""
        if isinstance(key, str):
            if key not in self.column_names:
                raise ParallelDataError(
                    f"no column {key!r} among {self.column_names}; data.wide() has one for each "
                    "role and language, such as query_en"
                )
            return super().__getitem__(key)
        if isinstance(key, (slice, Iterable)):
            rows = positions(key, len(self)).tolist()
            return self._transformed([self.shown(row) for row in rows])
        if isinstance(key, bool):
            raise TypeError("a row is a whole number, not a truth value")
        columns = self._transformed([self.shown(int(positions([key], len(self))[0]))])
        return {name: values[0] for name, values in columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows as they show themselves."""
        return map(self.__getitem__, range(len(self)))

    def iter(self, batch_size: int, drop_last_batch: bool = False) -> Iterator[dict[str, Any]]:
        """Batches of rows as they show themselves, each a list by column."""
        end = len(self) // batch_size * batch_size if drop_last_batch else len(self)
        for start in range(0, end, batch_size):
            yield self[start : min(start + batch_size, end)]

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self)

    @property
    def column_names(self) -> list[str]:
        """``query``, ``passage``, ``negative_1``, …, and the column of labels if there is one."""
        return [*self.features]

    @property
    def num_columns(self) -> int:
        """Number of columns."""
        return len(self.features)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self), self.num_columns

    def unique(self, column: str) -> list[Any]:
        """The different values of a column as it shows itself, in the order of their first rows."""
        return [*dict.fromkeys(self[column])]

    def select(self, indices: Iterable[int], **options: Any) -> Self:
        """Keep some rows, in the order given.

        Args:
            indices: Whole numbers, negative ones from the end.
            **options: Those of `datasets.Dataset.select`, which have no effect: a selection is
                kept in memory.

        Raises:
            IndexError: If there is no such row.
            ParallelDataError: If none is kept.
        """
        check_options("select", options)
        return self._like(self._kept(positions(indices, len(self))))

    def _like(self, other: Self) -> Self:
        """Other data, with the transform of these."""
        other._format_kwargs = dict(self._format_kwargs)
        return other

    def shuffle(
        self,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
        **options: Any,
    ) -> Self:
        """Put the rows into the order that `datasets.Dataset.shuffle` would.

        Args:
            seed: Seed of the order; by default drawn from NumPy's global state.
            generator: Draws the order, instead of a seed.
            **options: Those about caches, without effect.
        """
        check_options("shuffle", options)
        if seed is not None and generator is not None:
            raise ParallelDataError("shuffle takes a seed or a generator, not both")
        if seed is None:
            seed = int(np.random.randint(2**31))
        random = generator or np.random.default_rng(seed)
        return self.select(random.permutation(len(self)))

    def sort(
        self,
        column_names: str | Sequence[str],
        reverse: bool | Sequence[bool] = False,
        null_placement: str = "at_end",
        **options: Any,
    ) -> Self:
        """Sort the rows by columns as they show themselves; equal ones keep their order.

        Args:
            column_names: One column or several.
            reverse: Whether from large to small, for all or for each.
            null_placement: Not used, since nothing that is shown is null.
            **options: Those about caches, without effect.

        Raises:
            ParallelDataError: If there is no such column, or it holds lists.
        """
        check_options("sort", options)
        names = [column_names] if isinstance(column_names, str) else [*column_names]
        down = [reverse] * len(names) if isinstance(reverse, bool) else [*reverse]
        keys = pa.table({name: pa.array(self[name]) for name in names})
        if len(down) != len(names) or any(pa.types.is_nested(field.type) for field in keys.schema):
            raise ParallelDataError(
                f"cannot sort by {names} with reverse={reverse}; expected columns of texts or "
                "numbers, and as many directions"
            )
        ways = ["descending" if is_down else "ascending" for is_down in down]
        return self.select(pc.sort_indices(keys, sort_keys=[*zip(names, ways, strict=True)]))

    def repeat(self, num_times: int) -> Self:
        """All rows several times, one pass after another; repetitions share their group."""
        return self.select(np.tile(np.arange(len(self)), num_times))

    def set_transform(self, transform: Callable[..., Any] | None, **options: Any) -> None:
        """Let a function change what is read, plainly and in the batches of training.

        Args:
            transform: Gets lists by column (``query``, ``passage``, …) and gives such; or None.
            **options: Those of `datasets.Dataset.set_transform`, refused.
        """
        if any(options.values()):
            raise ParallelDataError(
                f"set_transform of parallel data takes a function only, not {[*options]}"
            )
        self._format_kwargs = {"transform": transform} if transform else {}

    def with_transform(self, transform: Callable[..., Any] | None, **options: Any) -> Any:
        """The same data with a function as `set_transform` takes it."""
        dataset = copy(self)
        dataset.set_transform(transform, **options)
        return dataset

    def set_format(self, type: str | None = None, **options: Any) -> None:
        """Take the transform away; texts have no other format.

        Raises:
            ParallelDataError: If one is given.
        """
        if type is not None or any(options.values()):
            raise ParallelDataError(
                f"parallel data have no format {type!r} or choice of columns; they are read as "
                "texts. data.wide().with_format(…) has them"
            )
        self._format_kwargs = {}

    def with_format(self, type: str | None = None, **options: Any) -> Self:
        """The same data without a transform; other formats are refused."""
        dataset = copy(self)
        dataset.set_format(type, **options)
        return dataset

    def _check_plain(self, what: str) -> None:
        """Refuse what would lose a transform without a word."""
        if self._format_kwargs:
            raise ParallelDataError(
                f"{what}: the function given to set_transform would be lost; take it off with "
                "with_format(None), and give it to what is made of the data"
            )

    def reset_format(self) -> None:
        """Take the transform away."""
        self.set_format()

    def to_iterable_dataset(self, num_shards: int | None = 1) -> IterableDataset:
        """The rows as they show themselves, as a stream of texts.

        Raises:
            ParallelDataError: If the data have a transform, which a stream would lose.
        """
        self._check_plain("the data")
        count = num_shards or 1
        shards = [self.shard(count, index) for index in range(count)]
        return IterableDataset.from_generator(
            _shown_rows, features=self.features, gen_kwargs={"shards": shards}
        )

    def _stream(self) -> IterableDataset:
        return self.with_format(None).to_iterable_dataset()

    def to_csv(self, *args: Any, **options: Any) -> Any:
        """Write the rows as they show themselves; `save_to_disk` keeps all languages."""
        return self._stream().to_csv(*args, **options)

    def to_json(self, *args: Any, **options: Any) -> Any:
        """Write the rows as they show themselves; `save_to_disk` keeps all languages."""
        return self._stream().to_json(*args, **options)

    def to_parquet(self, *args: Any, **options: Any) -> Any:
        """Write the rows as they show themselves; `save_to_disk` keeps all languages."""
        return self._stream().to_parquet(*args, **options)

    def to_sql(self, *args: Any, **options: Any) -> Any:
        """Write the rows as they show themselves; `save_to_disk` keeps all languages."""
        return self._stream().to_sql(*args, **options)

    def to_dict(self, *args: Any, **options: Any) -> Any:
        """The rows as they show themselves; `wide` has all languages."""
        return self._stream().to_dict(*args, **options)

    def to_list(self) -> list[dict[str, Any]]:
        """The rows as they show themselves; `wide` has all languages."""
        return [self.shown(row) for row in range(len(self))]

    def to_pandas(self, *args: Any, **options: Any) -> Any:
        """The rows as they show themselves; `wide` has all languages."""
        return self._stream().to_pandas(*args, **options)

    def to_polars(self, *args: Any, **options: Any) -> Any:
        """The rows as they show themselves; `wide` has all languages."""
        return self._stream().to_polars(*args, **options)


def _shown_rows(shards: Sequence[TablelessDataset]) -> Iterator[dict[str, Any]]:
    """What `TablelessDataset.to_iterable_dataset` iterates over."""
    for shard in shards:
        yield from map(shard.shown, range(len(shard)))
