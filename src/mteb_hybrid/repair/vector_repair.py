"""What a repair of vectors is, and what fitting one gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mteb_hybrid.repair.sample import RepairError, Sample, checked_sample
from mteb_hybrid.retrieval.pool import Floats

Need = Literal["nothing", "language", "passage language"]


class VectorMap(NamedTuple):
    """An affine map of vectors, as rows: ``x @ matrix.T + offset``.

    Attributes:
        matrix: Shape (D, D).
        offset: Shape (D,).
    """

    matrix: Floats
    offset: Floats

    @property
    def is_linear(self) -> bool:
        """Whether the offset is zero."""
        return not self.offset.any()


def usual_length(vectors: npt.ArrayLike) -> float:
    """The median length of some vectors, shape (N, D)."""
    return float(np.median(np.linalg.norm(np.asarray(vectors, np.float64), axis=1)))


def without(basis: Floats) -> VectorMap:
    """The map that projects out a subspace.

    Args:
        basis: Shape (K, D), orthonormal rows.
    """
    width = basis.shape[1]
    return VectorMap(np.eye(width) - basis.T @ basis, np.zeros(width))


def minus(offset: Floats) -> VectorMap:
    """The map that subtracts a vector of shape (D,)."""
    return VectorMap(np.eye(len(offset)), -offset)


@dataclass(frozen=True)
class FittedRepair:
    """A repair that is ready for use.

    Attributes:
        repair: What was fitted.
        directions: How many directions it removes; None if the repair has no such choice.
        maps: One map of each language; or, where none is needed, one under None.
        length: The usual length of the vectors that it was fitted on; None if it is not known.
    """

    repair: "VectorRepair"
    directions: int | None
    maps: Mapping[str | None, VectorMap] = field(repr=False)
    length: float | None = None

    @property
    def label(self) -> str:
        """Its name, and how many directions it removes: ``projection 10``."""
        return " ".join(filter(None, [self.repair.name, str(self.directions or "")]))

    def __call__(
        self, vectors: npt.ArrayLike, languages: Sequence[str] | None = None
    ) -> npt.NDArray[np.floating]:
        """Repair vectors; whoever wants unit vectors normalises them afterwards.

        Args:
            vectors: Shape (N, D).
            languages: The language of each; only for repairs that need it.

        Returns:
            Shape (N, D), in the type of `vectors`.

        Raises:
            RepairError: If the width is another than at the fit, a value is not finite, or a
                language is missing or was not fitted.
        """
        given = np.asarray(vectors)
        width = next(iter(self.maps.values())).matrix.shape[0]
        if given.ndim != 2 or given.shape[1] != width:
            raise RepairError(
                f"vectors of shape {given.shape}; expected (N, {width}), as at the fit. Was "
                "another model fitted?"
            )
        bad = np.flatnonzero(~np.isfinite(given).all(1))
        if bad.size:
            raise RepairError(f"{bad.size} vectors have NaN or infinity; the first is row {bad[0]}")
        kind = given.dtype if np.issubdtype(given.dtype, np.floating) else np.dtype(np.float64)
        if None in self.maps:
            return _applied(self.maps[None], given, kind)
        if languages is None or len(languages) != len(given):
            raise RepairError(
                f"{self.repair.name} needs the language of each of the {len(given)} vectors; got "
                f"{'none' if languages is None else len(languages)}"
            )
        spoken = np.asarray(languages)
        repaired = np.empty(given.shape, kind)
        for language in dict.fromkeys(languages):
            if language not in self.maps:
                fitted = ", ".join(map(str, self.maps))
                raise RepairError(
                    f"{self.repair.name} was not fitted on the language {language!r}; it knows "
                    f"{fitted}. Fit it again with texts in that language."
                )
            rows = spoken == language
            repaired[rows] = _applied(self.maps[language], given[rows], kind)
        return repaired


def _applied(
    map_: VectorMap, vectors: npt.NDArray[Any], kind: np.dtype[np.floating]
) -> npt.NDArray[np.floating]:
    return np.asarray(vectors @ map_.matrix.T + map_.offset, kind)


@dataclass(frozen=True)
class VectorRepair:
    """A map of vectors that is fitted on texts of known language, without judgments.

    Attributes:
        name: Its name in commands and tables.
        formula: What becomes of a vector x.
        citation: Paper or program that defines it.
        needs: What must be known of a text at use: ``nothing``, its ``language``, or, as queries
            stay as they are, the ``passage language`` alone.
        maps: The vectors of each language and how many directions to remove, to the maps.
        default: How many directions to remove of vectors in L languages, unless told; None if
            there is no such choice.
        most: The largest such number.
        parallel: Whether row i of all languages must be one text and its translations.
    """

    name: str
    formula: str
    citation: str
    needs: Need
    maps: Callable[[Sample, int], Mapping[str | None, VectorMap]] = field(repr=False)
    default: Callable[[int], int] | None = field(default=None, repr=False)
    most: Callable[[Sample], int] | None = field(default=None, repr=False)
    parallel: bool = False

    def fit(
        self, vectors: Mapping[str, npt.ArrayLike], directions: int | None = None
    ) -> FittedRepair:
        """Fit the repair.

        Args:
            vectors: By language, shape (texts, D) each, as the model returns them.
            directions: How many directions to remove; by default what the repair says.

        Returns:
            The fitted repair.

        Raises:
            RepairError: If the vectors cannot be fitted on (see `checked_sample`), `directions`
                is out of range, or a language has fewer texts than directions.
        """
        sample = checked_sample(vectors)
        counts = {language: len(rows) for language, rows in sample.items()}
        if self.parallel and len(set(counts.values())) > 1:
            raise RepairError(
                f"{self.name} needs translations: row i of each language the same text; got "
                f"{counts} rows"
            )
        length = usual_length(np.concatenate([*sample.values()]))
        if self.default is None or self.most is None:
            if directions is not None:
                raise RepairError(f"{self.name} has no choice of directions; leave it out")
            return FittedRepair(self, None, self.maps(sample, 0), length)
        chosen = self.default(len(sample)) if directions is None else directions
        most = self.most(sample)
        if not 1 <= chosen <= most:
            raise RepairError(
                f"{chosen} directions; expected 1 to {most} for {self.name} of {len(sample)} "
                "languages"
            )
        fewest = min(sample, key=lambda language: len(sample[language]))
        if len(sample[fewest]) < chosen:
            raise RepairError(
                f"{fewest}: {len(sample[fewest])} texts, fewer than the {chosen} directions to "
                "remove; give more texts, or fewer directions"
            )
        return FittedRepair(self, chosen, self.maps(sample, chosen), length)
