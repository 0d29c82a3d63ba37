"""Hybrid batches: each monolingual with probability alpha, else cross-lingual."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan, Floats, capped
from mteb_hybrid.training.batches.passes import Kind, Rows, Taken, Turns
from mteb_hybrid.training.dataset import Example, ParallelDataset

logger = logging.getLogger(__name__)

CROSSLINGUAL = Kind("crosslingual")
MIXED = Kind("mixed")


@dataclass(frozen=True)
class CorpusKinds:
    """What kinds of batches one corpus can give.

    Attributes:
        name: The corpus.
        rows: Rows that can serve in at least one kind, as positions in the dataset.
        monolingual: Kinds of monolingual batches.
        monolingual_weights: Their shares among the monolingual batches.
        crosslingual: Kinds of cross-lingual batches.
        crosslingual_weights: Their shares among the cross-lingual batches.
    """

    name: str
    rows: Rows
    monolingual: list[Kind]
    monolingual_weights: Floats
    crosslingual: list[Kind]
    crosslingual_weights: Floats

    def draw(self, alpha: float, random: np.random.Generator) -> Kind:
        """Choose the kind of the next batch."""
        monolingual = random.random() < alpha
        if not self.crosslingual or (monolingual and self.monolingual):
            return _choose(self.monolingual, self.monolingual_weights, random)
        return _choose(self.crosslingual, self.crosslingual_weights, random)

    def others(self, kind: Kind, random: np.random.Generator) -> list[Kind]:
        """All other kinds, in random order."""
        rest = [other for other in (*self.monolingual, *self.crosslingual) if other != kind]
        return [rest[place] for place in random.permutation(len(rest))]


def _choose(kinds: list[Kind], weights: Floats, random: np.random.Generator) -> Kind:
    return kinds[int(np.searchsorted(np.cumsum(weights), random.random() * weights.sum(), "right"))]


class HybridBatchSampler(DefaultBatchSampler):
    """Batches for hybrid training (arXiv:2408.10536) and its baselines.

    An epoch is one pass over the rows: every row has its turn once, in one pair of languages (with
    given `ParallelDataset.weights`, small corpora are gone through several times). No two examples
    of a batch share a group, a question or a passage text. The order is a function of the data,
    the plan, the seed and the epoch.

    Where the paper is silent: the language of a monolingual batch is drawn uniformly; each
    example of a cross-lingual batch draws its pair of different languages uniformly from those
    that its row has; a batch comes from one corpus.

    Args:
        dataset: The data.
        batch_size: Examples per batch.
        drop_last: Leave out the rest of each corpus that does not fill a batch (or one batch for
            each process).
        valid_label_columns: Not used; the trainer passes it.
        generator: Not used; the trainer passes it.
        seed: Seed of everything that is drawn.
        plan: What batches consist of.
        world_size: Number of processes. Groups of that many batches have one kind, and are free
            of duplicates together, so that gathering across devices meets no false negative.
        batches_per_step: Batches of one process per optimizer step, which the schedule of alpha
            counts.

    Attributes:
        examples: What each group of batches of this epoch held, by its position; the callback
            reads them and takes them out.

    Raises:
        ParallelDataError: If the dataset is not parallel, no row fits the plan, or a corpus has
            fewer groups than the batches of all processes need.
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
                "see ParallelDataset.from_json and the readers beside it. select, shuffle and "
                "train_test_split keep the parallel form, map and filter lose it"
            )
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self.dataset = dataset
        self.plan = plan or BatchPlan()
        self.world_size = world_size
        self.batches_per_step = batches_per_step
        self.examples: dict[int, list[Example]] = {}
        unknown = set(self.plan.languages or ()) - set(dataset.languages)
        if unknown:
            raise ParallelDataError(
                f"languages {sorted(unknown)} are not in the data, which has "
                f"{', '.join(dataset.languages)}"
            )
        self._read_masks()
        self._corpora = [self._kinds(position) for position in range(len(dataset.corpora))]
        if not any(len(corpus.rows) for corpus in self._corpora):
            raise ParallelDataError(
                f"no row fits alpha={self.plan.alpha}: none has a question and a passage in "
                f"{'one language' if not self.plan.may_be_crosslingual else 'different languages'}"
            )
        for corpus in self._corpora:
            self._check_groups(corpus)

    def _read_masks(self) -> None:
        """Collect the languages of every row, restricted to those of the plan."""
        languages = self.dataset.languages
        masks = []
        for role in ("query", "passage"):
            parts = [corpus.masks(role, languages) for corpus in self.dataset.corpora]
            whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if self.dataset.rows is not None:
                whole = whole[self.dataset.rows]
            if self.plan.languages is not None:
                chosen = sum(1 << languages.index(code) for code in set(self.plan.languages))
                whole &= whole.dtype.type(chosen)
            masks.append(whole)
        self._queries, self._passages = masks

    def _kinds(self, position: int) -> CorpusKinds:
        """What one corpus can give, with languages held to what their rows allow."""
        corpus = self.dataset.corpora[position]
        own = self._own_rows(position)
        queries, passages = self._queries[own], self._passages[own]
        count = len(self.dataset.languages)
        crosslingual = CROSSLINGUAL.allowed(queries, passages)
        has_pairs = bool(crosslingual.any())
        monolingual = MIXED.allowed(queries, passages)
        wanted = np.zeros(len(queries), dtype=bool)
        # A corpus with one language can give monolingual batches only, whatever alpha is.
        if self.plan.may_be_monolingual or not has_pairs:
            wanted |= monolingual
        if self.plan.may_be_crosslingual:
            wanted |= crosslingual
        start = own.start if isinstance(own, slice) else 0
        rows = np.flatnonzero(wanted) + start if isinstance(own, slice) else own[wanted]
        needed = self.batch_size * self.world_size

        def offer(kinds: list[Kind], share: float) -> tuple[list[Kind], Floats]:
            sizes = np.array([np.count_nonzero(kind.allowed(queries, passages)) for kind in kinds])
            fits = sizes >= needed
            left_out = [kinds[i].pair for i in np.flatnonzero((sizes > 0) & ~fits)]
            if left_out:
                codes = [
                    [self.dataset.languages[language] for language in p] for p in left_out if p
                ]
                logger.warning(
                    "%s: too few rows for a batch of %d, so no batches of %s",
                    corpus.name,
                    needed,
                    ", ".join("-".join(dict.fromkeys(pair)) for pair in codes),
                )
            weights = self.plan.weights(np.where(fits, sizes, 0).astype(np.float64))
            weights = capped(weights, sizes / max(1, len(rows) * share))
            chosen = np.flatnonzero(weights > 0)
            return [kinds[i] for i in chosen], weights[chosen]

        one_language: list[Kind] = [MIXED]
        if self.plan.method == "hybrid":
            one_language = [Kind("monolingual", (code, code)) for code in range(count)]
        if not (self.plan.may_be_monolingual or not has_pairs):
            one_language = []
        pairs: list[Kind] = []
        if self.plan.may_be_crosslingual and has_pairs:
            pairs = [CROSSLINGUAL]
            if self.plan.crosslingual == "pair":
                pairs = [Kind("pair", (x, y)) for x in range(count) for y in range(count) if x != y]
        alphas = [alpha for _, alpha in self.plan.points] if pairs else [1.0]
        return CorpusKinds(
            corpus.name,
            np.asarray(rows, dtype=np.int32),
            *offer(one_language, max(alphas)),
            *offer(pairs, 1 - min(alphas)),
        )

    def _own_rows(self, position: int) -> Any:
        start, end = (int(edge) for edge in self.dataset.starts[position : position + 2])
        if self.dataset.rows is None:
            return slice(start, end)
        return np.flatnonzero((self.dataset.rows >= start) & (self.dataset.rows < end))

    def _check_groups(self, corpus: CorpusKinds) -> None:
        needed = self.batch_size * self.world_size
        groups: set[int] = set()
        for row in corpus.rows:
            own, place = self.dataset.locate(int(row))
            groups.add(own.group(place))
            if len(groups) == needed:
                break
        if len(groups) < needed and len(corpus.rows):
            raise ParallelDataError(
                f"{corpus.name}: {len(groups)} groups that fit the plan, but the batches need "
                f"{needed} different ones ({self.batch_size} in each of {self.world_size} "
                f"process(es)); set per_device_train_batch_size to at most "
                f"{max(1, len(groups) // self.world_size)}"
            )
        if len(corpus.rows) and not corpus.monolingual and not corpus.crosslingual:
            raise ParallelDataError(
                f"{corpus.name}: no language or pair of languages has {needed} rows, which the "
                f"batches of {self.world_size} process(es) need; set per_device_train_batch_size "
                f"lower than {self.batch_size}, or crosslingual='mixed'"
            )

    @cached_property
    def _group_counts(self) -> list[tuple[int, int]]:
        """For each corpus: how many full groups of batches, and how many rows in a short one."""
        needed = self.batch_size * self.world_size
        sizes = [len(corpus.rows) for corpus in self._corpora]
        if self.dataset.weights is None:
            keep_rest = not self.drop_last and self.world_size == 1
            return [(size // needed, size % needed * keep_rest) for size in sizes]
        shares = np.array([self.dataset.weights[corpus.name] for corpus in self._corpora])
        exact = shares * (sum(sizes) // needed)
        counts = np.floor(exact).astype(int)
        missing = sum(sizes) // needed - counts.sum()
        counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
        return [(int(count), 0) for count in counts]

    def __len__(self) -> int:
        """Exact number of batches of an epoch, of all processes together."""
        return sum(full + (rest > 0) for full, rest in self._group_counts) * self.world_size

    def alpha(self, epoch: int, group: int) -> float:
        """Alpha for a group of batches of an epoch."""
        done = epoch * (len(self) // self.world_size) + group
        return self.plan.alpha_at(done / self.batches_per_step)

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this epoch, as keys of the dataset."""
        random = np.random.default_rng([self.seed, self.epoch])
        self.examples.clear()
        turns = [
            Turns(self.dataset, corpus.rows, self._queries, self._passages, random)
            for corpus in self._corpora
        ]
        for group, (position, need) in enumerate(self._groups(random)):
            alpha = self.alpha(self.epoch, group)
            examples = self._fill(self._corpora[position], turns[position], need, alpha, random)
            self.examples[group] = examples
            size = -(-len(examples) // self.world_size)
            keys = [self.dataset.key(example) for example in examples]
            yield from (keys[i : i + size] for i in range(0, len(keys), size))

    def _groups(self, random: np.random.Generator) -> list[tuple[int, int]]:
        """The corpus and the number of examples of every group of batches, in order."""
        needed = self.batch_size * self.world_size
        counts = [count for count, _ in self._group_counts]
        order = random.permutation(np.repeat(np.arange(len(counts)), counts))
        short = [(position, rest) for position, (_, rest) in enumerate(self._group_counts) if rest]
        return [(int(position), needed) for position in order] + short

    def _fill(
        self,
        corpus: CorpusKinds,
        turns: Turns,
        need: int,
        alpha: float,
        random: np.random.Generator,
    ) -> list[Example]:
        """Find examples for a group of batches.

        Where the rows that are left do not fit the kind that was drawn, another kind is tried;
        where none fits, the next pass over the rows begins early.
        """
        kind = corpus.draw(alpha, random)
        is_short = need < self.batch_size * self.world_size
        for _ in range(2):
            best: tuple[Kind, Taken] | None = None
            for candidate in (kind, *corpus.others(kind, random)):
                found = turns.find(candidate, need)
                if len(found.examples) == need:
                    return turns.take(candidate, found)
                if best is None or len(found.examples) > len(best[1].examples):
                    best = candidate, found
            if is_short and best is not None and best[1].examples:
                return turns.take(*best)
            turns.begin_again()
        raise ParallelDataError(
            f"{corpus.name}: no language or pair has {need} rows of different groups and different "
            f"texts; set per_device_train_batch_size lower than {self.batch_size}"
        )
