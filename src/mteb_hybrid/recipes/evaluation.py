"""The table ``[evaluation]`` of a recipe: what is measured while training."""

from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, PositiveInt, model_validator

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.recipes.table import Table


def _known_collection(name: str) -> str:
    collection_card(name)
    return name


CollectionName = Annotated[str, AfterValidator(_known_collection)]


class Evaluation(Table):
    """Evaluation while training, by `ParallelRetrievalEvaluator`.

    Attributes:
        collection: Name of a collection, as in ``xquad-r``. It may not be trained on.
        every: Steps between evaluations; there is one before the first step, too.
        max_groups: Evaluate on that many groups of parallel queries, drawn at random.
        metric: What decides which checkpoint is best.
        patience: Stop after that many evaluations without a better one, and keep the best
            checkpoint; by default the last weights are kept.
        keep_monolingual_within: How far below the untrained model's monolingual map the best
            checkpoint may be, as in 0.005. Goes with `patience` and `multilingual_map`.
    """

    collection: CollectionName
    every: PositiveInt
    max_groups: PositiveInt | None = None
    metric: Literal["monolingual_map", "crosslingual_map", "multilingual_map", "rank_distance"] = (
        "multilingual_map"
    )
    patience: PositiveInt | None = None
    keep_monolingual_within: NonNegativeFloat | None = None

    @model_validator(mode="after")
    def _keeps_the_best(self) -> "Evaluation":
        chooses = self.patience is not None and self.metric == "multilingual_map"
        if self.keep_monolingual_within is not None and not chooses:
            raise ValueError(
                "keep_monolingual_within restricts which checkpoint is best: give patience, and "
                "leave metric at 'multilingual_map'"
            )
        return self
