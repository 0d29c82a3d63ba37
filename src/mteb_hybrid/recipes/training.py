"""The table ``[training]`` of a recipe: loss and optimisation."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from mteb_hybrid.recipes.table import Table

OPTIONS: dict[str, dict[str, float]] = {
    "multiple-negatives": {"scale": 20.0},
    "cached-multiple-negatives": {"scale": 20.0},
    "cosent": {"scale": 20.0},
    "margin-mse": {"scale": 1.0},
    "distill-kl": {"scale": 1.0, "temperature": 1.0},
    "mse": {},
}
"""The numbers that each loss takes, with their defaults."""


class Training(Table):
    """The optimisation: AdamW, with a learning rate that falls linearly to zero.

    Attributes:
        loss: Of sentence-transformers; ``cached`` for batches that do not fit into memory. All but
            the ``multiple-negatives`` learn from labels of the data: ``cosent`` from the score of
            each pair, ``margin-mse`` and ``distill-kl`` from a teacher's scores of passage and
            negatives, ``mse`` from its vectors.
        scale: Cosine similarities are multiplied by it: 20 by default, and 1 for ``margin-mse`` and
            ``distill-kl``, whose teacher's scores it makes comparable. Not for ``mse``.
        temperature: For ``distill-kl``: the scores of both, teacher and student, are divided by
            it; 1 by default.
        mini_batch: For the cached loss: texts that go through the model at once.
        learning_rate: At its highest.
        weight_decay: Of AdamW.
        max_tokens: Longer texts are cut there, in training alone: evaluations and the trained model
            read what the model reads.
        warmup: Share of the steps in which the learning rate rises.
        max_steps: Optimizer steps. Either this or `epochs`.
        epochs: Passes over the data; fractions are allowed.
        interpolate: Keep the model that lies this share of the way from the untrained parameters
            to the trained ones (WiSE-FT, arXiv:2109.01903); not with LoRA.
        seed: Of everything that is drawn.
        precision: ``bf16`` and ``fp16`` are autocast; parameters stay float32. ``auto`` is bf16
            where the device computes it natively, else fp32.
        save_steps: Steps between checkpoints; without it, only the trained model is kept, and
            an interrupted run begins again.
        logging_steps: Steps between entries of the log.
    """

    loss: Literal[
        "multiple-negatives",
        "cached-multiple-negatives",
        "cosent",
        "margin-mse",
        "distill-kl",
        "mse",
    ] = "multiple-negatives"
    scale: PositiveFloat | None = None
    temperature: PositiveFloat | None = None
    mini_batch: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_steps: PositiveInt | None = None
    epochs: PositiveFloat | None = None
    interpolate: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: NonNegativeInt = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    save_steps: PositiveInt | None = None
    logging_steps: PositiveInt = 10

    @model_validator(mode="before")
    @classmethod
    def _with_defaults_of_the_loss(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        defaults = OPTIONS.get(str(given.get("loss", "multiple-negatives")), {})
        return {**defaults, **given}

    @model_validator(mode="after")
    def _one_length(self) -> "Training":
        if (self.max_steps is None) == (self.epochs is None):
            raise ValueError("give either max_steps or epochs (`--set training.epochs=` unsets it)")
        return self

    @model_validator(mode="after")
    def _fits_loss(self) -> "Training":
        if (self.mini_batch is None) == self.loss.startswith("cached"):
            raise ValueError("mini_batch goes with loss = 'cached-multiple-negatives', and only it")
        for key in ("scale", "temperature"):
            if getattr(self, key) is not None and key not in OPTIONS[self.loss]:
                raise ValueError(
                    f"loss = {self.loss!r} takes no {key}: remove that key "
                    f"(`--set training.{key}=` unsets it)"
                )
        return self

    @property
    def loss_in_words(self) -> str:
        """The loss with its numbers, such as ``distill-kl, scale 20, temperature 1``."""
        numbers = [f"{key} {getattr(self, key):g}" for key in OPTIONS[self.loss]]
        return ", ".join([self.loss, *numbers])
