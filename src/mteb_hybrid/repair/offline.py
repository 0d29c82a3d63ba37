"""The offline encoder, repaired with a fit that comes with the package.

`offline.safetensors` holds the directions that a projection takes out, `offline.json` the text that
it was fitted on and the curve by which their number was chosen. `benchmarks/shipped_repair.py`
makes both.
"""

from __future__ import annotations

import hashlib
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.cards.tasks import collection_tasks
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.models import offline
from mteb_hybrid.repair.model import repaired
from mteb_hybrid.repair.projection import PROJECTION
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.vector_repair import FittedRepair, without

if TYPE_CHECKING:
    from mteb.models import ModelMeta
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

MODEL_NAME = offline.REPAIRED_NAME
WIDTH = 384
FITTED_ON = "tico-19"
DIRECTIONS = Path(__file__).with_name("offline.safetensors")
RECORD = DIRECTIONS.with_suffix(".json")


def shipped_repair(directions: Path = DIRECTIONS, record: Path = RECORD) -> FittedRepair:
    """The repair of the offline encoder that comes with the package.

    Args:
        directions: What is taken out.
        record: What it was fitted on.

    Raises:
        RepairError: If it was fitted on vectors of other weights, or the files are not of one fit.
        DataError: If the record cannot be read.
    """
    from safetensors.numpy import load

    said = json_file(record)
    belongs = (said.get("base_model"), said.get("base_revision"))
    if belongs != (offline.MODEL_NAME, offline.REVISION):
        raise RepairError(
            f"{record}: fitted on vectors of {belongs[0]} at revision {belongs[1]}, and the "
            f"encoder is {offline.MODEL_NAME} at {offline.REVISION}; install mteb-hybrid again, or "
            "repair the encoder anew with `mteb-hybrid repair`"
        )
    raw = directions.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != said.get("sha256"):
        raise RepairError(
            f"{directions} has sha256 {found}, expected {said.get('sha256')}, as {record.name} "
            "says; install mteb-hybrid again"
        )
    basis = load(raw)["directions"].astype(np.float64)
    return FittedRepair(PROJECTION, len(basis), {None: without(basis)})


def load_repaired_encoder(device: str | None = None) -> SentenceTransformer:
    """The repaired encoder, as `mteb_hybrid.models.offline.load_offline_encoder` gives the other.

    Raises:
        ImportError, ValueError: As that.
        RepairError: As `shipped_repair`.
    """
    return repaired(offline.load_offline_encoder(device), shipped_repair())


def with_shipped_repair(
    encoder: SentenceTransformerEncoderWrapper,
) -> SentenceTransformerEncoderWrapper:
    """The repaired model, from the offline encoder as MTEB has it; both share their weights.

    Raises:
        RepairError: As `shipped_repair`.
    """
    new = copy(encoder)
    new.model = repaired(encoder.model, shipped_repair())
    new.mteb_model_meta = model_meta()
    return new


def _load_for_mteb(
    model_name: str, revision: str, device: str | None = None, **kwargs: Any
) -> SentenceTransformerEncoderWrapper:
    """Load the repaired encoder as ``ModelMeta.load_model`` asks for it."""
    encoder: Any = offline.model_meta().load_model(device, **kwargs)
    return with_shipped_repair(encoder)


def model_meta() -> ModelMeta:
    """Describe the repaired encoder to MTEB.

    Its training data are those of the encoder, and the collections of the texts of the fit. The
    revision is a hash of the encoder's weights and of the fit.
    """
    from mteb.models import ModelMeta

    base, said = offline.model_meta(), json_file(RECORD)
    weights = f"{offline.SHA256} {said['sha256']}"
    return ModelMeta.model_validate(
        base.model_dump()
        | {
            "loader": _load_for_mteb,
            "name": MODEL_NAME,
            "revision": hashlib.sha256(weights.encode()).hexdigest()[:16],
            "n_parameters": (base.n_parameters or 0) + WIDTH**2,
            "adapted_from": base.name,
            "training_datasets": {*(base.training_datasets or ()), *collection_tasks(FITTED_ON)},
        }
    )
