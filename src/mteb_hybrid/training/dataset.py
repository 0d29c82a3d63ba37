"""Row-parallel training data as a `datasets.Dataset` that the stock trainers accept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.training.corpus import Corpus, Ints, has
from mteb_hybrid.training.joined import joined
from mteb_hybrid.training.rows import ParallelRows, texts
from mteb_hybrid.training.saved import load


class Example(NamedTuple):
    """One training example: a row of the dataset, and the languages of its two sides."""

    row: int
    query_language: int
    passage_language: int


class ParallelDataset(ParallelRows):
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

    @classmethod
    def from_json(
        cls, paths: Path | str | Sequence[Path | str], **options: Any
    ) -> "ParallelDataset":
        """Read parallel JSON lines; see `readers.read_json` for the format and the options."""
        from mteb_hybrid.training import readers

        return cls([readers.read_json(paths, **options)])

    @classmethod
    def from_parquet(cls, path: Path | str, **options: Any) -> "ParallelDataset":
        """Read a Parquet file, such as `mteb-hybrid teach` writes; see `readers.read_parquet`."""
        from mteb_hybrid.training import readers

        return cls([readers.read_parquet(path, **options)])

    @classmethod
    def from_dataset(cls, dataset: Dataset, **options: Any) -> "ParallelDataset":
        """Take a column per language, or dictionaries; see `readers.from_dataset`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_dataset(dataset, **options)])

    @classmethod
    def from_datasets(cls, datasets: Mapping[str, Dataset], **options: Any) -> "ParallelDataset":
        """Join one `datasets.Dataset` per language by id; see `readers.from_datasets`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_datasets(datasets, **options)])

    @classmethod
    def from_long(cls, dataset: Dataset, **options: Any) -> "ParallelDataset":
        """Join the rows of each language by id; see `readers.from_long`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_long(dataset, **options)])

    @classmethod
    def from_translations(cls, dataset: Dataset, **options: Any) -> "ParallelDataset":
        """Take sentences and their translations; see `readers.from_translations`."""
        from mteb_hybrid.training import readers

        return cls([readers.from_translations(dataset, **options)])

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
            ParallelDataError: If a data set is not parallel, has several corpora or a transform,
                or for the reasons that the class gives.
        """
        parts = []
        for name, dataset in datasets.items():
            cls._check_part(name, dataset)
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
            ParallelDataError: If one is not parallel or has a transform, they have different
                weights, or for the reasons that the class gives.
        """
        for number, dataset in enumerate(datasets):
            cls._check_part(f"data set {number}", dataset)
            if dataset.weights != datasets[0].weights:
                raise ParallelDataError(
                    f"data sets 0 and {number} have the weights {datasets[0].weights} and "
                    f"{dataset.weights}; expected the same, or use ParallelDataset.mix"
                )
        weights = datasets[0].weights if datasets else None
        return cls._joined([(dataset.corpora, dataset.rows) for dataset in datasets], weights)

    @staticmethod
    def _check_part(name: str, dataset: Any) -> None:
        if not isinstance(dataset, ParallelDataset):
            raise ParallelDataError(
                f"{name} is a {type(dataset).__name__}, expected a ParallelDataset; "
                "make it one with ParallelDataset.from_dataset or from_pairs"
            )
        dataset._check_plain(name)

    @classmethod
    def _joined(
        cls,
        parts: Sequence[tuple[Sequence[Corpus], Ints | None]],
        weights: Mapping[str, float] | None,
    ) -> "ParallelDataset":
        corpora, rows = joined(parts)
        return cls(corpora, weights)._chosen(rows)

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
        return texts(corpus, row, query, passage)

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
