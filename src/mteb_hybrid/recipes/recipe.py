"""Training recipes: TOML files that declare one training run each. They hold no code.

Nothing here imports torch or mteb, so that listing and checking recipes stays fast.
"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.tables import EachLanguageOnce, LanguageCode
from mteb_hybrid.cards.tasks import collection_tasks, same_texts
from mteb_hybrid.languages.codes import iso_language, macrolanguage
from mteb_hybrid.recipes.batches import Batches
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.recipes.evaluation import Evaluation
from mteb_hybrid.recipes.model import Model
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.recipes.table import ShortCode, Table
from mteb_hybrid.recipes.training import Training


class Recipe(Table):
    """One training run, declared in ``models/NAME.toml``.

    Attributes:
        name: Names the run and the trained model.
        title: Its name in tables.
        description: A few sentences.
        languages: Short code to ISO code, as in ``zh = "zho-Hans"``: those that are trained on.
        model: What training starts from.
        data: What it trains on.
        batches: What batches consist of.
        training: The optimisation.
        evaluation: Evaluation while training.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    title: str
    description: str
    languages: Annotated[dict[ShortCode, LanguageCode], Field(min_length=1), EachLanguageOnce]
    model: Model
    data: Annotated[list[Data], Field(min_length=1)]
    batches: Batches
    training: Training
    evaluation: Evaluation | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Recipe":
        for check in CHECKS:
            check(self)
        return self

    @property
    def plan(self) -> BatchPlan:
        """The plan of the batch sampler."""
        return self.batches.plan(tuple(self.languages))

    def settings(self) -> dict[str, Any]:
        """All keys that have a value, defaults included: the resolved recipe."""
        return self.model_dump(exclude_none=True)


def _check_languages(recipe: Recipe) -> None:
    for short, code in recipe.languages.items():
        known = iso_language(short)
        if macrolanguage(known.alpha_3) != macrolanguage(code):
            raise ValueError(f"key 'languages.{short}': {short} is {known.name}, not {code}")
    for data in recipe.data:
        if unknown := set(data.languages or ()) - set(recipe.languages):
            raise ValueError(
                f"data {data.name!r}: language {', '.join(sorted(unknown))} is not among the "
                f"recipe's languages {', '.join(recipe.languages)}"
            )


def _check_data(recipe: Recipe) -> None:
    names = [data.name for data in recipe.data]
    if len(set(names)) < len(names):
        raise ValueError(f"data needs different names, found {', '.join(names)}")
    if len({data.weight is None for data in recipe.data}) > 1:
        raise ValueError("data: give every corpus a weight, or none")
    if recipe.batches.method == "shuffle" and recipe.data[0].weight is not None:
        raise ValueError(
            "data: method = 'shuffle' takes every translation once, whatever the weights: remove "
            "weight from data, or choose another batches.method"
        )


def _check_held_out(recipe: Recipe) -> None:
    if recipe.evaluation is None:
        return
    held_out = recipe.evaluation.collection
    texts = collection_card(held_out)
    for data in recipe.data:
        same = data.format == "collection" and same_texts(collection_card(data.path), texts)
        shared = set(data.tasks() or ()) & set(collection_tasks(held_out))
        if same or shared:
            raise ValueError(
                f"data {data.name!r} has the texts of {held_out}, which evaluation.collection "
                "holds out: never train on what is evaluated, choose another of the two"
            )


def _check_steps(recipe: Recipe) -> None:
    evaluation, save_steps = recipe.evaluation, recipe.training.save_steps
    if evaluation and evaluation.patience and save_steps != evaluation.every:
        raise ValueError(
            f"evaluation.patience needs training.save_steps ({save_steps}) to be evaluation.every "
            f"({evaluation.every}), so that the best checkpoint is at hand"
        )


def _check_loss(recipe: Recipe) -> None:
    loss = recipe.training.loss
    for data in recipe.data:
        if loss in ("cosent", "mse") and data.negatives:
            raise ValueError(
                f"data {data.name!r}: loss = {loss!r} takes a question and its passage alone: "
                "remove negatives"
            )
        if loss in ("margin-mse", "distill-kl") and not data.negatives:
            raise ValueError(
                f"data {data.name!r}: loss = {loss!r} learns a teacher's scores of hard negatives: "
                "give the output of `mteb-hybrid teach --scores N`, and negatives = N"
            )


def _check_interpolation(recipe: Recipe) -> None:
    if recipe.training.interpolate < 1 and recipe.model.lora is not None:
        raise ValueError(
            "training.interpolate mixes the model's own parameters before and after training, and "
            "model.lora trains none of them: remove one of the two (a weaker adapter has a smaller "
            "model.lora.alpha)"
        )


CHECKS = (
    _check_languages,
    _check_data,
    _check_held_out,
    _check_steps,
    _check_loss,
    _check_interpolation,
)
