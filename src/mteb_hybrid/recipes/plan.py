"""Which batches a training run consists of: the settings that a sampler and a callback share."""

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

AlphaSchedule: TypeAlias = float | Sequence[Sequence[float]]


@dataclass(frozen=True)
class BatchPlan:
    """What batches consist of.

    The baselines of LAReQA (Roy et al. 2020) and arXiv:2408.10536 are settings of it: X-X is
    ``alpha=1``, X-Y is ``alpha=0``, En-En is ``alpha=1, languages=("en",)``, and LAReQA's X-X
    with several languages in a batch is ``method="mixed"``.

    Attributes:
        method: ``hybrid``: each batch is monolingual with probability alpha, else cross-lingual.
            ``mixed``: every example has both sides in one language, a batch has many. ``shuffle``:
            the same examples, but every translation of a row is an example of its own, in one
            plain shuffle that lets translations meet as negatives: what training on translated
            data usually is, and XTREME's translate-train on all languages (arXiv:2003.11080).
        alpha: Probability of a monolingual batch, 0 to 1; or points ``((step, alpha), …)``,
            linear between them and constant outside, with steps counted as the trainer does.
        language_weights: How the language of a monolingual batch (and with `crosslingual="pair"`
            the pair of a cross-lingual one) is drawn: ``uniform``, ``size`` (by rows that have
            it), or a temperature T: by rows to the power 1/T. A language with too few rows for
            its share gets what it has, spread over the epoch, whatever alpha is.
        crosslingual: ``mixed``: every example of a cross-lingual batch draws its own pair of
            different languages, uniformly from those that its row has; ``pair``: one pair for
            the whole batch.
        languages: Use only these; None for all.

    Numbers may be NumPy's or scalar tensors; all settings are kept as plain values.

    Raises:
        ValueError: If a value is of another type or out of range.
    """

    method: Literal["hybrid", "mixed", "shuffle"] = "hybrid"
    alpha: AlphaSchedule = 0.5
    language_weights: Literal["uniform", "size"] | float = "uniform"
    crosslingual: Literal["mixed", "pair"] = "mixed"
    languages: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.method not in ("hybrid", "mixed", "shuffle"):
            raise ValueError(f"method is 'hybrid', 'mixed' or 'shuffle', not {self.method!r}")
        if self.crosslingual not in ("mixed", "pair"):
            raise ValueError(f"crosslingual is 'mixed' or 'pair', not {self.crosslingual!r}")
        weights = self.language_weights
        named = isinstance(weights, str) and weights in ("uniform", "size")
        temperature = plain_number(weights)
        if not named and not (temperature or 0) > 0:
            raise ValueError(
                "language_weights is 'uniform', 'size' or a temperature above 0, not "
                f"{self.language_weights!r}"
            )
        object.__setattr__(self, "language_weights", weights if named else temperature)
        object.__setattr__(self, "alpha", _plain_schedule(self.alpha))
        object.__setattr__(self, "languages", _plain_languages(self.languages))

    @property
    def points(self) -> list[tuple[float, float]]:
        """The schedule of alpha as (step, alpha); one point if it is constant."""
        if isinstance(self.alpha, float):
            return [(0.0, self.alpha)]
        return [(step, alpha) for step, alpha in self.alpha]

    def alpha_at(self, steps: Floats) -> Floats:
        """Alpha of batches.

        Args:
            steps: Shape (N,), the optimizer steps that they serve, from 0, fractions allowed.

        Returns:
            Shape (N,).
        """
        places, alphas = zip(*self.points, strict=True)
        alpha: Floats = np.interp(steps, places, alphas)
        return alpha

    @property
    def may_be_monolingual(self) -> bool:
        """Whether some batch can be monolingual."""
        return self.method != "hybrid" or any(alpha > 0 for _, alpha in self.points)

    @property
    def may_be_crosslingual(self) -> bool:
        """Whether some batch can be cross-lingual."""
        return self.method == "hybrid" and any(alpha < 1 for _, alpha in self.points)

    def weights(self, sizes: Floats) -> Floats:
        """Weights of languages (or pairs) by their numbers of rows.

        Args:
            sizes: Shape (N,), rows of each; zeros get no weight.

        Returns:
            Shape (N,), summing to 1, or all zeros.
        """
        if self.language_weights == "uniform":
            weights = (sizes > 0).astype(np.float64)
        else:
            power = 1.0 if self.language_weights == "size" else 1 / float(self.language_weights)
            weights = np.where(sizes > 0, sizes.astype(np.float64), 0) ** power
            weights[sizes <= 0] = 0
        total = weights.sum()
        return weights / total if total > 0 else weights

    def settings(self) -> dict[str, Any]:
        """The settings as plain values, as they stand in a checkpoint."""
        alpha = self.points if len(self.points) > 1 else self.points[0][1]
        languages = None if self.languages is None else list(self.languages)
        listed = [list(point) for point in alpha] if isinstance(alpha, list) else alpha
        return {**asdict(self), "alpha": listed, "languages": languages}


def plain_number(value: Any) -> float | None:
    """A finite number as Python's own, from NumPy's and scalar tensors too; None for all else."""
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _plain_schedule(alpha: Any) -> float | tuple[tuple[float, float], ...]:
    number = plain_number(alpha)
    try:
        given = [(0, alpha)] if number is not None else [(step, value) for step, value in alpha]
    except (TypeError, ValueError):
        given = []
    plain = [(plain_number(step), plain_number(value)) for step, value in given]
    points = [(step, value) for step, value in plain if step is not None and value is not None]
    if not points or len(points) < len(given):
        raise ValueError(
            f"alpha is a number or points such as [[0, 1.0], [1000, 0.5]], not {alpha!r}"
        )
    if any(not 0 <= value <= 1 for _, value in points):
        raise ValueError(f"alpha is a probability from 0 to 1, not {alpha!r}")
    if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
        raise ValueError(f"the steps of a schedule must increase: {alpha!r}")
    return number if number is not None else tuple(points)


def _plain_languages(languages: Any) -> tuple[str, ...] | None:
    if languages is None:
        return None
    # The order of a set differs between the processes of a run.
    ordered = sorted(languages, key=str) if isinstance(languages, AbstractSet) else languages
    try:
        codes = () if isinstance(languages, str) else tuple(dict.fromkeys(ordered))
    except TypeError:
        codes = ()
    if not codes or not all(isinstance(code, str) for code in codes):
        raise ValueError(
            f"languages is a list of codes such as ['en', 'de'], or None for all, not {languages!r}"
        )
    return tuple(str(code) for code in codes)
