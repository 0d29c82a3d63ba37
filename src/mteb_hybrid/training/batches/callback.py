"""The one line that a training script adds: ``callbacks=[HybridBatchCallback()]``."""

import inspect
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from accelerate.data_loader import DataLoaderDispatcher
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.trainer_callback import CallbackHandler, ExportableState

from mteb_hybrid.recipes.plan import AlphaSchedule, BatchPlan
from mteb_hybrid.training.batches.card_section import add_section
from mteb_hybrid.training.batches.factory import SamplerFactory
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.dataset import ParallelDataset


class HybridBatchError(ValueError):
    """A training setup in which hybrid batches cannot work. The message gives the remedy."""


class HybridBatchCallback(TrainerCallback, ExportableState):
    """Trains on hybrid batches (arXiv:2408.10536).

    Pass it to the constructor of a sentence-transformers trainer whose `train_dataset` is a
    `ParallelDataset`. It installs the batch sampler, logs what batches consisted of, keeps its
    settings in checkpoints so that a resumed run goes on exactly, and describes itself in the
    model card.

    The trainer's log gets, beside each loss, ``hybrid/alpha`` and ``hybrid/monolingual`` (the
    share of monolingual batches so far); W&B, TensorBoard, Trackio and the like, and the log of
    the trainer's state, also get ``hybrid/pairs/xx-yy``, the examples so far of each language
    pair, over all processes.

    Args:
        alpha: Probability of a monolingual batch: 1 is the X-X baseline, 0 is X-Y. Or points of a
            schedule, ``[[0, 1.0], [1000, 0.5]]``: linear between these optimizer steps.
        method: See `BatchPlan`, like all that follow.
        language_weights: How the language of a monolingual batch is drawn.
        crosslingual: Whether a cross-lingual batch mixes pairs or has one.
        languages: Use only these.

    Raises:
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        alpha: AlphaSchedule = 0.5,
        *,
        method: Literal["hybrid", "mixed", "shuffle"] = "hybrid",
        language_weights: Literal["uniform", "size"] | float = "uniform",
        crosslingual: Literal["mixed", "pair"] = "mixed",
        languages: Sequence[str] | None = None,
    ) -> None:
        self.plan = BatchPlan(method, alpha, language_weights, crosslingual, languages)
        self._installed = False
        self._fingerprint: dict[str, Any] = {}
        self._pairs: Counter[str] = Counter()
        self._batches = {"monolingual": 0, "all": 0}
        self._sampler: HybridBatchSampler | None = None
        self._handler: CallbackHandler | None = None
        self._epoch = 0
        self._group = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps (the trainer's `ExportableState`)."""
        return {
            "args": self.plan.settings(),
            "attributes": {
                "_installed": self._installed,
                "_fingerprint": self._fingerprint,
                "_pairs": dict(self._pairs),
                "_batches": dict(self._batches),
            },
        }

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Install the sampler, before the trainer builds its data loader."""
        config = args.accelerator_config
        for option in ("dispatch_batches", "split_batches"):
            if getattr(config, option, None):
                raise HybridBatchError(
                    f"accelerator_config has {option}=True, which takes batches apart; every "
                    f"process must draw its own whole batches: set {option} to "
                    f"{None if option == 'dispatch_batches' else False}"
                )
        otherwise = args.batch_sampler
        if isinstance(otherwise, SamplerFactory):
            otherwise = otherwise.otherwise
        args.batch_sampler = SamplerFactory(
            self.plan, otherwise, args.world_size, args.gradient_accumulation_steps
        )
        self._installed = True

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Check that the sampler is in place and that a resumed run is the same run."""
        loader = kwargs["train_dataloader"]
        sampler = self._find_sampler(loader)
        self._sampler = sampler
        self._handler = _calling_handler()
        self._fingerprint = {
            "data": sampler.dataset.digest,
            "rows": len(sampler.dataset),
            "seed": sampler.seed,
            "batch_size": sampler.batch_size,
            "processes": sampler.world_size,
            "batches_per_step": sampler.batches_per_step,
        }
        steps_per_epoch = max(1, math.ceil(len(loader) / args.gradient_accumulation_steps))
        self._epoch, done = divmod(state.global_step, steps_per_epoch)
        self._group = 0 if args.ignore_data_skip else done * args.gradient_accumulation_steps
        if state.global_step:
            self._resume((state.stateful_callbacks or {}).get(type(self).__name__))
        else:
            self._pairs.clear()
            self._batches = {"monolingual": 0, "all": 0}
        add_section(kwargs["model"], self.plan, sampler.dataset)

    def _find_sampler(self, loader: Any) -> HybridBatchSampler:
        if not self._installed:
            raise HybridBatchError(
                "HybridBatchCallback was added to a trainer that was built already; pass it to "
                "the constructor: SentenceTransformerTrainer(…, callbacks=[HybridBatchCallback()])"
            )
        if isinstance(loader, DataLoaderDispatcher):
            raise HybridBatchError(
                "the data loader dispatches batches from one process; set "
                "accelerator_config={'dispatch_batches': None}"
            )
        sampler = getattr(loader, "batch_sampler", None)
        while sampler is not None and not isinstance(sampler, HybridBatchSampler):
            sampler = getattr(sampler, "batch_sampler", None)
        dataset = getattr(loader, "dataset", None)
        if sampler is None and not isinstance(dataset, ParallelDataset):
            raise HybridBatchError(
                f"train_dataset is a {type(dataset).__name__}, expected a ParallelDataset (see "
                "ParallelDataset.from_json and the readers beside it; several corpora go into one "
                "by ParallelDataset.mix). select, shuffle and train_test_split keep the parallel "
                "form, map and filter lose it"
            )
        if sampler is None or sampler.plan != self.plan:
            found = "another sampler" if sampler is None else f"one with {sampler.plan}"
            raise HybridBatchError(
                f"the training batches come from {found}, not from this callback's "
                f"{self.plan}; leave args.batch_sampler and get_batch_sampler alone after the "
                "trainer is built, and give each trainer arguments of its own"
            )
        return sampler

    def _resume(self, stored: Any) -> None:
        stored = stored[0] if isinstance(stored, list) else stored
        if not stored:
            raise HybridBatchError(
                "the checkpoint was not trained with HybridBatchCallback; to go on from its "
                "weights load it as the model and train without resume_from_checkpoint"
            )
        attributes = stored["attributes"]
        before = {**stored["args"], **attributes["_fingerprint"]}
        now = {**self.plan.settings(), **self._fingerprint}
        changed = [
            f"{key}: {before.get(key)!r} in the checkpoint, {value!r} now"
            for key, value in now.items()
            if before.get(key) != value
        ]
        if changed:
            raise HybridBatchError(
                f"the checkpoint belongs to another run ({'; '.join(changed)}); set these as they "
                "were, or load the checkpoint as the model and train without "
                "resume_from_checkpoint"
            )
        self._pairs = Counter(attributes["_pairs"])
        self._batches = dict(attributes["_batches"])

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
        examples = sampler.examples.pop(self._group, [])
        # Batches that a resumed run skipped were drawn too.
        for group in [group for group in sampler.examples if group < self._group]:
            del sampler.examples[group]
        codes = sampler.dataset.languages
        pairs = Counter((codes[x], codes[y]) for _, x, y in examples)
        self._pairs.update({f"{x}-{y}": count for (x, y), count in pairs.items()})
        self._batches["all"] += 1
        self._batches["monolingual"] += all(x == y for x, y in pairs)
        self._group += 1

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log what batches consisted of, beside each loss."""
        logs = kwargs.pop("logs", None)
        if not logs or "loss" not in logs or self._sampler is None:
            return
        alpha = self._sampler.alpha(self._epoch, max(0, self._group - 1))
        short = {"hybrid/alpha": round(alpha, 6), "hybrid/monolingual": self.monolingual_share}
        pairs = {f"hybrid/pairs/{pair}": self._pairs[pair] for pair in sorted(self._pairs)}
        state.log_history[-1].update({**short, **pairs})
        # The callbacks that report elsewhere stand before this one and have their logs already;
        # the ones that print stand after it, and hundreds of pairs are not for them.
        for callback in self._handler.callbacks if self._handler else ():
            prints = isinstance(callback, (ProgressCallback, PrinterCallback))
            if callback is not self and not prints:
                callback.on_log(args, state, control, logs={**short, **pairs}, **kwargs)
        logs.update(short)

    @property
    def monolingual_share(self) -> float:
        """Share of monolingual batches so far."""
        return self._batches["monolingual"] / max(1, self._batches["all"])

    @property
    def pair_counts(self) -> dict[str, int]:
        """Examples so far of each language pair, query language first."""
        return dict(self._pairs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put what was realised into the model card."""
        if self._sampler is not None:
            add_section(
                kwargs["model"],
                self.plan,
                self._sampler.dataset,
                self.pair_counts,
                self.monolingual_share,
            )


def _calling_handler() -> CallbackHandler | None:
    """The handler that runs the callbacks; it hands itself to none of them."""
    frame = inspect.currentframe()
    for _ in range(3):
        frame = frame.f_back if frame else None
        handler = frame.f_locals.get("self") if frame else None
        if isinstance(handler, CallbackHandler):
            return handler
    return None
