"""The rows of a corpus that can serve by a plan, read from its columns without its texts."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.recipes.plan import BatchPlan, Floats
from mteb_hybrid.training.batches.assignment import Rows, sizes_among
from mteb_hybrid.training.batches.kinds import Kind, kinds_of
from mteb_hybrid.training.corpus import Corpus, Ints, Masks
from mteb_hybrid.training.dataset import ParallelDataset


@dataclass(frozen=True)
class Links:
    """The groups that each row has among its hard negatives.

    Attributes:
        starts: Shape (N + 1,), where the groups of each row begin.
        groups: Shape (links,).
    """

    starts: Ints
    groups: Rows

    def of(self, row: int) -> Rows:
        """The groups of one row."""
        return self.groups[self.starts[row] : self.starts[row + 1]]

    def of_all(self, rows: Rows) -> tuple[Ints, Rows]:
        """The groups of some rows, one after another, each with the place of its row."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        places = np.repeat(np.arange(len(rows)), lengths)
        ends = np.cumsum(lengths)
        within = np.arange(len(places)) - np.repeat(ends - lengths, lengths)
        return places, self.groups[self.starts[rows][places] + within]


@dataclass(frozen=True)
class Serving:
    """The rows of a corpus that can serve.

    Attributes:
        name: The corpus.
        rows: Shape (N,), positions in the dataset.
        queries: Shape (N,), languages of the question.
        passages: Shape (N,), languages of the passage.
        groups: Shape (N,), from 0.
        links: Groups among the hard negatives of each row; None if there are none.
        kinds: Kinds of batches that some rows fit.
        weights: Shape (kinds,), their shares among the kinds of their side.
        unfit: How many more rows there are, which can serve in no batch.
    """

    name: str
    rows: Rows
    queries: Masks
    passages: Masks
    groups: Rows
    links: Links | None
    kinds: list[Kind]
    weights: Floats
    unfit: int

    @property
    def crosslingual(self) -> npt.NDArray[np.bool_]:
        """Shape (kinds,): which kinds are cross-lingual."""
        return np.array([kind.is_crosslingual for kind in self.kinds], dtype=bool)

    def languages(self, rows: Any) -> tuple[Masks, Masks]:
        """Languages of the questions and the passages of some rows."""
        return self.queries[rows], self.passages[rows]

    def draw(self, alphas: Floats, random: np.random.Generator) -> Ints:
        """Draw the kind of each batch, as if there were rows for all.

        Args:
            alphas: Shape (B,), the probability that each is monolingual.
            random: Source of chance.

        Returns:
            Shape (B,), positions in `kinds`.
        """
        chances = random.random((2, len(alphas)))
        crosslingual = chances[0] >= alphas
        sides = np.unique(self.crosslingual)
        if len(sides) == 1:
            crosslingual[:] = sides[0]
        drawn = np.zeros(len(alphas), dtype=np.int64)
        for side in sides:
            own = np.flatnonzero(self.crosslingual == side)
            edges = np.cumsum(self.weights[own])
            places = np.searchsorted(edges, chances[1] * edges[-1], "right")
            drawn = np.where(crosslingual == side, own[np.minimum(places, len(own) - 1)], drawn)
        return drawn

    @cached_property
    def group_sizes(self) -> Ints:
        """Shape (groups,), rows of each group."""
        return np.bincount(self.groups)

    def apart(self, enough: int) -> int:
        """The most rows of different groups that some kind has, or more than is enough."""
        most = 0
        for kind in self.kinds:
            own = self.groups[kind.allowed(self.queries, self.passages)]
            most = max(most, len(sizes_among(own, self.group_sizes)))
            if most >= enough:
                break
        return most


def read_serving(dataset: ParallelDataset, position: int, plan: BatchPlan) -> Serving:
    """Find the rows of one corpus of a dataset that can serve, and in what.

    Args:
        dataset: The data.
        position: Which of its corpora.
        plan: What batches consist of.
    """
    corpus = dataset.corpora[position]
    places, own = _own_rows(dataset, position)
    queries, passages = (
        _masks(corpus, role, dataset.languages, plan)[own] for role in ("query", "passage")
    )
    kinds = kinds_of(plan, len(dataset.languages), queries, passages)
    fits = np.zeros(len(queries), dtype=bool)
    sizes = []
    for kind in kinds:
        allowed = kind.allowed(queries, passages)
        sizes.append(np.count_nonzero(allowed))
        fits |= allowed
    if not fits.all():
        places, own = places[fits], np.arange(len(corpus), dtype=np.int32)[own][fits]
        queries, passages = queries[fits], passages[fits]
    numbers = pa.array(corpus.groups()[own]).dictionary_encode()
    return Serving(
        corpus.name,
        places,
        queries,
        passages,
        np.asarray(numbers.indices),
        _links(corpus, own, numbers),
        kinds,
        _weights(plan, kinds, np.array(sizes, dtype=np.float64)),
        int(np.count_nonzero(~fits)),
    )


def _own_rows(dataset: ParallelDataset, position: int) -> tuple[Rows, Any]:
    """The rows of a corpus, as positions in the dataset, and in the corpus."""
    start, end = (int(edge) for edge in dataset.starts[position : position + 2])
    if dataset.rows is None:
        return np.arange(start, end, dtype=np.int32), slice(None)
    places = np.flatnonzero((dataset.rows >= start) & (dataset.rows < end)).astype(np.int32)
    return places, dataset.rows[places] - start


def _masks(corpus: Corpus, role: str, languages: tuple[str, ...], plan: BatchPlan) -> Masks:
    masks = corpus.masks(role, languages)
    if plan.languages is None:
        return masks
    chosen = sum(1 << languages.index(code) for code in set(plan.languages))
    return masks & masks.dtype.type(chosen)


def _weights(plan: BatchPlan, kinds: list[Kind], sizes: Floats) -> Floats:
    weights = np.zeros(len(kinds))
    crosslingual = np.array([kind.is_crosslingual for kind in kinds], dtype=bool)
    for side in (crosslingual, ~crosslingual):
        weights[side] = plan.weights(sizes[side])
    return weights


def _links(corpus: Corpus, own: Any, numbers: pa.DictionaryArray) -> Links | None:
    """The hard negatives that are passages of other rows that serve."""
    found = corpus.all_negative_groups()
    if found is None:
        return None
    lengths, values = found
    indices = pc.index_in(pa.array(values), value_set=numbers.dictionary)
    of_corpus = Links(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.asarray(indices.fill_null(-1)).astype(np.int32),
    )
    # By rows that serve, since a selection may have a row of the corpus several times.
    serving, groups = of_corpus.of_all(np.arange(len(lengths), dtype=np.int32)[own])
    keep = (groups >= 0) & (np.asarray(numbers.indices)[serving] != groups)
    if not keep.any():
        return None
    counts = np.bincount(serving[keep], minlength=len(numbers))
    return Links(np.concatenate([[0], np.cumsum(counts)]), groups[keep])
