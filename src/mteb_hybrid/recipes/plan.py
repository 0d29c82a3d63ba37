"""Which batches a training run consists of: the settings that a sampler and a callback share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
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
            data usually is.
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

    Raises:
        ValueError: If a value is out of range.
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
        if not self._known_weights():
            raise ValueError(
                "language_weights is 'uniform', 'size' or a temperature above 0, not "
                f"{self.language_weights!r}"
            )
        points = self.points
        if any(not 0 <= alpha <= 1 for _, alpha in points):
            raise ValueError(f"alpha is a probability from 0 to 1, not {self.alpha!r}")
        if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
            raise ValueError(f"the steps of a schedule must increase: {self.alpha!r}")

    def _known_weights(self) -> bool:
        if isinstance(self.language_weights, str):
            return self.language_weights in ("uniform", "size")
        return self.language_weights > 0

    @property
    def points(self) -> list[tuple[float, float]]:
        """The schedule of alpha as (step, alpha); one point if it is constant."""
        if isinstance(self.alpha, (int, float)):
            return [(0.0, float(self.alpha))]
        try:
            points = [(float(step), float(alpha)) for step, alpha in self.alpha]
        except (TypeError, ValueError):
            points = []
        if not points:
            raise ValueError(
                f"alpha is a number or points such as [[0, 1.0], [1000, 0.5]], not {self.alpha!r}"
            )
        return points

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
