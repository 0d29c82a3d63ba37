"""The loss of a run, and whether the data have the labels that it learns from."""

from functools import partial
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    CoSENTLoss,
    DistillKLDivLoss,
    MarginMSELoss,
    MSELoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.util import pairwise_cos_sim

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.training.labels import LABELS, label_shape

LEARNS_FROM = {
    "cosent": "a score of every pair, one number",
    "margin-mse": "a teacher's scores of the passage and of each negative, {lists} numbers, or "
    "their differences, {negatives}; `mteb-hybrid teach --scores {negatives}` makes them",
    "distill-kl": "a teacher's scores of the passage and of each negative, {lists} numbers; "
    "`mteb-hybrid teach --scores {negatives}` makes them",
    "mse": "a teacher's vectors of question and passage, or one vector for both; `mteb-hybrid "
    "teach` makes them",
}
"""What the losses with labels learn from; all others take no labels."""


def check_labels(recipe: Recipe, data: ParallelDataset) -> None:
    """Refuse data without the labels that the loss learns from, or with labels that it ignores.

    Raises:
        ParallelDataError: If they are such.
    """
    loss = recipe.training.loss
    for corpus, entry in zip(data.corpora, recipe.data, strict=True):
        where, column = f"data {entry.name!r} ({entry.path})", corpus.label_column
        if loss not in LEARNS_FROM:
            if column:
                raise ParallelDataError(
                    f"{where}: has labels, {column!r}, which loss = {loss!r} ignores; "
                    f"choose data without them, or one of the losses {', '.join(LEARNS_FROM)}"
                )
            continue
        shape = label_shape(corpus.table.column(column)) if column else None
        if not _fits(loss, shape, entry.negatives):
            found = f"{column!r} of shape {shape}" if column else f"none of {', '.join(LABELS)}"
            wanted = LEARNS_FROM[loss].format(negatives=entry.negatives, lists=entry.negatives + 1)
            raise ParallelDataError(f"{where}: loss = {loss!r} learns from {wanted}; found {found}")


def _fits(loss: str, shape: tuple[int, ...] | None, negatives: int) -> bool:
    """Whether labels of a shape are what a loss learns from."""
    if shape is None:
        return False
    match loss:
        case "cosent":
            return not shape
        case "margin-mse":
            return shape in {(negatives,), (negatives + 1,)} or (not shape and negatives == 1)
        case "distill-kl":
            return shape == (negatives + 1,)
    return len(shape) == 1 or (len(shape) == 2 and shape[0] == 2)


def check_vectors(recipe: Recipe, data: ParallelDataset, model: SentenceTransformer) -> None:
    """Refuse a teacher's vectors that a student cannot have.

    Raises:
        ModelError: If they are of another width.
    """
    width = model.get_embedding_dimension()
    for corpus in data.corpora if recipe.training.loss == "mse" else ():
        (*_, found) = label_shape(corpus.table.column(corpus.label_column))
        if found != width:
            raise ModelError(
                f"data {corpus.name!r} has vectors of {found} numbers, and {recipe.model.name} "
                f"makes {width}; choose a teacher of that width, or loss = 'distill-kl' with the "
                "scores of any (`mteb-hybrid teach --scores N`)"
            )


def scaled_cosine(first: torch.Tensor, second: torch.Tensor, *, scale: float) -> torch.Tensor:
    """Cosine similarities of pairs, times a number.

    Args:
        first: Shape (N, dimensions).
        second: The same.
        scale: The number.

    Returns:
        Shape (N,).
    """
    return scale * pairwise_cos_sim(first, second)


def make_loss(recipe: Recipe, model: SentenceTransformer) -> torch.nn.Module:
    """The loss of a recipe, over cosine similarities or vectors."""
    training = recipe.training
    scale: Any = training.scale
    similarity = partial(scaled_cosine, scale=scale)
    match training.loss:
        case "multiple-negatives":
            return MultipleNegativesRankingLoss(model, scale=scale)
        case "cached-multiple-negatives":
            return CachedMultipleNegativesRankingLoss(
                model, scale=scale, mini_batch_size=training.mini_batch or 0
            )
        case "cosent":
            return CoSENTLoss(model, scale=scale)
        case "margin-mse":
            return MarginMSELoss(model, similarity_fct=similarity)
        case "distill-kl":
            return DistillKLDivLoss(
                model, similarity_fct=similarity, temperature=training.temperature or 1.0
            )
    return MSELoss(model)
