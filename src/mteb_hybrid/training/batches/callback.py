"""The one line that a training script adds: ``callbacks=[HybridBatchCallback()]``."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback
from transformers.trainer_callback import ExportableState

from mteb_hybrid.recipes.plan import AlphaSchedule, BatchPlan, plain_number
from mteb_hybrid.training.batches.card_section import add_section
from mteb_hybrid.training.batches.error import HybridBatchError as HybridBatchError
from mteb_hybrid.training.batches.fingerprint import check_resumable, fingerprint
from mteb_hybrid.training.batches.install import (
    Found,
    check_evaluation,
    check_parts,
    find_sampler,
    install,
    install_several,
)
from mteb_hybrid.training.batches.prompts import check_names, check_pair_prompts, settle
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.batches.several import SeveralDatasetsSampler
from mteb_hybrid.training.batches.tally import Tally
from mteb_hybrid.training.dataset import ParallelDataset


class HybridBatchCallback(TrainerCallback, ExportableState):
    """Trains on hybrid batches (arXiv:2408.10536).

    Pass it to the constructor of a sentence-transformers trainer whose `train_dataset` is a
    `ParallelDataset`, or a dictionary of data sets with one or more of them: the others keep the
    sampler that the trainer's arguments name. It installs the batch sampler, makes the prompts of
    training and those of the model agree, logs what batches consisted of, keeps its settings in
    checkpoints so that a resumed run goes on exactly, and describes itself in the model card.

    The trainer's log gets, beside each loss, ``hybrid/alpha`` and ``hybrid/monolingual`` (the
    share of monolingual batches among the hybrid ones so far); W&B, TensorBoard, Trackio and the
    like, and the log of the trainer's state, also get ``hybrid/pairs/xx-yy``, the examples so far
    of each language pair, over all processes. With several data sets they get
    ``hybrid/examples/NAME`` too, with several parallel ones ``hybrid/pairs/NAME/xx-yy``.

    Args:
        alpha: Probability of a monolingual batch: 1 is the X-X baseline, 0 is X-Y. Or points of a
            schedule, ``[[0, 1.0], [1000, 0.5]]``: linear between these optimizer steps.
        method: See `BatchPlan`, like all that follow but the last.
        language_weights: How the language of a monolingual batch is drawn.
        crosslingual: Whether a cross-lingual batch mixes pairs or has one.
        languages: Use only these.
        dataset_weights: Share of the batches of each of several data sets, by name; by default
            the rule of ``args.multi_dataset_batch_sampler``, in proportion to their sizes.

    Raises:
        ValueError: If a setting is of another type or out of range.
    """

    def __init__(
        self,
        alpha: AlphaSchedule = 0.5,
        *,
        method: Literal["hybrid", "mixed", "shuffle"] = "hybrid",
        language_weights: Literal["uniform", "size"] | float = "uniform",
        crosslingual: Literal["mixed", "pair"] = "mixed",
        languages: Sequence[str] | None = None,
        dataset_weights: Mapping[str, float] | None = None,
    ) -> None:
        self.plan = BatchPlan(method, alpha, language_weights, crosslingual, languages)
        self.dataset_weights = _plain_weights(dataset_weights)
        self._installed = False
        self._fingerprint: dict[str, Any] = {}
        self._counts: dict[str, Any] = {}
        self._tally = Tally()
        self._sampler: Found | None = None
        self._parts: dict[str, Any] = {}
        self._prompts: dict[str, str] = {}
        self._trainer: Trainer | None = None
        self._epoch = 0
        self._group = 0

    def _settings(self) -> dict[str, Any]:
        weights = {} if self.dataset_weights is None else {"dataset_weights": self.dataset_weights}
        return {**self.plan.settings(), **weights}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps (the trainer's `ExportableState`)."""
        return {
            "args": self._settings(),
            "attributes": {
                "_installed": self._installed,
                "_fingerprint": self._fingerprint,
                "_counts": self._tally.plain(),
            },
        }

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Install the sampler, before the trainer builds its data loader."""
        install(args, self.plan)
        self._trainer = _calling_trainer()
        if self._trainer is not None:
            install_several(args, self._trainer.train_dataset, self.dataset_weights)
            self._settle_prompts(args, self._trainer.data_collator, kwargs.get("model"))
        self._installed = True

    def _settle_prompts(self, args: Any, collator: Any, model: Any) -> None:
        """Make the prompts of training and those of the model agree."""
        if not hasattr(collator, "prompts") or getattr(model, "prompts", None) is None:
            return  # a collator or a model with ways of its own
        train = getattr(self._trainer, "train_dataset", None)
        evaluated = getattr(self._trainer, "eval_dataset", None)
        every = {**_named(evaluated), **_named(train)}
        if isinstance(collator, CrossEncoderDataCollator):
            check_pair_prompts(collator.prompts, every)
            return
        if _negatives(train):
            check_names(collator.prompts, every)
        settled = settle(collator.prompts, model.prompts, _negatives(train), _negatives(evaluated))
        collator.prompts = args.prompts = settled.training
        model.prompts |= settled.model
        self._prompts = settled.model

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Check that the sampler is in place and that a resumed run is the same run."""
        if not self._installed:
            raise HybridBatchError(
                "HybridBatchCallback was added to a trainer that was built already; pass it to "
                "the constructor: SentenceTransformerTrainer(…, callbacks=[HybridBatchCallback()])"
            )
        self._trainer = _calling_trainer()
        loader = kwargs["train_dataloader"]
        self._sampler = find_sampler(loader)
        self._parts = _parts(self._sampler)
        check_parts(args, self.plan, self._parts)
        check_evaluation(args, getattr(self._trainer, "eval_dataset", None))
        collator = getattr(loader, "collate_fn", None)
        self._settle_prompts(args, collator, kwargs["model"])
        per_step = args.gradient_accumulation_steps
        found = fingerprint(
            self._parts,
            _datasets(self._sampler),
            args.world_size,
            per_step,
            in_turn=getattr(self._sampler, "in_turn", False),
            prompts=getattr(collator, "prompts", None),
        )
        self._fingerprint = {**found, "prompts": self._prompts}
        steps_per_epoch = max(1, math.ceil(len(loader) / per_step))
        self._epoch, done = divmod(state.global_step, steps_per_epoch)
        self._group = 0 if args.ignore_data_skip else done * per_step
        self._tally = Tally()
        if state.global_step:
            stored = (state.stateful_callbacks or {}).get(type(self).__name__)
            stored = stored[0] if isinstance(stored, list) else stored
            languages = {code for own in _parallel(self._parts) for code in own.dataset.languages}
            check_resumable(stored, self._settings(), self._fingerprint, languages)
            self._tally = Tally.restored(stored["attributes"]["_counts"])  # type: ignore[index]
        self._describe(kwargs["model"])

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the epoch of the sampler itself: accelerate loses it when a run is resumed."""
        if self._sampler is not None:
            self._sampler.set_epoch(self._epoch)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the epoch."""
        self._epoch += 1
        self._group = 0

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the batch that was trained on."""
        self._count()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the batch that was trained on."""
        self._count()

    def _count(self) -> None:
        sampler = self._sampler
        if sampler is None:
            return
        if isinstance(sampler, SeveralDatasetsSampler):
            held: dict[int, Any] = sampler.drawn
            drawn = sampler.drawn.pop(self._group)
            name, part = sampler.names[drawn.place], sampler.batch_samplers[drawn.place]
            self._tally.examples[name] += drawn.size
            examples = drawn.examples
        else:
            held, name, part = sampler.examples, "", sampler
            examples = sampler.examples.pop(self._group, [])
        # Batches that a resumed run skipped were drawn too.
        for group in [group for group in held if group < self._group]:
            del held[group]
        if isinstance(part, HybridBatchSampler):
            self._tally.count(name, examples, part.dataset.languages)
        self._group += 1

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log what batches consisted of, beside each loss."""
        logs = kwargs.pop("logs", None)
        sampler = self._sampler
        if not logs or "loss" not in logs or sampler is None:
            return
        alpha = sampler.alpha(self._epoch, max(0, self._group - 1))
        short = {"hybrid/alpha": round(alpha, 6), "hybrid/monolingual": self.monolingual_share}
        counts = self._tally.logged()
        state.log_history[-1].update({**short, **counts})
        # The callbacks that report elsewhere stand before this one and have their logs already;
        # the ones that print stand after it, and hundreds of pairs are not for them.
        for callback in self._trainer.callback_handler.callbacks if self._trainer else ():
            prints = isinstance(callback, (ProgressCallback, PrinterCallback))
            if callback is not self and not prints:
                callback.on_log(args, state, control, logs={**short, **counts}, **kwargs)
        logs.update(short)

    @property
    def monolingual_share(self) -> float:
        """Share of monolingual batches so far."""
        return self._tally.monolingual_share

    @property
    def pair_counts(self) -> dict[str, int]:
        """Examples so far of each language pair, query language first."""
        return dict(self._tally.all_pairs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put what was realised into the model card."""
        if self._sampler is not None:
            self._describe(kwargs["model"], self._tally)

    def _describe(self, model: Any, tally: Tally | None = None) -> None:
        add_section(model, self.plan, self._parts, self._prompts, tally)


def _plain_weights(weights: Any) -> dict[str, float] | None:
    if weights is None:
        return None
    plain = {}
    if isinstance(weights, Mapping):
        plain = {str(name): plain_number(weight) for name, weight in weights.items()}
    positive = {name: weight for name, weight in plain.items() if weight and weight > 0}
    if not positive or len(positive) < len(plain):
        raise ValueError(
            "dataset_weights gives each data set a number above 0, such as "
            f"{{'parallel': 3, 'sts': 1}}, not {weights!r}"
        )
    return positive


def _parts(sampler: Found) -> dict[str, Any]:
    """The sampler of each data set."""
    if isinstance(sampler, HybridBatchSampler):
        return {"": sampler}
    return dict(zip(sampler.names, sampler.batch_samplers, strict=True))


def _parallel(parts: Mapping[str, Any]) -> list[HybridBatchSampler]:
    return [own for own in parts.values() if isinstance(own, HybridBatchSampler)]


def _datasets(sampler: Found) -> dict[str, Any]:
    """The data sets, by the names that `_parts` gives their samplers."""
    if isinstance(sampler, HybridBatchSampler):
        return {"": sampler.dataset}
    return dict(zip(sampler.names, sampler.dataset.datasets, strict=True))


def _negatives(dataset: Any) -> dict[str | None, int]:
    """How many negatives the examples of each parallel data set carry."""
    return {
        name: part.corpora[0].negatives
        for name, part in _named(dataset).items()
        if isinstance(part, ParallelDataset)
    }


def _named(dataset: Any) -> dict[str | None, Any]:
    parts = dataset if isinstance(dataset, dict) else {None: dataset}
    return {name: part for name, part in parts.items() if part is not None}


def _calling_trainer() -> Trainer | None:
    """The trainer that runs the callbacks; it hands itself to none of them."""
    frame = inspect.currentframe()
    for _ in range(8):
        frame = frame.f_back if frame else None
        trainer = frame.f_locals.get("self") if frame else None
        if isinstance(trainer, Trainer):
            return trainer
    return None
