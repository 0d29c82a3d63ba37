"""Row-parallel training data as a `datasets.Dataset` that the stock trainers accept."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from datasets import Dataset, DatasetDict
from datasets.table import InMemoryTable

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.training.corpus import Corpus, Ints, has

ROW = "row"


class Example(NamedTuple):
    """One training example: a row of the dataset, and the languages of its two sides."""

    row: int
    query_language: int
    passage_language: int


class ParallelDataset(Dataset):  # type: ignore[misc]
    """Questions and passages in several languages, any of them missing in a row.

    It is a `datasets.Dataset` of rows. A batch sampler of ours asks for (row, query language,
    passage language), packed into one number, so that all language pairs are at hand and none is
    ever written out. Read plainly (``dataset[0]``, iteration, the trainer's model card), a row
    shows itself in the first language that it has for both sides.

    `select`, `shuffle` and `train_test_split` keep the parallel form; `map` and `filter` give a
    plain dataset, which the callback refuses.

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
            every corpus or are not positive, or the corpora carry different numbers of negatives.
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
        self.rows = None if rows is None else np.asarray(rows, dtype=np.int64)
        self.starts = np.cumsum([0, *map(len, corpora)])
        self._check()
        self.weights = self._checked_weights(weights)
        size = int(self.starts[-1]) if self.rows is None else len(self.rows)
        positions = np.arange(size) if self.rows is None else self.rows
        super().__init__(
            InMemoryTable(pa.table({ROW: pa.array(positions, pa.int32())})), fingerprint=self.digest
        )
        # Set directly: set_transform() would hash every corpus to find a new fingerprint.
        self._format_type = "custom"
        self._format_kwargs = {"transform": partial(_first_languages, self.corpora, self.starts)}

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
        corpora, rows, start = [], [], 0
        for name, dataset in datasets.items():
            if len(dataset.corpora) != 1:
                raise ParallelDataError(f"{name}: is a mix already; mix its parts instead")
            corpora.append(dataset.corpora[0].renamed(name))
            own = np.arange(len(dataset.corpora[0])) if dataset.rows is None else dataset.rows
            rows.append(own + start)
            start += len(dataset.corpora[0])
        whole = all(dataset.rows is None for dataset in datasets.values())
        return cls(corpora, weights, None if whole else np.concatenate(rows))

    def _check(self) -> None:
        names = [corpus.name for corpus in self.corpora]
        if len(set(names)) < len(names):
            raise ParallelDataError(f"corpora need different names, found {names}")
        if not self.starts[-1] or (self.rows is not None and not len(self.rows)):
            raise ParallelDataError(f"{', '.join(names) or 'no corpus'}: no rows to train on")
        if self.starts[-1] >= 2**31 or len(self.languages) > 64:
            raise ParallelDataError(
                f"{self.starts[-1]:,} rows in {len(self.languages)} languages; at most 2^31 rows "
                "and 64 languages are supported"
            )
        if len({corpus.negatives for corpus in self.corpora}) > 1:
            raise ParallelDataError(
                "corpora carry different numbers of hard negatives: "
                f"{ {corpus.name: corpus.negatives for corpus in self.corpora} }; choose one"
            )

    def _checked_weights(self, weights: Mapping[str, float] | None) -> dict[str, float] | None:
        if weights is None:
            return None
        names = {corpus.name for corpus in self.corpora}
        if set(weights) != names or any(not weight > 0 for weight in weights.values()):
            raise ParallelDataError(
                f"weights {dict(weights)} must give a positive number for each of {sorted(names)}"
            )
        total = sum(weights.values())
        return {corpus.name: weights[corpus.name] / total for corpus in self.corpora}

    @property
    def digest(self) -> str:
        """Fingerprint of the content, for comparing the data of a checkpoint with this."""
        digest = hashlib.sha256("".join(corpus.digest for corpus in self.corpora).encode())
        if self.rows is not None:
            digest.update(self.rows.tobytes())
        return digest.hexdigest()[:16]

    def locate(self, row: int) -> tuple[Corpus, int]:
        """The corpus of a row, and its position there."""
        return _locate(self.corpora, self.starts, self.corpus_row(row))

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

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, str]]:
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
        rows = [self._texts(self.example(key)) for key in keys]
        # A trainer of several data sets wraps the transform, to tell losses where a batch is from.
        name = getattr(self._format_kwargs["transform"], "keywords", {}).get("dataset_name")
        return rows if name is None else [{**row, "dataset_name": name} for row in rows]

    def _texts(self, example: Example) -> dict[str, str]:
        corpus, row = self.locate(example.row)
        return _texts(
            corpus,
            row,
            self.languages[example.query_language],
            self.languages[example.passage_language],
        )

    def select(self, indices: Iterable[int], *args: Any, **kwargs: Any) -> "ParallelDataset":
        """Keep some rows, in the order given; the arguments are those of `datasets.Dataset`."""
        chosen = super().select(indices, *args, **kwargs)
        rows = chosen.with_format("numpy", columns=[ROW])[:][ROW]
        return ParallelDataset(self.corpora, self.weights, np.asarray(rows, dtype=np.int64))

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
        located = [self.locate(row) for row in range(len(self))]
        groups = [(corpus.name, corpus.group(row)) for corpus, row in located]
        distinct = sorted(set(groups))
        held_out = int(test_size if test_size >= 1 else round(test_size * len(distinct)))
        if not 0 < held_out < len(distinct):
            raise ParallelDataError(
                f"test_size={test_size} of {len(distinct)} groups leaves a part empty"
            )
        order = np.random.default_rng(seed).permutation(len(distinct))
        test = {distinct[position] for position in order[:held_out]}
        is_test = np.array([group in test for group in groups])
        return DatasetDict(
            train=self.select(np.flatnonzero(~is_test)), test=self.select(np.flatnonzero(is_test))
        )

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


def _locate(corpora: tuple[Corpus, ...], starts: Ints, row: int) -> tuple[Corpus, int]:
    if len(corpora) == 1:
        return corpora[0], row
    position = int(np.searchsorted(starts, row, side="right")) - 1
    return corpora[position], row - int(starts[position])


def _texts(corpus: Corpus, row: int, query: str, passage: str) -> dict[str, str]:
    texts = {
        "query": corpus.text("query", query, row),
        "passage": corpus.text("passage", passage, row),
    }
    if corpus.negatives:
        negatives = corpus.negative_texts(passage, row)
        texts |= {f"negative_{n}": text for n, text in enumerate(negatives, start=1)}
    return texts


def _first_languages(
    corpora: tuple[Corpus, ...], starts: Ints, batch: Mapping[str, Sequence[int]]
) -> dict[str, list[str]]:
    """The transform behind plain reading: each row in its first pair of languages."""
    rows = []
    for position in batch[ROW]:
        corpus, row = _locate(corpora, starts, position)
        query, passage = corpus.first_pair(row)
        rows.append(_texts(corpus, row, query, passage))
    return {column: [row[column] for row in rows] for column in rows[0]} if rows else {}
