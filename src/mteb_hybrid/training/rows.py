"""Which rows of which corpora parallel data have, and what can be done to rows."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, concatenate_datasets
from datasets.table import InMemoryTable, list_table_cache_files

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import plain_number
from mteb_hybrid.training.corpus import Corpus, Ints
from mteb_hybrid.training.joined import check_corpora, checked_weights
from mteb_hybrid.training.labels import LABELS
from mteb_hybrid.training.saved import save
from mteb_hybrid.training.tableless import TablelessDataset
from mteb_hybrid.training.wide import all_texts, changed, wide_dataset


class ParallelRows(TablelessDataset):
    """Rows of one or more corpora, in any order; for users it is a `ParallelDataset`.

    Args:
        corpora: One or more corpora.
        weights: Share of the batches of each corpus, by name.
        rows: Rows to keep, as positions in the corpora put one after another; by default all.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        weights: Mapping[str, float] | None = None,
        rows: Ints | None = None,
    ) -> None:
        self.corpora = tuple(corpora)
        self.languages: tuple[str, ...] = tuple(
            dict.fromkeys(code for corpus in corpora for code in corpus.languages)
        )
        self.starts = np.cumsum([0, *map(len, corpora)])
        self.rows = None if rows is None else np.ascontiguousarray(rows, dtype=np.int64)
        check_corpora(self.corpora, self.languages)
        if self.rows is not None and not self.rows.size:
            raise ParallelDataError(f"{', '.join(c.name for c in self.corpora)}: no rows are left")
        if self.rows is not None and not (
            0 <= self.rows.min() <= self.rows.max() < self.starts[-1]
        ):
            raise ParallelDataError(
                f"rows {self.rows.min()} to {self.rows.max()} of corpora that have "
                f"{self.starts[-1]:,}; expected positions in them, from 0"
            )
        self.weights = checked_weights(self.corpora, weights)
        super().__init__(self._features())

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.rows is None else len(self.rows)

    @property
    def _fingerprint(self) -> str:
        return self.digest

    def _features(self) -> Features:
        corpus = self.corpora[0]
        texts = ["query", "passage", *(f"negative_{n}" for n in range(1, corpus.negatives + 1))]
        fields = [(text, pa.string()) for text in texts]
        if corpus.label_column:
            kind = corpus.table.schema.field(corpus.label_column).type
            fields.append((corpus.label_column, kind))
        return Features.from_arrow_schema(pa.schema(fields))

    @property
    def digest(self) -> str:
        """Fingerprint of the content, for comparing the data of a checkpoint with this."""
        digest = hashlib.sha256("".join(corpus.digest for corpus in self.corpora).encode())
        if self.rows is not None:
            digest.update(self.rows.tobytes())
        return digest.hexdigest()[:16]

    def locate(self, row: int) -> tuple[Corpus, int]:
        """The corpus of a row, and its position there."""
        row = self.corpus_row(row)
        if len(self.corpora) == 1:
            return self.corpora[0], row
        position = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.corpora[position], row - int(self.starts[position])

    @property
    def corpus_rows(self) -> Ints:
        """Positions of all rows in the corpora put one after another, shape (rows,)."""
        return np.arange(self.starts[-1]) if self.rows is None else self.rows

    def corpus_row(self, row: int) -> int:
        """Position of a row in the corpora put one after another."""
        return row if self.rows is None else int(self.rows[row])

    def shown(self, row: int) -> dict[str, Any]:
        """A row in its first pair of languages."""
        corpus, row = self.locate(row)
        return texts(corpus, row, *corpus.first_pair(row))

    @property
    def cache_files(self) -> list[dict[str, str]]:
        """The files that are memory-mapped."""
        files = [file for corpus in self.corpora for file in list_table_cache_files(corpus.table)]
        return [{"filename": file} for file in files]

    def wide(self) -> Dataset:
        """All texts of the rows, as a plain `datasets.Dataset` that copies nothing.

        Returns:
            The columns ``query_xx``, ``passage_xx`` and ``negatives_xx`` of each language, null
            where a row lacks it, ``group``, and labels.
        """
        return wide_dataset(self.corpora, self.rows)

    def _kept(self, rows: Ints) -> Self:
        return self._chosen(rows if self.rows is None else self.rows[rows])

    def _chosen(self, rows: Ints) -> Self:
        """These of the corpora's rows."""
        all_rows = len(rows) == self.starts[-1] and np.array_equal(rows, np.arange(len(rows)))
        return type(self)(self.corpora, self.weights, None if all_rows else rows)

    def filter(
        self, function: Callable[..., Any] | None = None, *args: Any, **options: Any
    ) -> Self:
        """Keep the rows for which a function is true.

        Args:
            function: Gets a row with all its texts, as `wide` has them: ``row["query_en"]``, or
                ``row[f"query_{code}"] for code in data.languages``. One that is missing is None.
            *args: See the next.
            **options: Those of `datasets.Dataset.filter`, such as `batched`, `input_columns`,
                `with_indices` and `num_proc`. Nothing is written unless ``keep_in_memory=False``.

        Raises:
            ParallelDataError: If the function asks for a column that is not there, or keeps no row.
        """
        options.setdefault("keep_in_memory", True)
        with all_texts("filter", self.column_names):
            kept = self.wide().filter(function, *args, **options)
        return self._like(self._chosen(kept._indices.column(0).to_numpy().astype(np.int64)))

    def train_test_split(
        self, test_size: float | int = 0.1, *, seed: int = 0, **unsupported: Any
    ) -> DatasetDict:
        """Split at random by groups, so that no group has rows in both parts.

        Rows of different corpora that share a text count as of one group here, since what is
        trained on from one would be tested on in the other.

        Args:
            test_size: Share of the groups (below 1), or their number.
            seed: Seed of the choice.
            **unsupported: Other arguments of `datasets.Dataset.train_test_split`, refused.

        Returns:
            ``{"train": …, "test": …}``, both parallel.

        Raises:
            ParallelDataError: If a part would be empty, `test_size` is no number, or another
                argument is given.
        """
        if unsupported:
            raise ParallelDataError(
                f"train_test_split of parallel data takes test_size and seed, not {[*unsupported]}"
            )
        size = plain_number(test_size)
        if size is None:
            raise ParallelDataError(
                f"test_size={test_size!r} is no number; expected a share of the groups, such as "
                "0.1, or how many"
            )
        every = [corpus.groups() for corpus in self.corpora]
        if len(self.corpora) == 1:
            (linked,) = every
        else:
            from mteb_hybrid.training.readers.groups import linked_over

            linked = linked_over([corpus.table.table for corpus in self.corpora], every)
        found, groups = np.unique(linked[self.corpus_rows], return_inverse=True)
        distinct = len(found)
        is_share = not isinstance(test_size, (int, np.integer))
        held_out = int(round(size * distinct) if is_share else size)
        if not 0 < held_out < distinct:
            raise ParallelDataError(
                f"test_size={test_size} of {distinct} groups leaves a part empty"
            )
        is_test = np.zeros(distinct, dtype=bool)
        is_test[np.random.default_rng(seed).permutation(distinct)[:held_out]] = True
        test = is_test[groups]
        return DatasetDict(
            train=self.select(np.flatnonzero(~test)), test=self.select(np.flatnonzero(test))
        )

    def map(self, function: Callable[..., Any] | None = None, *args: Any, **options: Any) -> Self:
        """Change texts, add languages or labels, by a function of the rows.

        The result is read again like a dataset that `from_dataset` takes, so that rows whose texts
        have become equal get one group. It lies where `datasets.Dataset.map` puts it: in its cache
        if the data are memory-mapped, else in memory.

        Args:
            function: Gets a row with all its texts, as `wide` has them, and gives those that it
                changes or adds: ``{"query_de": row["query_de"].lower()}``, ``{"label": 0.7}``.
            *args: See the next.
            **options: Those of `datasets.Dataset.map`. Positions (`with_indices`) count within
                each corpus.

        Raises:
            ParallelDataError: If the function asks for a column that is not there or gives one
                that parallel data do not have, or a row is left without a question or passage.
        """
        with all_texts("map", self.column_names):
            return self._changed(lambda part, own: part.map(function, *args, **options))

    def add_column(self, name: str, column: Any) -> Self:
        """Give every row a label.

        Args:
            name: ``label``, ``labels``, ``score`` or ``scores``.
            column: Numbers, lists of numbers of one length, or lists of such, one for each row; or
                an array of shape (rows, …).

        Raises:
            ParallelDataError: If it has another name, number of rows or kind, or there are labels.
        """
        if name not in LABELS or len(column) != len(self):
            raise ParallelDataError(
                f"column {name!r} with {len(column):,} values; expected one of {', '.join(LABELS)} "
                f"with {len(self):,}. Texts are changed with map"
            )
        if had := self.corpora[0].label_column:
            raise ParallelDataError(
                f"column {name!r}: the rows have labels already; take them off first, with "
                f"remove_columns({had!r})"
            )
        labels = Dataset.from_dict({name: column}).data

        def labelled(part: Dataset, own: Ints) -> Dataset:
            mine = labels if len(own) == len(self) else InMemoryTable(labels.table.take(own))
            return concatenate_datasets([part, Dataset(mine)], axis=1)

        return self._changed(labelled)

    def remove_columns(self, column_names: str | Sequence[str]) -> Self:
        """Take the labels away; other columns are refused."""
        names = [column_names] if isinstance(column_names, str) else [*column_names]
        if any(name not in LABELS or name not in self.column_names for name in names):
            raise ParallelDataError(
                f"cannot remove {names}: only a column of labels can be; the columns are "
                f"{self.column_names}"
            )
        return self._changed(lambda part, own: part.remove_columns(names))

    def _changed(self, change: Callable[[Dataset, Ints], Dataset]) -> Self:
        corpora, rows = changed(self.corpora, self.starts, self.rows, change)
        weights = self.weights and {corpus.name: self.weights[corpus.name] for corpus in corpora}
        return self._like(type(self)(corpora, weights, rows))

    def save_to_disk(self, dataset_path: Path | str, **options: Any) -> None:
        """Write the rows that were kept, with all their texts, into a folder, whole or not at all.

        `load_from_disk` reads it. `datasets.load_from_disk` gives the plain dataset `wide`.

        Args:
            dataset_path: A new or empty folder, or one that was written before.
            **options: `max_shard_size`, `num_shards` and `num_proc` of
                `datasets.Dataset.save_to_disk`.

        Raises:
            ParallelDataError: If something else is there, or the very data, it is no local path, or
                the data have a transform.
        """
        self._check_plain("the data")
        if "://" in str(dataset_path) or options.pop("storage_options", None):
            raise ParallelDataError(
                f"{dataset_path}: expected a local folder; copy it from there when it is whole"
            )
        save(Path(dataset_path), self.corpora, self.weights, self.rows, **options)


def texts(corpus: Corpus, row: int, query: str, passage: str) -> dict[str, Any]:
    """An example as the trainers take it: texts by column, and the label.

    Args:
        corpus: Its corpus.
        row: Its row there.
        query: Language of the query.
        passage: Language of the passage and the hard negatives.
    """
    example: dict[str, Any] = {
        "query": corpus.text("query", query, row),
        "passage": corpus.text("passage", passage, row),
    }
    if corpus.negatives:
        negatives = corpus.negative_texts(passage, row)
        example |= {f"negative_{n}": text for n, text in enumerate(negatives, start=1)}
    if corpus.label_column:
        example[corpus.label_column] = corpus.label(row)
    return example
