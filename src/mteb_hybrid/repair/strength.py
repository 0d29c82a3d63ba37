"""How strong a repair should be, chosen on held-out text and never on a test collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy.typing as npt

from mteb_hybrid.repair.held_out import Figures, HeldOut, figures
from mteb_hybrid.repair.merge import merging
from mteb_hybrid.repair.sample import checked_sample
from mteb_hybrid.repair.vector_repair import FittedRepair, VectorRepair

LOSS = 0.01
"""Monolingual map that a repair may cost at most."""

GAIN = 0.005
"""Pool map that a repair must bring at least."""

MERGINGS = ("best-1", "best-2", "best-5", "best-10", "best-20", "z-score", "round-robin")


@dataclass(frozen=True)
class Choice:
    """A repair of vectors, and the figures it was chosen by.

    Attributes:
        fitted: What was chosen; None if no repair is needed, or none keeps the languages.
        curve: Figures without a repair, then with each number of directions.
        place: Where in the curve the chosen one is; 0 for none.
        mergings: Figures of each merging, without the repair and with it.
    """

    fitted: FittedRepair | None
    curve: tuple[Figures, ...]
    place: int
    mergings: tuple[Figures, ...]


def choose(
    repair: VectorRepair,
    sample: Mapping[str, npt.ArrayLike],
    held_out: HeldOut,
    directions: int | None = None,
    mergings: Sequence[str] = MERGINGS,
) -> Choice:
    """Fit a repair with each number of directions, and take the one that is best for the pool.

    Where the held-out texts are not parallel, there is no such pool: all directions are taken.
    Else it must bring `GAIN` and cost `LOSS` within languages at most.

    Args:
        repair: A repair that needs no language at use.
        sample: Vectors to fit on.
        held_out: Others, to judge by.
        directions: The number, if it is settled already; the curve is made all the same.
        mergings: Names of mergings to judge beside it.
    """
    plain = figures(held_out)
    if repair.default is None:
        fits = [repair.fit(sample)]
    else:
        checked = checked_sample(sample)
        possible = [repair.default(len(sample)), *(len(rows) for rows in checked.values())]
        most = min(possible if repair.most is None else [*possible, repair.most(checked)])
        fits = [repair.fit(sample, number) for number in sorted({*_steps(most), directions or 1})]
    tried = [figures(held_out, fitted) for fitted in fits]
    chosen: FittedRepair | None = None
    if directions is not None:
        chosen = next(fitted for fitted in fits if fitted.directions == directions)
    elif not held_out.passages:
        chosen = fits[-1]
    else:
        chosen = _best(plain, fits, tried)
    beside = [
        figures(held_out, fitted, merging(name))
        for fitted in ((None,) if chosen is None else (None, chosen))
        for name in mergings
        if held_out.passages
    ]
    place = 0 if chosen is None else 1 + fits.index(chosen)
    return Choice(chosen, (plain, *tried), place, tuple(beside))


def _best(
    plain: Figures, fits: Sequence[FittedRepair], tried: Sequence[Figures]
) -> FittedRepair | None:
    kept = [
        (found, fitted)
        for found, fitted in zip(tried, fits, strict=True)
        if found.pool >= plain.pool + GAIN and found.monolingual >= plain.monolingual - LOSS
    ]
    if not kept:
        return None
    return max(kept, key=lambda pair: pair[0].pool)[1]


def _steps(most: int) -> list[int]:
    """1 to `most`: all of a few, else about ten."""
    return sorted({round(1 + (most - 1) * step / 10) for step in range(11)})
