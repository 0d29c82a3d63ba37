"""How fast this device is: a step of training and some encoding, with a recipe's own model.

A model that is not at hand is taken to be slower than the offline encoder by as much as it has more
parameters beside its embeddings, as MTEB's metadata have them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.models.speed import not_at_hand, time_encoding, times_slower
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.recipes.model import Model
from mteb_hybrid.recipes.recipe import Recipe

PAIRS = 16
"""Pairs of a step; that of more is taken to be longer by as much as they are more."""

STAND_IN = Data(name="sample", format="collection", path="sample")
"""What is trained on where the data are not at hand."""


@dataclass(frozen=True)
class Speed:
    """How long a recipe takes on this device.

    Attributes:
        step: Seconds of a training step.
        text: Seconds per text that is encoded.
        notes: What was measured instead, where the real thing is not at hand.
    """

    step: float
    text: float
    notes: tuple[str, ...] = ()


def probe(recipe: Recipe, texts: Sequence[str], *, trains: bool) -> Speed | None:
    """Measure how fast a recipe's model is.

    Args:
        recipe: The recipe.
        texts: Some texts that are encoded later.
        trains: Whether a step is measured too.

    Returns:
        The speed; None if neither the model nor what is known of it is at hand.
    """
    import datasets
    from transformers.utils import logging

    from mteb_hybrid.training.run.build import load_model

    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    notes: list[str] = []
    ratio = 1.0
    try:
        model = load_model(recipe, local_files_only=True)
    except (OSError, ValueError):
        found = times_slower(recipe.model.name)
        if found is None:
            return None
        ratio = found
        notes.append(not_at_hand(recipe.model.name, ratio))
        recipe = recipe.model_copy(update={"model": _offline(recipe.model)})
        model = load_model(recipe, local_files_only=True)
    step = _step(recipe, model, notes) if trains else 0.0
    model.eval()
    timed = time_encoding(lambda some: model.encode(some, batch_size=32), texts)
    return Speed(step * ratio, timed.seconds / timed.texts * ratio, tuple(notes))


def _offline(model: Model) -> Model:
    return Model(
        name=MODEL_NAME,
        max_seq_length=model.max_seq_length,
        query_prompt=model.query_prompt,
        passage_prompt=model.passage_prompt,
        freeze=["embeddings.word_embeddings"],
    )


def _step(recipe: Recipe, model: Any, notes: list[str]) -> float:
    """Seconds of a step forwards and backwards, on real batches where the data are at hand."""
    from transformers import PrinterCallback

    from mteb_hybrid.training.batches.callback import HybridBatchCallback
    from mteb_hybrid.training.run.build import load_data, make_arguments
    from mteb_hybrid.training.run.loss import make_loss
    from mteb_hybrid.training.run.precision import choose_precision
    from mteb_hybrid.training.run.trainer import RunTrainer

    try:
        data = load_data(recipe)
    except (OSError, ValueError):
        notes.append("training data are not at hand: a step was measured on the sample's texts")
        recipe = recipe.model_copy(update={"data": [STAND_IN]})
        data = load_data(recipe)
    plan, size = recipe.batches, min(recipe.batches.size, PAIRS, len(data) // 2)
    recipe = recipe.model_copy(
        update={"batches": plan.model_copy(update={"size": size}), "evaluation": None}
    )
    model.model_card_data.widget = [{"text": "none are looked for, with a bar of progress"}]
    with TemporaryDirectory() as folder:
        precision = choose_precision(recipe.training.precision).name
        trainer = RunTrainer(
            model=model,
            args=make_arguments(recipe, Path(folder), precision),
            train_dataset=data,
            loss=make_loss(recipe, model),
            callbacks=[
                HybridBatchCallback(
                    plan.alpha,
                    method=plan.method,
                    language_weights=plan.language_weights,
                    crosslingual=plan.crosslingual,
                    languages=tuple(recipe.languages),
                )
            ],
        )
        trainer.remove_callback(PrinterCallback)
        times = []
        for number, batch in enumerate(trainer.get_train_dataloader()):
            began = time.perf_counter()
            inputs: Any = trainer._prepare_inputs(batch)
            loss: Any = trainer.compute_loss(trainer.model, inputs)
            loss.backward()
            times.append(time.perf_counter() - began)
            if number == 1:
                break
    more = plan.size / size * plan.gradient_accumulation
    if more > 1:
        notes.append(
            f"a step of {size} pairs was measured: one of {plan.size} is taken to be {more:.1f} "
            "times as long"
        )
    return min(times) * more
