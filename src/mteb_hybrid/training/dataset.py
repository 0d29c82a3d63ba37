"""Row-parallel training data as a `datasets.Dataset` that the stock trainers accept."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features
from datasets.table import list_table_cache_files

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.training.corpus import Corpus, Ints, has
from mteb_hybrid.training.joined import check_corpora, checked_weights, joined, of_corpus
from mteb_hybrid.training.labels import LABELS
from mteb_hybrid.training.saved import load, save
from mteb_hybrid.training.tableless import TablelessDataset
from mteb_hybrid.training.wide import all_texts, changed, wide_dataset


class Example(NamedTuple):
    """One training example: a row of the dataset, and the languages of its two sides."""

    row: int
    query_language: int
    passage_language: int


class ParallelDataset(TablelessDataset):
    """Questions and passages in several languages, any of them missing in a row.

    It is a `datasets.Dataset` of rows. A batch sampler of ours asks for (row, query language,
    passage language), packed into one number, so that all language pairs are at hand and none is
    ever written out. Read plainly (``dataset[0]``, ``dataset["query"]``, iteration, `to_pandas`
    and the like, the trainer's model card), a row shows itself in the first language that it has
    for both sides.

    What chooses or orders rows (`select`, `filter`, `shuffle`, `sort`, `train_test_split`, `take`,
    `skip`, `shard`, `repeat`, `concatenate`) gives parallel data, and so do `map`, `add_column`
    and `save_to_disk` with `load_from_disk`. The functions of `filter` and `map` get all texts of
    a row, as the columns ``query_en``, ``passage_de``, … of `wide`. Everything else that a
    `datasets.Dataset` can do is refused with what to do instead.

    Args:
        corpora: One or more corpora. Each batch is drawn from one of them.
        weights: Share of the batches of each corpus, by name; by default in proportion to their
            sizes, which is the rule of arXiv:2408.10536.
        rows: Rows to keep, as positions in the corpora put one after another; by default all.

    Attributes:
        corpora: The corpora.
        languages: All their languages. Positions in it are the languages of an `Example`.
        starts: Shape (corpora + 1,), where each corpus begins among all rows, and their number.
        weights: Share of the batches of each corpus, summing to 1; None for their sizes.
        rows: The rows that were kept, or None for all.

    Raises:
        ParallelDataError: If there is no row, two corpora share a name, the weights do not name
            every corpus or are not positive, or the corpora carry different numbers of negatives
            or different labels.
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
        if not len(self):
            raise ParallelDataError(f"{', '.join(c.name for c in self.corpora)}: no rows are left")
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

    @classmethod
    def from_json(
        cls, paths: Path | str | Sequence[Path | str], **options: Any
    ) -> "ParallelDataset":
        """Read parallel JSON lines; see `readers.read_json` for the format and the options."""
        from mteb_hybrid.training import readers

        return cls([readers.read_json(paths, **options)])

    @classmethod
    def from_dataset(cls, dataset: Dataset, **options: Any) -> "ParallelDataset":
        """Take the wide columns of a `datasets.Dataset`; see `readers.from_dataset`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_dataset(dataset, **options)])

    @classmethod
    def from_datasets(cls, datasets: Mapping[str, Dataset], **options: Any) -> "ParallelDataset":
        """Join one `datasets.Dataset` per language by id; see `readers.from_datasets`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_datasets(datasets, **options)])

    @classmethod
    def from_collection(cls, collection: Collection, **options: Any) -> "ParallelDataset":
        """Take the questions and answers of a collection; see `readers.from_collection`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_collection(collection, **options)])

    @classmethod
    def from_mmarco(cls, folder: Path | str, **options: Any) -> "ParallelDataset":
        """Read mMARCO as it lies on the hub; see `readers.read_mmarco`."""
        from mteb_hybrid.training import readers

        return cls([readers.read_mmarco(folder, **options)])

    @classmethod
    def from_pairs(cls, dataset: Dataset, **options: Any) -> "ParallelDataset":
        """Take pairs in one language, such as an English-only set; see `readers.from_pairs`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_pairs(dataset, **options)])

    @classmethod
    def mix(
        cls, datasets: Mapping[str, "ParallelDataset"], weights: Mapping[str, float] | None = None
    ) -> "ParallelDataset":
        """Put several data sets together; each batch comes from one of them.

        Args:
            datasets: Data sets of one corpus each, by the names they get.
            weights: Share of the batches of each; by default in proportion to their rows.

        Raises:
            ParallelDataError: If a data set has several corpora, or for the reasons that the
                class gives.
        """
        parts = []
        for name, dataset in datasets.items():
            if len(dataset.corpora) != 1:
                raise ParallelDataError(f"{name}: is a mix already; mix its parts instead")
            parts.append(([dataset.corpora[0].renamed(name)], dataset.rows))
        return cls._joined(parts, weights)

    @classmethod
    def concatenate(cls, datasets: Sequence["ParallelDataset"]) -> "ParallelDataset":
        """Put the rows of data sets one after another.

        Parts of the same data (of a split, say) become one again. Corpora that differ stay apart,
        as in `mix`: each batch comes from one of them.

        Args:
            datasets: Data sets, with the same weights if any has weights.

        Raises:
            ParallelDataError: If one is not parallel, they have different weights, or for the
                reasons that the class gives.
        """
        for number, dataset in enumerate(datasets):
            if not isinstance(dataset, ParallelDataset):
                raise ParallelDataError(
                    f"data set {number} is a {type(dataset).__name__}, expected a ParallelDataset; "
                    "make it one with ParallelDataset.from_dataset or from_pairs"
                )
            if dataset.weights != datasets[0].weights:
                raise ParallelDataError(
                    f"data sets 0 and {number} have the weights {datasets[0].weights} and "
                    f"{dataset.weights}; expected the same, or use ParallelDataset.mix"
                )
        weights = datasets[0].weights if datasets else None
        return cls._joined([(dataset.corpora, dataset.rows) for dataset in datasets], weights)

    @classmethod
    def _joined(
        cls,
        parts: Sequence[tuple[Sequence[Corpus], Ints | None]],
        weights: Mapping[str, float] | None,
    ) -> "ParallelDataset":
        corpora, rows = joined(parts)
        return cls(corpora, weights)._chosen(rows)

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

    def key(self, example: Example) -> int:
        """Pack an example into the number that `__getitems__` takes.

        It is negative, so that a sampler which does not know about languages cannot be mistaken
        for one that does.
        """
        row, query, passage = example
        return -1 - ((row * len(self.languages) + query) * len(self.languages) + passage)

    def example(self, key: int) -> Example:
        """The inverse of `key`."""
        rest, passage = divmod(-1 - key, len(self.languages))
        return Example(*divmod(rest, len(self.languages)), passage)

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, Any]]:
        """The examples of one batch: what torch's data loader calls.

        Raises:
            ParallelDataError: If the keys come from another sampler.
        """
        if any(key >= 0 for key in keys):
            raise ParallelDataError(
                "a ParallelDataset was read by a batch sampler that does not choose languages; "
                "train with callbacks=[HybridBatchCallback()], or set "
                "args.batch_sampler=HybridBatchSampler"
            )
        examples = [self._texts(self.example(key)) for key in keys]
        if not self._format_kwargs:
            return examples
        columns = self._transformed(examples)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _texts(self, example: Example) -> dict[str, Any]:
        corpus, row = self.locate(example.row)
        query, passage = (self.languages[language] for language in example[1:])
        return _texts(corpus, row, query, passage)

    def shown(self, row: int) -> dict[str, Any]:
        """A row in its first pair of languages."""
        corpus, row = self.locate(row)
        return _texts(corpus, row, *corpus.first_pair(row))

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

    def _kept(self, rows: Ints) -> "ParallelDataset":
        return self._chosen(rows if self.rows is None else self.rows[rows])

    def _chosen(self, rows: Ints) -> "ParallelDataset":
        """These of the corpora's rows."""
        all_rows = len(rows) == self.starts[-1] and np.array_equal(rows, np.arange(len(rows)))
        return ParallelDataset(self.corpora, self.weights, None if all_rows else rows)

    def filter(
        self, function: Callable[..., Any] | None = None, *args: Any, **options: Any
    ) -> "ParallelDataset":
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
        with all_texts("filter"):
            kept = self.wide().filter(function, *args, **options)
        return self._like(self._chosen(kept._indices.column(0).to_numpy().astype(np.int64)))

    def train_test_split(
        self, test_size: float | int = 0.1, *, seed: int = 0, **unsupported: Any
    ) -> DatasetDict:
        """Split at random by groups, so that no group has rows in both parts.

        Args:
            test_size: Share of the groups (below 1), or their number.
            seed: Seed of the choice.
            **unsupported: Other arguments of `datasets.Dataset.train_test_split`, refused.

        Returns:
            ``{"train": …, "test": …}``, both parallel.

        Raises:
            ParallelDataError: If a part would be empty, or another argument is given.
        """
        if unsupported:
            raise ParallelDataError(
                f"train_test_split of parallel data takes test_size and seed, not {[*unsupported]}"
            )
        groups = np.empty(len(self), dtype=np.int64)
        distinct = 0
        for position, corpus in enumerate(self.corpora):
            own, rows = of_corpus(position, self.starts, self.corpus_rows)
            found, numbers = np.unique(corpus.groups()[rows], return_inverse=True)
            groups[own] = numbers + distinct
            distinct += len(found)
        is_share = not isinstance(test_size, (int, np.integer))
        held_out = int(round(test_size * distinct) if is_share else test_size)
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

    def map(
        self, function: Callable[..., Any] | None = None, *args: Any, **options: Any
    ) -> "ParallelDataset":
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
        with all_texts("map"):
            return self._changed(lambda part, own: part.map(function, *args, **options))

    def add_column(self, name: str, column: Any, **options: Any) -> "ParallelDataset":
        """Give every row a label.

        Args:
            name: ``label``, ``labels``, ``score`` or ``scores``.
            column: Numbers, or lists of them of one length, one for each row; or an array.
            **options: Those of `datasets.Dataset.add_column`.

        Raises:
            ParallelDataError: If it has another name, number of rows or kind, or there are labels.
        """
        if name not in LABELS or len(column) != len(self):
            raise ParallelDataError(
                f"column {name!r} with {len(column):,} values; expected one of {', '.join(LABELS)} "
                f"with {len(self):,}. Texts are changed with map"
            )
        values = Dataset.from_dict({name: column})
        return self._changed(
            lambda part, own: part.add_column(name, values[own.tolist()][name], **options)
        )

    def remove_columns(self, column_names: str | Sequence[str]) -> "ParallelDataset":
        """Take the labels away; other columns are refused."""
        names = [column_names] if isinstance(column_names, str) else [*column_names]
        if any(name not in LABELS or name not in self.column_names for name in names):
            raise ParallelDataError(
                f"cannot remove {names}: only a column of labels can be; the columns are "
                f"{self.column_names}"
            )
        return self._changed(lambda part, own: part.remove_columns(names))

    def _changed(self, change: Callable[[Dataset, Ints], Dataset]) -> "ParallelDataset":
        corpora, rows = changed(self.corpora, self.starts, self.rows, change)
        weights = self.weights and {corpus.name: self.weights[corpus.name] for corpus in corpora}
        return self._like(ParallelDataset(corpora, weights, rows))

    def save_to_disk(self, dataset_path: Path | str, **options: Any) -> None:
        """Write the rows that were kept, with all their texts, into a folder, whole or not at all.

        `load_from_disk` reads it. `datasets.load_from_disk` gives the plain dataset `wide`.

        Args:
            dataset_path: A new or empty folder, or one that was written before.
            **options: `max_shard_size`, `num_shards` and `num_proc` of
                `datasets.Dataset.save_to_disk`.

        Raises:
            ParallelDataError: If something else is there, or the very data, or it is no local path.
        """
        if "://" in str(dataset_path) or options.pop("storage_options", None):
            raise ParallelDataError(
                f"{dataset_path}: expected a local folder; copy it from there when it is whole"
            )
        save(Path(dataset_path), self.corpora, self.weights, self.rows, **options)

    @classmethod
    def load_from_disk(
        cls, dataset_path: Path | str, keep_in_memory: bool | None = None
    ) -> "ParallelDataset":
        """Read, memory-mapped, what `save_to_disk` wrote.

        Raises:
            ParallelDataError: If the folder holds something else, or is damaged.
        """
        saved = load(Path(dataset_path), keep_in_memory)
        return cls(saved.corpora, saved.weights, saved.rows)

    def counts(self) -> pl.DataFrame:
        """How many rows each corpus has for each pair of languages.

        Returns:
            Columns corpus, query_language, passage_language, rows; pairs without a row left out.
        """
        counts = []
        for position, corpus in enumerate(self.corpora):
            masks = [corpus.masks(role, corpus.languages) for role in ("query", "passage")]
            if self.rows is not None:
                start, end = self.starts[position : position + 2]
                kept = self.rows[(self.rows >= start) & (self.rows < end)] - start
                masks = [mask[kept] for mask in masks]
            counts += [
                (corpus.name, x, y, int(np.count_nonzero(has(masks[0], i) & has(masks[1], j))))
                for i, x in enumerate(corpus.languages)
                for j, y in enumerate(corpus.languages)
            ]
        schema = ["corpus", "query_language", "passage_language", "rows"]
        return pl.DataFrame(counts, schema, orient="row").filter(pl.col("rows") > 0)

    def __repr__(self) -> str:
        corpora = ", ".join(f"{corpus.name}: {len(corpus):,}" for corpus in self.corpora)
        return f"ParallelDataset({len(self):,} rows [{corpora}], languages={list(self.languages)})"


def _texts(corpus: Corpus, row: int, query: str, passage: str) -> dict[str, Any]:
    texts: dict[str, Any] = {
        "query": corpus.text("query", query, row),
        "passage": corpus.text("passage", passage, row),
    }
    if corpus.negatives:
        negatives = corpus.negative_texts(passage, row)
        texts |= {f"negative_{n}": text for n, text in enumerate(negatives, start=1)}
    if corpus.label_column:
        texts[corpus.label_column] = corpus.label(row)
    return texts
