"""Hybrid batches: each monolingual with probability alpha, else cross-lingual."""

import logging
import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan, Floats
from mteb_hybrid.training.batches.assignment import Rows
from mteb_hybrid.training.batches.kinds import Kind
from mteb_hybrid.training.batches.passes import Passes
from mteb_hybrid.training.batches.serving import Serving, read_serving
from mteb_hybrid.training.batches.summary import BATCH_SIZE, CorpusSummary
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.dataset import Example, ParallelDataset

logger = logging.getLogger(__name__)

DRAWINGS = (2, 4)
"""Versions of how batches are drawn, each with others of some data than the one before."""


class HybridBatchSampler(DefaultBatchSampler):
    """Batches for hybrid training (arXiv:2408.10536) and its baselines.

    An epoch is one pass over the rows: every row has at most one turn, in one pair of languages
    (with given `ParallelDataset.weights`, small corpora are gone through several times). No two
    examples of a batch share a group, and none has a hard negative of the group of another. The
    order is a function of the data, the plan, the seed and the epoch.

    An epoch is planned as a whole. Kinds of batches are drawn by alpha and the weights of
    languages; then rows are assigned to them, so that as many rows as possible have their turns.
    Where the rows do not fit what was drawn, batches change their kind at places spread over the
    epoch, and `summary` says so.

    Where the paper is silent: the language of a monolingual batch is drawn uniformly; each
    example of a cross-lingual batch draws its pair of different languages uniformly from those
    that its row has; a batch comes from one corpus.

    Args:
        dataset: The data.
        batch_size: Examples per batch.
        drop_last: Leave out the rest of each corpus that does not fill a batch (or one batch for
            each process). Data that do not fill even one make smaller ones all the same.
        valid_label_columns: Not used; the trainer passes it.
        generator: Not used; the trainer passes it.
        seed: Seed of everything that is drawn.
        plan: What batches consist of.
        world_size: Number of processes. Groups of that many batches have one kind, and are free
            of duplicates together, so that gathering across devices meets no false negative.
        batches_per_step: Batches of one process per optimizer step, which the schedule of alpha
            counts as the trainer does: the last step of an epoch may have fewer.

    Attributes:
        batch_size: Examples per batch; fewer than asked for where the data do not fill one in
            each of several processes.
        examples: What each group of batches of this epoch held, by its position; the callback
            reads them and takes them out.
        summary: What each corpus gives in an epoch, and what could not be had.
        clock: The optimizer steps of groups of batches of this epoch, shape (N,) to (N,), for the
            schedule of alpha; set where the batches of other data sets stand between them.

    Raises:
        ParallelDataError: If the dataset is not parallel, no row fits the plan, a corpus has no
            example for each process or no batch by its weight, or hard negatives leave no batch
            without a false negative.
    """

    def __init__(
        self,
        dataset: ParallelDataset,
        batch_size: int,
        drop_last: bool = False,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        plan: BatchPlan | None = None,
        world_size: int = 1,
        batches_per_step: int = 1,
    ) -> None:
        if not isinstance(dataset, ParallelDataset):
            raise ParallelDataError(
                f"hybrid batches need a ParallelDataset, found {type(dataset).__name__}; "
                "see ParallelDataset.from_json and the readers beside it"
            )
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self.dataset: ParallelDataset = dataset
        self.asked_size = batch_size
        self.plan = plan or BatchPlan()
        self.world_size = world_size
        self.batches_per_step = batches_per_step
        self.examples: dict[int, list[Example]] = {}
        self.summary: tuple[CorpusSummary, ...] = ()
        self.clock: Callable[[Ints], Floats] | None = None
        self._passes: list[Passes] = []
        unknown = set(self.plan.languages or ()) - set(dataset.languages)
        if unknown:
            raise ParallelDataError(
                f"languages {sorted(unknown)} are not in the data, which has "
                f"{', '.join(dataset.languages)}"
            )
        self._prepare()
        for sentence in self.sentences:
            logger.warning("%s", sentence)

    @property
    def drawing(self) -> int:
        """The version of how these batches are drawn.

        The last is only where some epoch may have other batches than by the one before: where rows
        are left over or with hard negatives are there several times, and of several kinds of
        batches, where cross-lingual ones are asked for of a corpus that has none, or where what is
        drawn may not fill an epoch: rows that do not fit every kind, or that share groups.
        """
        return DRAWINGS[any(map(self._is_drawn_otherwise, self._passes))]

    def _is_drawn_otherwise(self, passes: Passes) -> bool:
        serving = passes.serving
        rows = self.dataset.corpus_rows[serving.rows]
        repeats = serving.links is not None and len(np.unique(rows)) < len(rows)
        if passes.leaves_over or repeats or len(serving.kinds) == 1:
            return passes.leaves_over or repeats
        lacks = self.plan.may_be_crosslingual and not serving.crosslingual.any()
        fits = (kind.allowed(*serving.languages(slice(None))) for kind in serving.kinds)
        return lacks or serving.group_sizes.max() > 1 or not all(map(np.all, fits))

    @property
    def sentences(self) -> list[str]:
        """What cannot be as it was asked for, and what is done instead."""
        planned = [sentence for corpus in self.summary for sentence in corpus.sentences]
        return [*self._never, *planned]

    def _read(self) -> list[Serving]:
        """The rows of every corpus that can serve; of the others it is noted how many they are."""
        read = [
            read_serving(self.dataset, position, self.plan)
            for position in range(len(self.dataset.corpora))
        ]
        ways = {(True, False): " in one language", (False, True): " in different languages"}
        way = ways.get((self.plan.may_be_monolingual, self.plan.may_be_crosslingual), "")
        among = f" among {', '.join(self.plan.languages)}" if self.plan.languages else ""
        self._never = [
            f"{serving.name}: {serving.unfit:,} of {serving.unfit + len(serving.rows):,} rows are "
            f"never trained on, because they have no question and passage{way}{among}"
            for serving in read
            if serving.unfit
        ]
        return read

    def _prepare(self) -> None:
        """Read what the corpora have, and plan their passes as far as all epochs share them."""
        read = self._read()
        if not any(len(serving.rows) for serving in read):
            raise ParallelDataError(
                f"no row fits alpha={self.plan.alpha}: none has a question and a passage in "
                f"{'one language' if not self.plan.may_be_crosslingual else 'different languages'}"
            )
        read = [serving for serving in read if len(serving.rows)]
        sizes = self._sizes(read)
        keep_rest = not self.drop_last and self.world_size == 1 and self.dataset.weights is None
        total = sum(len(serving.rows) // size for serving, size in zip(read, sizes, strict=True))
        steps = np.arange(total) / self.batches_per_step
        self._passes = [
            Passes(
                serving,
                size,
                keep_rest=keep_rest,
                may_drop=self.world_size == 1,
                alphas=self.plan.alpha_at(steps),
                seed=[self.seed, place],
            )
            for place, (serving, size) in enumerate(zip(read, sizes, strict=True))
        ]
        self.summary = tuple(map(self._summary, self._passes))
        if self.dataset.weights is not None and not self._counts.all():
            raise ParallelDataError(
                f"{self._passes[int(self._counts.argmin())].serving.name}: its weight gives it "
                f"none of {self._counts.sum()} batches of an epoch; raise it, or leave the corpus "
                "out"
            )

    def _sizes(self, read: list[Serving]) -> list[int]:
        """How many examples the groups of batches of each corpus have.

        As many as asked for, or as a corpus has rows of different groups; in several processes
        equally many in all batches, since accelerate hands out no others.
        """
        asked = self.batch_size * self.world_size
        most = [min(asked, serving.apart(asked)) for serving in read]
        if self.world_size == 1:
            return most
        self.batch_size = min(most) // self.world_size
        if not self.batch_size:
            raise ParallelDataError(
                f"{read[most.index(min(most))].name}: no language or pair of languages has rows of "
                f"{self.world_size} different groups, one for each process; use fewer processes, "
                "or leave it out"
            )
        return [self.batch_size * self.world_size] * len(read)

    def check_training(self) -> None:
        """Refuse smaller batches that are well enough to evaluate, but not to train.

        Raises:
            ParallelDataError: If a batch would be of one example, without a negative, or if in
                several processes a small corpus would make the batches of others small.
        """
        smallest = min(self.summary, key=lambda corpus: corpus.size, default=None)
        size = smallest.size // self.world_size if smallest else self.batch_size
        name = smallest.name if smallest else self.dataset.corpora[0].name
        if size < self.asked_size and size == 1:
            raise ParallelDataError(
                f"{name}: its rows make batches of one example, which has no negatives; add rows "
                f"of other groups or leave it out, or set {BATCH_SIZE} to 1"
            )
        small = [corpus.name for corpus in self.summary if corpus.size < corpus.asked_size]
        if self.world_size > 1 and small and len(self.summary) > 1:
            raise ParallelDataError(
                f"{small[0]}: its rows do not fill a batch of {self.asked_size} in each of "
                f"{self.world_size} processes, and all corpora need batches of one size there; "
                f"leave it out, or set {BATCH_SIZE} to at most {size}"
            )

    def _summary(self, passes: Passes) -> CorpusSummary:
        serving = passes.serving
        asked = self.asked_size * self.world_size
        # Not each is small itself where one makes the batches of all small.
        if passes.size < asked <= serving.apart(asked):
            asked = passes.size
        labels = [kind.label(self.dataset.languages) for kind in serving.kinds]
        return CorpusSummary(
            name=serving.name,
            rows=len(serving.rows),
            asked_size=asked,
            size=passes.size,
            wanted=dict(zip(labels, passes.wanted.tolist(), strict=True)),
            planned=dict(zip(labels, passes.planned.tolist(), strict=True)),
            rest=passes.rest,
            waiting=passes.waiting,
            short=passes.short,
        )

    @cached_property
    def _counts(self) -> Ints:
        """Shape (corpora,): how many full groups of batches each gives in an epoch."""
        own: Ints = np.array([passes.batches for passes in self._passes], dtype=np.int64)
        if self.dataset.weights is None:
            return own
        weights = self.dataset.weights
        shares = np.array([weights[passes.serving.name] for passes in self._passes])
        exact = shares / shares.sum() * own.sum()
        counts: Ints = np.floor(exact).astype(np.int64)
        missing = own.sum() - counts.sum()
        counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
        return counts

    @property
    def groups(self) -> int:
        """Groups of batches in an epoch, one batch for each process: what a process counts."""
        return int(self._counts.sum()) + sum(passes.rest > 0 for passes in self._passes)

    def __len__(self) -> int:
        """Exact number of batches of an epoch, of all processes together."""
        return self.groups * self.world_size

    def alpha(self, epoch: int, group: int) -> float:
        """Alpha for a group of batches of an epoch."""
        return float(self._alphas(epoch, np.array([group]))[0])

    def _alphas(self, epoch: int, groups: Ints) -> Floats:
        if self.clock is not None:
            return self.plan.alpha_at(self.clock(groups))
        steps = epoch * math.ceil(self.groups / self.batches_per_step)
        return self.plan.alpha_at(steps + groups / self.batches_per_step)

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this epoch, as keys of the dataset."""
        epoch = self.epoch
        random = np.random.default_rng([self.seed, epoch])
        self.examples.clear()
        for group, (serving, kind, rows) in enumerate(self._plan(epoch, random)):
            examples = self._draw(serving, kind, rows, random)
            self.examples[group] = examples
            size = -(-len(examples) // self.world_size)
            keys = [self.dataset.key(example) for example in examples]
            yield from (keys[i : i + size] for i in range(0, len(keys), size))

    def _plan(
        self, epoch: int, random: np.random.Generator
    ) -> Iterator[tuple[Serving, Kind, Rows]]:
        """The groups of batches of an epoch in order, before languages of examples are drawn."""
        order = random.permutation(np.repeat(np.arange(len(self._counts)), self._counts))
        planned = [
            self._corpus_plan(passes, epoch, np.flatnonzero(order == place), random)
            for place, passes in enumerate(self._passes)
        ]
        for corpus in order.tolist():
            yield next(planned[corpus])
        for rest in planned:
            yield from rest

    def _corpus_plan(
        self, passes: Passes, epoch: int, places: Ints, random: np.random.Generator
    ) -> Iterator[tuple[Serving, Kind, Rows]]:
        """The groups of batches of one corpus, which have these places in an epoch."""
        each = passes.batches
        for number, start in enumerate(range(0, len(places), each)):
            own = places[start : start + each]
            found = passes.plan(
                epoch * math.ceil(len(places) / each) + number,
                epoch * len(places) + start,
                self._alphas(epoch, own),
                random,
            )
            for kind, rows in found.batches():
                yield passes.serving, passes.serving.kinds[kind], rows

    def _draw(
        self, serving: Serving, kind: Kind, rows: Rows, random: np.random.Generator
    ) -> list[Example]:
        """Draw the languages of examples."""
        return [
            Example(row, *kind.draw(query, passage, chance))
            for row, query, passage, chance in zip(
                serving.rows[rows].tolist(),
                serving.queries[rows].tolist(),
                serving.passages[rows].tolist(),
                random.random(len(rows)).tolist(),
                strict=True,
            )
        ]
