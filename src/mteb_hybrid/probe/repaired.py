"""A repair for vectors that are there already: one that was made, or one fitted on the corpus."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.places import expanded
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.models import offline
from mteb_hybrid.models.contents import CARD_FOLDER, REPAIR_RECORD
from mteb_hybrid.models.registry import read_entry, registered
from mteb_hybrid.probe.corpus import ProbeError, different
from mteb_hybrid.repair import FOR_MODELS, VECTOR_REPAIRS, FittedRepair
from mteb_hybrid.repair.apply import stored_repair
from mteb_hybrid.repair.held_out import normalised
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.pool import Pool

FITTED_ON = 200
"""Passages of each language that a repair is fitted on, at most, and half of what there is."""


Base = tuple[str, str | None]


class Fit(NamedTuple):
    """A repair, and the rows of the corpus that play no part in it.

    Attributes:
        fitted: The repair.
        others: Positions of passages whose text it was not fitted on, as far as is known.
    """

    fitted: FittedRepair
    others: Ints


def check_repair(name: str) -> None:
    """Raise a `ProbeError` unless a name or a folder may be a repair; nothing is read."""
    if name in FOR_MODELS or name == offline.REPAIRED_NAME or name in registered():
        return
    if name in VECTOR_REPAIRS:
        raise ProbeError(
            f"--repair {name}: needs the language of every text at use, which no model is told; "
            f"expected one of {', '.join(FOR_MODELS)}, or a repaired model"
        )
    if not expanded(name).is_dir():
        raise ProbeError(
            f"--repair {name}: neither a repair nor a folder{did_you_mean(name, FOR_MODELS)} "
            f"Expected one of {', '.join(FOR_MODELS)}, which is fitted on half of the corpus, or "
            "the folder of a repaired model"
        )


def find_repair(
    name: str, base: Base, vectors: Vectors, pool: Pool, texts: list[str], seed: int
) -> Fit:
    """A repair for the vectors of a model.

    Args:
        name: A repair that needs no language at use, which is fitted on `FITTED_ON` passages of
            each language, or half of them; or a repaired model: a folder, or its registered name.
        base: The name of the model, and its revision.
        vectors: Of the passages, shape (N, D).
        pool: The passages.
        texts: Their texts.
        seed: Decides which are fitted on.

    Raises:
        ProbeError: If the repair is that of another model.
        RepairError: If it cannot be read or fitted.
    """
    if name not in FOR_MODELS:
        source = name if name in {offline.REPAIRED_NAME, *registered()} else str(expanded(name))
        fitted, _ = stored_repair(source)
        made_for = _base_of(source)
        if made_for[0] != base[0] or (None not in (made_for[1], base[1]) and made_for != base):
            raise ProbeError(
                f"--repair {name}: a repair of {_named(made_for)}, and the vectors are those of "
                f"{_named(base)}; expected a repair of the same model at the same revision. Give "
                f"that as --model, or repair this one"
            )
        return Fit(fitted, np.arange(len(texts)))
    random = np.random.default_rng(seed)
    sample, seen = {}, set[str]()
    for place, language in enumerate(pool.languages):
        rows = random.permutation(np.flatnonzero(pool.codes == place)).tolist()
        first = different(rows, texts)
        drawn = first[: min(FITTED_ON, len(first) // 2)]
        if len(drawn) < 2:
            raise ProbeError(
                f"--repair {name}: {len(first)} different passage(s) in {language}; expected four "
                "at least, half of which are fitted on. Give more, or a repair that is fitted on "
                "other texts"
            )
        sample[language] = np.asarray(vectors[drawn], np.float64)
        seen.update(texts[row] for row in drawn)
    others = np.array([row for row, text in enumerate(texts) if text not in seen], dtype=np.int64)
    left = {pool.passage_languages[row] for row in others.tolist()}
    if gone := [language for language in pool.languages if language not in left]:
        raise ProbeError(
            f"--repair {name}: all passages in {', '.join(gone)} have texts that it is fitted on; "
            "expected others to measure it with. Remove texts that stand in several languages"
        )
    return Fit(VECTOR_REPAIRS[name].fit(sample), others)


def apply_repair(fitted: FittedRepair, vectors: Vectors) -> npt.NDArray[np.float32]:
    """Repaired vectors, of length 1 if they had it before: shape (N, D)."""
    given = np.asarray(vectors, np.float64)
    new = fitted(given)
    unit = np.allclose(np.linalg.norm(given, axis=1), 1, atol=1e-2)
    return np.asarray(normalised(new) if unit else new, np.float32)


def _base_of(source: str) -> Base:
    if source == offline.REPAIRED_NAME:
        return offline.MODEL_NAME, offline.REVISION
    folder: Any = read_entry(source).folder if source in registered() else expanded(source)
    said = json_file(folder / CARD_FOLDER / REPAIR_RECORD, dict)
    return str(said.get("base_model")), said.get("base_revision")


def _named(base: Base) -> str:
    return base[0] if base[1] is None else f"{base[0]} at revision {base[1]}"
