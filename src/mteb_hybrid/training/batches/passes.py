"""Passes over one corpus, planned as a whole: first what each row serves in, then the order."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import Floats
from mteb_hybrid.training.batches.assignment import (
    FREE,
    WAITING,
    Assignment,
    Rows,
    most_batches,
    rank_in_group,
)
from mteb_hybrid.training.batches.deal import deal, part
from mteb_hybrid.training.batches.serving import Serving
from mteb_hybrid.training.batches.summary import BATCH_SIZE
from mteb_hybrid.training.corpus import Ints

logger = logging.getLogger(__name__)

TRIED = 8
"""Passes that are tried to find out whether all have as many batches as the first."""


@dataclass(frozen=True)
class Pass:
    """The batches of one pass over a corpus, or of a part of one.

    Attributes:
        kinds: Shape (B,), the kind of each batch.
        rows: Shape (B, size), rows as `Serving` counts them; -1 where an example had to be left
            out.
        rest: The kind of the short batch at the end, and its rows; None if there is none.
        is_first: Whether it has the kinds of the first pass, as those drawn do not fill it.
    """

    kinds: Ints
    rows: Rows
    rest: tuple[int, Rows] | None = None
    is_first: bool = False

    def batches(self) -> Iterator[tuple[int, Rows]]:
        """The kind and the rows of each batch, in order."""
        for kind, rows in zip(self.kinds.tolist(), self.rows, strict=True):
            yield kind, rows[rows >= 0]
        if self.rest is not None:
            yield self.rest[0], self.rest[1][self.rest[1] >= 0]


class Passes:
    """All passes over a corpus.

    A pass gives every row at most one turn. Rows take turns in being left out: those that a pass
    has no place for come first in the next, and a group with more rows than there are batches
    sends others each time. Where languages leave rows over, these go round among the rows that
    have the same languages and groups of their own.

    In several processes batches are of one size. One that hard negatives leave short there gives
    way to another batch of the pass, which comes twice. So that no pass can fail, one is planned
    ahead, whose batches stand in if a pass has none that is full.

    Args:
        serving: The rows.
        size: Examples of a batch, over all processes.
        keep_rest: Whether rows that do not fill a batch make a short one.
        alphas: Alpha of the first batches, at least of one pass.
        seed: Seed of all chance.
        may_drop: Whether a batch may be short of examples that can stand in none.

    Attributes:
        batches: How many batches a pass has, the same for all.
        rest: How many rows the short batch has at most; 0 if there is none.
        wanted: Shape (kinds,), batches that were drawn for the first pass.
        planned: Shape (kinds,), batches that it has.
        waiting: How many rows wait in every pass because their groups are too big.
        short: Of the pass that is planned ahead, how many batches give way to others.
        leaves_over: Whether passes leave rows over that would fill batches, or the short batch, if
            they fitted the same kinds.

    Raises:
        ParallelDataError: If in several processes hard negatives leave most batches short.
    """

    def __init__(
        self, serving: Serving, size: int, keep_rest: bool, alphas: Floats, seed: list[int],
        may_drop: bool,
    ) -> None:  # fmt: skip
        self.serving, self.size = serving, size
        self._seed, self._may_drop = seed, may_drop
        count = len(serving.rows)
        self._cycle = np.random.default_rng(seed).permutation(count).astype(np.int32)
        self.batches = most_batches(self.serving.group_sizes, size)
        self._keep_rest, self._cap = keep_rest, self.batches + keep_rest
        turns = self._turns(self._cap)
        self.waiting = count - turns
        self.wanted = self._first_wanted(alphas)
        first = self._first()[0]
        self.planned = first.batches
        self.batches = int(self.planned.sum())
        self.rest = min(size, turns - self.batches * size) if keep_rest else 0
        if self.rest:
            first.place_rest(self.rest, 0)
        self.leaves_over = bool((first.to == FREE).any()) or self._falls_short(alphas)
        self._alike = self._rows_alike() if self.leaves_over else []
        self._reserve = Pass(self.wanted[:0], np.empty((0, size), dtype=np.int32))
        self.short = 0
        if serving.links is not None and not may_drop:
            self._plan_ahead(alphas[: self.batches])

    def _plan_ahead(self, alphas: Floats) -> None:
        random = np.random.default_rng([*self._seed, 3])
        found, left, _ = self._best(0, 0, self.serving.draw(alphas, random), random)
        full = np.setdiff1d(np.arange(len(found.kinds)), left[:, 0])
        self.short = len(found.kinds) - len(full)
        if self.short > len(full):
            row = int(self.serving.rows[found.rows[tuple(left[0])]])
            raise ParallelDataError(
                f"{self.serving.name}: in {self.short} of {len(found.kinds)} batches examples, "
                f"such as row {row}, meet their hard negatives wherever they stand; set "
                f"{BATCH_SIZE} lower, or train without these hard negatives"
            )
        self._reserve = Pass(found.kinds[full], found.rows[full])

    def _turns(self, batches: int) -> int:
        """How many rows can have a turn in some batches: one of each group in each."""
        return int(np.minimum(self.serving.group_sizes, batches).sum())

    def _falls_short(self, alphas: Floats) -> bool:
        """Whether some passes cannot fill what the first can, and so leave over what it does."""
        fits = (kind.allowed(*self.serving.languages(slice(None))) for kind in self.serving.kinds)
        if self.batches * self.size + self.rest == len(self._cycle) or any(map(np.all, fits)):
            return False
        barred = np.zeros(len(self.serving.kinds), dtype=bool)
        for number in range(TRIED):
            random = np.random.default_rng([*self._seed, 4, number])
            drawn = self.serving.draw(alphas[: self.batches], random)
            wanted = np.bincount(drawn, minlength=len(barred))
            found, _ = self._assign(wanted, number, number * self.batches, barred, random)
            if found.batches.sum() < self.batches:
                return True
        return False

    def _rows_alike(self) -> list[Rows]:
        """Rows with groups of their own, apart by the languages that they have."""
        serving = self.serving
        alone = self._cycle[serving.group_sizes[serving.groups[self._cycle]] == 1]
        _, places, counts = np.unique(
            np.stack(serving.languages(alone)), axis=1, return_inverse=True, return_counts=True
        )
        return np.split(alone[np.argsort(places, kind="stable")], np.cumsum(counts)[:-1])

    def _first_wanted(self, alphas: Floats) -> Ints:
        drawn = self.serving.draw(alphas[: self.batches], np.random.default_rng([*self._seed, 1]))
        return np.bincount(drawn, minlength=len(self.serving.kinds))

    def _first(self) -> tuple[Assignment, Rows]:
        """The assignment that says how many batches a pass has; it can always be had again."""
        barred = np.zeros(len(self.serving.kinds), dtype=bool)
        return self._assign(self.wanted, 0, 0, barred, np.random.default_rng([*self._seed, 2]))

    def plan(self, number: int, done: int, alphas: Floats, random: np.random.Generator) -> Pass:
        """Plan a pass.

        Args:
            number: Its number, from 0.
            done: Batches in all passes before.
            alphas: Shape (B,), alpha of each batch; B is at most `batches`.
            random: Source of chance.
        """
        drawn = self.serving.draw(alphas, random)
        found, left, barred = self._best(number, done, drawn, random)
        self._say(drawn, found, barred, len(left) if self._may_drop else 0)
        if len(left) and not self._may_drop:
            return self._with_full(found, np.unique(left[:, 0]), random)
        return found

    def _best(
        self, number: int, done: int, drawn: Ints, random: np.random.Generator
    ) -> tuple[Pass, Ints, npt.NDArray[np.bool_]]:
        """Plan a pass, without kinds in which hard negatives cannot be parted if that helps.

        Returns:
            The pass, the examples left out, and the kinds it does without.
        """
        barred = np.zeros(len(self.serving.kinds), dtype=bool)
        while True:
            found, left = self._plan(number, done, drawn, barred, random)
            # Where a kind has but a batch or two, there is little to exchange with.
            failed = np.isin(np.arange(len(barred)), found.kinds[left[:, 0]])
            if not len(left) or (failed & barred).any() or self._is_too_much(failed | barred):
                return found, left, barred
            barred |= failed

    def _with_full(self, found: Pass, short: Ints, random: np.random.Generator) -> Pass:
        """A pass with full batches, of the same kinds if there are such, in place of short ones."""
        full = np.setdiff1d(np.arange(len(found.kinds)), short)
        source = Pass(found.kinds[full], found.rows[full]) if len(full) else self._reserve
        kinds, rows = found.kinds.copy(), found.rows.copy()
        for place in short.tolist():
            same = np.flatnonzero(source.kinds == kinds[place])
            chosen = random.choice(same if len(same) else len(source.kinds))
            kinds[place], rows[place] = source.kinds[chosen], source.rows[chosen]
        logger.warning(
            "%s: so many rows are each other's hard negatives that %d of %d batches of an epoch "
            "are not full in every process; others come twice instead",
            self.serving.name,
            len(short),
            len(kinds),
        )
        return Pass(kinds, rows)

    def _is_too_much(self, barred: npt.NDArray[np.bool_]) -> bool:
        """Whether without some kinds there would be no batches, or none of a side.

        Rather than that, examples are left out, where they may be.
        """
        sides = (self.serving.crosslingual, ~self.serving.crosslingual)
        gone = [barred[side].all() for side in sides if side.any()]
        return any(gone) if self._may_drop else all(gone)

    def _say(self, drawn: Ints, found: Pass, barred: npt.NDArray[np.bool_], left_out: int) -> None:
        """Log what could not be as it was drawn, and why."""
        if found.is_first:
            logger.warning(
                "%s: the kinds drawn for an epoch%s do not fill %d batches; it has those of the "
                "first",
                self.serving.name,
                ", without those that hard negatives bar," * bool(barred.any()),
                len(drawn),
            )
        changed = int(np.count_nonzero(barred[drawn] & (drawn != found.kinds)))
        if changed or left_out:
            logger.warning(
                "%s: so many rows are each other's hard negatives that %d of %d batches of an "
                "epoch have another language than was drawn, and %d examples are left out",
                self.serving.name,
                changed,
                len(drawn),
                left_out,
            )

    def _plan(
        self,
        number: int,
        done: int,
        drawn: Ints,
        barred: npt.NDArray[np.bool_],
        random: np.random.Generator,
    ) -> tuple[Pass, Ints]:
        """Plan a pass without some kinds; with it the examples that had to be left out."""
        serving, count = self.serving, len(self.serving.kinds)
        wanted = np.bincount(drawn, minlength=count)
        assigned = self._assign_all(wanted, number, done, barred, random)
        is_first = assigned is None
        assignment, order = assigned or self._first()
        planned: Ints = assignment.batches
        if planned.sum() > len(drawn):
            planned = random.multivariate_hypergeometric(assignment.batches, len(drawn))
        if self.rest:
            assignment.place_rest(self.rest, number if self.leaves_over else 0)
        if self.leaves_over:
            self._go_round(assignment.to, order, number)
        kinds = _change(drawn, planned, random)
        rows = np.empty((len(drawn), self.size), dtype=np.int32)
        for kind in np.flatnonzero(planned).tolist():
            own = random.permutation(order[assignment.rows(kind)])
            table = deal(own, serving, int(assignment.batches[kind]), random)
            rows[kinds == kind] = table[: planned[kind]]
        left = self._part(rows, kinds, order[assignment.to < 0], random)
        if not self.rest:
            return Pass(kinds, rows, is_first=is_first), left
        short = random.permutation(order[assignment.rows(count)])
        kind = serving.kinds.index(assignment.kinds[-1])
        self._part(short[None], np.array([kind]), short[:0], random)
        return Pass(kinds, rows, (kind, short), is_first), left

    def _assign_all(
        self,
        wanted: Ints,
        number: int,
        done: int,
        barred: npt.NDArray[np.bool_],
        random: np.random.Generator,
    ) -> tuple[Assignment, Rows] | None:
        """As `_assign`, but with as many batches as are wanted; None if that cannot be.

        What is wanted may leave over rows of which none fit one kind, as many as a batch has. Then
        some batches, twice as many at each try, are drawn from those of the first pass instead.
        """
        count = int(wanted.sum())
        found, order = self._assign(wanted, number, done, barred, random)
        changed = count - int(found.batches.sum())
        while found.batches.sum() < count and changed < count:
            kept = random.multivariate_hypergeometric(wanted, count - changed)
            others = random.multivariate_hypergeometric(self.planned, changed)
            found, order = self._assign(kept + others, number, done, barred, random)
            changed *= 2
        return (found, order) if found.batches.sum() == count else None

    def _assign(
        self,
        wanted: Ints,
        number: int,
        done: int,
        barred: npt.NDArray[np.bool_],
        random: np.random.Generator,
    ) -> tuple[Assignment, Rows]:
        """Which rows serve in what; with them the order in which the assignment knows the rows."""
        serving = self.serving
        order = np.roll(self._cycle, -((done * self.size) % len(self._cycle)))
        turns = self._have_turns(number)[order]
        order = np.concatenate([order[turns], order[~turns]])
        # Those at the end wait, unless the others cannot fill the batches.
        have = np.count_nonzero(turns)
        now = have if self._keep_rest else min(have, int(wanted.sum()) * self.size)
        order[:now] = random.permutation(order[:now])
        assignment = Assignment(
            serving.kinds, serving.queries[order], serving.passages[order],
            serving.groups[order], self.size,
        )  # fmt: skip
        assignment.to[now:] = WAITING
        assignment.place(wanted, serving.crosslingual, serving.weights, barred, random)
        return assignment, order

    def _have_turns(self, number: int) -> npt.NDArray[np.bool_]:
        """Which rows have a turn in a pass: of too big a group, others each time."""
        groups = self.serving.groups
        turns = np.ones(len(groups), dtype=bool)
        if not self.waiting:
            return turns
        crowded = self._cycle[self.serving.group_sizes[groups[self._cycle]] > self._cap]
        sizes = self.serving.group_sizes[groups[crowded]]
        ranks = rank_in_group(groups[crowded])
        turns[crowded] = (ranks - number * self._cap) % sizes < self._cap
        return turns

    def _go_round(self, to: npt.NDArray[np.int16], order: Rows, number: int) -> None:
        """Leave over others in each pass: in place of the rows that are, the next of their like."""
        place = np.argsort(order)
        for rows in self._alike:
            own = place[rows]
            left = to[own] < 0
            count = np.count_nonzero(left)
            due = np.zeros_like(left)
            due[(number * count + np.arange(count)) % len(own)] = True
            come, go = own[left & ~due], own[due & ~left]
            to[come], to[go] = to[go], FREE

    def _part(self, table: Rows, kinds: Ints, spare: Rows, random: np.random.Generator) -> Ints:
        """Part examples that are hard negatives of each other, or leave them out.

        Returns:
            Shape (N, 2): batch and place of those left out, which become -1 where that may be.
        """
        serving = self.serving
        if serving.links is None:
            return np.empty((0, 2), dtype=np.int64)
        left = part(table, kinds, spare, serving, serving.links, random)
        if self._may_drop:
            table[tuple(left.T)] = -1
        return left


def _change(drawn: Ints, planned: Ints, random: np.random.Generator) -> Ints:
    """Give batches at random places another kind, until there are as many of each as planned."""
    kinds = drawn.copy()
    more = planned - np.bincount(drawn, minlength=len(planned))
    vacated = [
        random.choice(np.flatnonzero(drawn == kind), -more[kind], replace=False)
        for kind in np.flatnonzero(more < 0)
    ]
    if vacated:
        places = random.permutation(np.concatenate(vacated))
        kinds[places] = np.repeat(np.arange(len(more)), np.maximum(more, 0))
    return kinds
