"""Vectors to fit on, by language, and what makes them unfit."""

from collections.abc import Mapping
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.pool import Floats

Sample: TypeAlias = Mapping[str, Floats]
"""By language, shape (texts, D) each."""


class RepairError(ValueError):
    """Input that cannot be repaired, or fitted on. The message gives the remedy."""


def checked_sample(vectors: Mapping[str, npt.ArrayLike]) -> Sample:
    """The vectors in float64, if a repair can be fitted on them.

    Raises:
        RepairError: If there are fewer than two languages, a language has fewer than two texts or
            only texts of one vector, the widths differ, or a value is not finite.
    """
    if len(vectors) < 2:
        raise RepairError(
            f"texts in {len(vectors)} language(s) ({', '.join(vectors) or 'none'}); bias towards a "
            "language shows only beside others: give at least two"
        )
    sample = {language: np.asarray(rows, np.float64) for language, rows in vectors.items()}
    widths: dict[int, str] = {}
    for language, rows in sample.items():
        if rows.ndim != 2:
            raise RepairError(
                f"{language}: vectors of shape {rows.shape}; expected rows of one width"
            )
        if len(rows) < 2:
            raise RepairError(
                f"{language}: {len(rows)} text(s) to fit on; expected at least two, better 200. "
                "Where texts are held out, half of them are: give twice as many"
            )
        widths.setdefault(rows.shape[1], language)
        bad = np.flatnonzero(~np.isfinite(rows).all(1))
        if bad.size:
            raise RepairError(
                f"{language}: {bad.size} of {len(rows)} vectors have NaN or infinity; the first is "
                f"row {bad[0]}. Check the model on that text."
            )
        if np.ptp(rows, axis=0).max() < 1e-6 * np.abs(rows).max():
            raise RepairError(
                f"{language}: all {len(rows)} texts have the same vector; are they one text? Its "
                "content would be taken for the language: give different texts"
            )
    if len(widths) > 1:
        found = ", ".join(f"{width} in {language}" for width, language in widths.items())
        raise RepairError(f"vectors of changing width: {found}; expected one model for all")
    return sample


def language_means(sample: Sample) -> Floats:
    """Shape (L, D), in the order of the languages."""
    return np.stack([rows.mean(0) for rows in sample.values()])


def alike(sample: Sample) -> list[tuple[str, str]]:
    """Pairs of languages whose means differ no more than those of random halves of one language.

    Their squared distance is then at most 1.3 times what chance gives, the sum of the variances of
    both means: both hold texts of one language (or even the same texts), or the model does not
    tell the two apart.

    Args:
        sample: Checked vectors.
    """
    means = language_means(sample)
    chance = [rows.var(0, ddof=1).sum() / len(rows) for rows in sample.values()]
    return [
        (first, second)
        for (i, first), (j, second) in combinations(enumerate(sample), 2)
        if np.square(means[i] - means[j]).sum() < 1.3 * (chance[i] + chance[j])
    ]


def mistaken(sample: Sample) -> dict[str, tuple[str, float]]:
    """Which other language the texts of a language are most often taken for.

    A text is taken for the language whose mean is nearest; of its own, the mean of the others.
    Wrong texts are noticed only if the language that they are in is in the sample too.

    Args:
        sample: Checked vectors.

    Returns:
        By language, the other language and the share of texts taken for it.
    """
    languages, means = list(sample), language_means(sample)
    found = {}
    for own, (language, rows) in enumerate(sample.items()):
        distances = np.square(means).sum(1) - 2 * rows @ means.T
        rest = (means[own] * len(rows) - rows) / (len(rows) - 1)
        distances[:, own] = np.square(rest).sum(1) - 2 * (rows * rest).sum(1)
        shares = np.bincount(distances.argmin(1), minlength=len(languages)) / len(rows)
        shares[own] = -1
        found[language] = (languages[int(shares.argmax())], float(shares.max()))
    return found
