"""sentence-transformers' own miner, on vectors made before and without what may be no negative."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from datasets import Dataset
from sentence_transformers.util import mine_hard_negatives

from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.precompute.model import TextModel
from mteb_hybrid.training.precompute.work import Floats, PrecomputeError

BLOCK = 2**26
"""Scores in memory at once: 256 MB."""


@dataclass(frozen=True)
class Choice:
    """Which candidates become negatives: options of `mine_hard_negatives`, which has their story.

    Attributes:
        num_negatives: Per example.
        range_min: How many of the nearest are passed over.
        range_max: How many of the nearest are looked at; by default as the miner chooses.
        max_score: Highest similarity.
        min_score: Lowest similarity.
        absolute_margin: How far below the positive's similarity at least.
        relative_margin: The same, as a share of the positive's.
        sampling_strategy: The nearest of what is left, or some at random.

    Raises:
        PrecomputeError: If the range is narrower than the negatives are many.
    """

    num_negatives: int = 3
    range_min: int = 0
    range_max: int | None = None
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    sampling_strategy: Literal["top", "random"] = "top"

    def __post_init__(self) -> None:
        """Check the range before anything is encoded."""
        if self.range_max is not None and self.range_max - self.range_min < self.num_negatives:
            raise PrecomputeError(
                f"range_max {self.range_max} leaves {self.range_max - self.range_min} candidates "
                f"behind range_min {self.range_min}; expected at least as many as negatives, "
                f"{self.num_negatives}: raise range_max"
            )


@dataclass
class Texts:
    """Texts, their vectors of unit length, and what belongs together.

    Attributes:
        vectors: Shape (N, D).
        labels: Shape (N,); a passage is no negative for a query with the same.
        places: The position of each text.
    """

    vectors: Floats
    labels: Ints
    places: Mapping[str, int]

    def take(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors and labels of some texts."""
        rows = [self.places[text] for text in texts]
        vectors = torch.nn.functional.normalize(torch.from_numpy(self.vectors[rows]))
        return vectors, torch.from_numpy(self.labels[rows])


class _Prepared:
    """What the miner takes for a model: it asks for vectors, then for similarities in blocks."""

    def __init__(self, model: TextModel, queries: Texts, passages: Texts, in_pool: int) -> None:
        self.device = model.device
        self.similarity_pairwise = model.similarity_pairwise
        self._model, self._queries, self._passages = model, queries, passages
        self._in_pool = in_pool
        self._start = 0

    def encode_query(self, texts: Sequence[str], **_: Any) -> torch.Tensor:
        vectors, labels = self._queries.take(texts)
        self._of_queries = labels.to(self.device)
        return vectors.to(self.device)

    def encode_document(self, texts: Sequence[str], **_: Any) -> torch.Tensor:
        vectors, labels = self._passages.take(texts)
        # The miner adds the positives to its pool; those of other languages stay out of ours.
        labels[self._in_pool :] = -1
        self._of_passages = labels.to(self.device)
        return vectors.to(self.device)

    def similarity(self, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
        block = self._of_queries[self._start : self._start + len(queries)]
        self._start += len(queries)
        together = block[:, None] == self._of_passages[None, :]
        scores = self._model.similarity(queries, passages)
        return scores.masked_fill(together | (self._of_passages < 0), -torch.inf)


def search(
    model: TextModel,
    pairs: Sequence[tuple[str, str]],
    pool: Sequence[str],
    queries: Texts,
    passages: Texts,
    choice: Choice,
    seed: str,
) -> dict[str, list[str]]:
    """Find hard negatives by exact search.

    Args:
        model: The model of the vectors.
        pairs: Questions and their passages.
        pool: Distinct passages that may become negatives.
        queries: What is known of the questions.
        passages: What is known of the passages of pairs and pool.
        choice: Which candidates become negatives.
        seed: Decides what is drawn at random.

    Returns:
        The negatives of each question, the nearest first; fewer than asked for, or no entry, where
        there are not enough.
    """
    random.seed(seed)  # the miner draws from it
    found = mine_hard_negatives(
        Dataset.from_dict({"query": [q for q, _ in pairs], "passage": [p for _, p in pairs]}),
        _Prepared(model, queries, passages, len(pool)),  # type: ignore[arg-type]
        corpus=list(pool),
        output_format="labeled-list",
        faiss_batch_size=max(1, BLOCK // (len(pool) + len(pairs))),
        verbose=False,
        **asdict(choice),
    )
    return {query: texts[1:] for query, texts in zip(found["query"], found["passage"], strict=True)}
