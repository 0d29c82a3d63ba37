"""The table ``[batches]`` of a recipe: what batches consist of."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.recipes.table import Table


class Batches(Table):
    """What batches consist of; see `BatchPlan` for all but the first two.

    Attributes:
        size: Examples per batch and device.
        gradient_accumulation: Batches per optimizer step.
        method: ``hybrid``, ``mixed`` or ``shuffle``.
        alpha: Probability of a monolingual batch, or points of a schedule.
        language_weights: How the language of a monolingual batch is drawn.
        crosslingual: Whether a cross-lingual batch mixes pairs or has one.
    """

    size: Annotated[int, Field(ge=2)]
    gradient_accumulation: PositiveInt = 1
    method: Literal["hybrid", "mixed", "shuffle"] = "hybrid"
    alpha: float | list[list[float]] = 0.5
    language_weights: Literal["uniform", "size"] | float = "uniform"
    crosslingual: Literal["mixed", "pair"] = "mixed"

    @model_validator(mode="after")
    def _has_a_plan(self) -> "Batches":
        self.plan(None)
        return self

    def plan(self, languages: tuple[str, ...] | None) -> BatchPlan:
        """The plan of the batch sampler."""
        weights, pairs = self.language_weights, self.crosslingual
        return BatchPlan(self.method, self.alpha, weights, pairs, languages)
