"""A repaired model: the model, a linear map and a norm, as a sentence-transformers folder.

The map is a ``Dense`` module; ``Normalize`` follows where the model compares by cosine. What it was
fitted on stands in ``model_card/repair.json``.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.places import utf8_fault
from mteb_hybrid.files.whole import whole_folder
from mteb_hybrid.models.contents import CARD_FOLDER, REPAIR_RECORD
from mteb_hybrid.models.describe import RUN_META
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.vector_repair import FittedRepair, VectorMap

if TYPE_CHECKING:
    from mteb.models import ModelMeta
    from sentence_transformers import SentenceTransformer

ROLES = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Keys of prompts that ``encode_query`` and ``encode_document`` look for, in their order."""


def compares_by_cosine(model: "SentenceTransformer") -> bool:
    """Whether the length of the model's vectors plays no part, or is 1 already."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    return model.similarity_fn_name == "cosine" or isinstance(model[-1], Normalize)


def sentence_transformer(model: Any) -> "SentenceTransformer":
    """The SentenceTransformer in a model of MTEB.

    Raises:
        RepairError: If there is none, it cuts its vectors, compares them by a distance, or MTEB
            encodes with it in another way than its own ``encode_query`` and ``encode_document``.
    """
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

    found = getattr(model, "model", None)
    name = model.mteb_model_meta.name
    if not isinstance(found, SentenceTransformer):
        raise RepairError(
            f"{name} is no SentenceTransformer, so no folder can be written that loads as one. In "
            "Python, fit a repair of mteb_hybrid.repair.VECTOR_REPAIRS on its vectors"
        )
    if found.truncate_dim is not None:
        raise RepairError(
            f"{name} cuts its vectors to {found.truncate_dim} numbers after all modules; load it "
            "without truncate_dim"
        )
    if found.similarity_fn_name not in ("cosine", "dot"):
        raise RepairError(
            f"{name} compares its vectors by {found.similarity_fn_name} distance; repairs are "
            "judged by cosine and dot product alone, choose a model that is made for those"
        )
    if type(model) is not SentenceTransformerEncoderWrapper:  # others change what is encoded
        raise RepairError(
            f"{name}: MTEB encodes with it through {type(model).__name__}, which may use other "
            "prompts than the SentenceTransformer in it, so a repair would be fitted on other "
            "vectors. In Python, fit a repair of mteb_hybrid.repair.VECTOR_REPAIRS on those of MTEB"
        )
    # MTEB's prompts, which a plain SentenceTransformer would not know of.
    prompts = model.model_prompts or {}
    found.prompts = {**found.prompts, **{k: v for k, v in prompts.items() if v}}
    _check_prompts(name, found, prompts)
    return found


def _check_prompts(
    name: str | None, model: "SentenceTransformer", prompts: Mapping[str, str]
) -> None:
    """Refuse prompts of tasks that MTEB puts before the model's own for queries and passages."""
    for role, keys in ROLES.items():
        plain = next((key for key in keys if key in model.prompts), model.default_prompt_name)
        own = model.prompts.get(plain or "", "")
        for task in ("Retrieval", *tasks_by_name()):
            other = next((key for key in (f"{task}-{role}", task) if key in prompts), None)
            if other is not None and prompts[other] != own:
                raise RepairError(
                    f"{name}: for a {role}, MTEB uses the prompt {other!r} ({prompts[other]!r}), "
                    f"and a SentenceTransformer {own!r}: a repair would be fitted on other vectors "
                    f"than are used. Save the model with one prompt, as {role!r}"
                )


def repaired(model: "SentenceTransformer", fitted: FittedRepair) -> "SentenceTransformer":
    """The model with a repair behind it; the model itself stays as it is.

    Args:
        model: A model.
        fitted: A repair that needs no language at use, fitted on vectors of the model.

    Raises:
        RepairError: If the repair needs the language of a text.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    if None not in fitted.maps:
        raise RepairError(
            f"{fitted.repair.name} needs the language of every text at use, which no model is "
            "told; repair stored vectors with it (--vectors)"
        )
    map_ = fitted.maps[None]
    width = len(map_.offset)
    dense = Dense(width, width, bias=not map_.is_linear, activation_function=None)
    with torch.no_grad():
        dense.linear.weight.copy_(torch.from_numpy(map_.matrix))
        if not map_.is_linear:
            dense.linear.bias.copy_(torch.from_numpy(map_.offset))
    dense.to(device=model.device, dtype=next(model.parameters()).dtype)
    norm = [Normalize()] if compares_by_cosine(model) else []
    names = dict(model.named_children())
    for module in (dense, *norm):
        place = len(names)
        while str(place) in names:
            place += 1
        names[str(place)] = module
    modules: Any = OrderedDict(names)  # which it takes, though its types say a list
    new = SentenceTransformer(
        modules=modules,
        device=str(model.device),
        prompts={name: text for name, text in model.prompts.items() if text is not None},
        similarity_fn_name=model.similarity_fn_name,
    )
    new.default_prompt_name = model.default_prompt_name  # given above, it would be logged
    new.module_kwargs = model.module_kwargs  # what each module is told of a text, by its name
    return new


def write_repaired(
    model: "SentenceTransformer",
    folder: Path,
    record: Mapping[str, Any],
    card: str,
    meta: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write the folder of a repaired model, whole or not at all.

    Args:
        model: What `repaired` made.
        folder: Where it goes.
        record: What the repair is and was fitted on.
        card: README.md.
        meta: The fields of MTEB's ``ModelMeta``.
        overwrite: Whether to replace what is there.

    Raises:
        ExportError: If the folder holds anything else and may not be replaced.
        RepairError: If its path is not UTF-8.
    """
    if fault := utf8_fault(folder):
        raise RepairError(f"{folder}: {fault}")
    with whole_folder(folder, overwrite=overwrite) as part:
        model.save_pretrained(str(part), create_model_card=False)
        (part / CARD_FOLDER).mkdir()
        (part / CARD_FOLDER / REPAIR_RECORD).write_text(_json(record), encoding="utf-8")
        (part / RUN_META).write_text(_json(meta), encoding="utf-8")
        (part / "README.md").write_text(card, encoding="utf-8")


def repaired_meta(
    base: "ModelMeta", model: "SentenceTransformer", tasks: tuple[str, ...] | None, name: str
) -> dict[str, Any]:
    """What MTEB is told of a repaired model: what it knows of the model, and what changed.

    Args:
        base: Of the model that was repaired.
        model: The repaired one.
        tasks: MTEB tasks on whose texts it was fitted; None if unknown, which makes the whole
            unknown.
        name: Of its folder.
    """
    fields = base.model_dump(mode="json", exclude={"loader"})
    parameters = list(model.parameters())
    size = sum(p.numel() * p.element_size() for p in parameters)
    known = None if base.training_datasets is None or tasks is None else base.training_datasets
    local = str(base.name).startswith("local/")
    prompts = {key: text for key, text in model.prompts.items() if text}
    return fields | {
        "name": f"local/{name}",
        "revision": None,
        "adapted_from": base.adapted_from if local else base.name,
        "n_parameters": sum(p.numel() for p in parameters),
        "memory_usage_mb": round(size / 2**20),
        "training_datasets": None if known is None else sorted({*known, *(tasks or ())}),
        "loader_kwargs": {"model_prompts": prompts} if prompts else {},
        "reference": None,
    }


def stored_map(folder: Path) -> tuple[str, VectorMap, float | None, bool] | None:
    """The repair of a model's folder, its map, the length of vectors, and whether a norm follows.

    The length is None in folders of earlier versions; all is None if there is no repair.

    Raises:
        RepairError: If the folder tells of a repair that it does not have.
    """
    from safetensors.torch import load_file

    record = folder / CARD_FOLDER / REPAIR_RECORD
    if not record.is_file():
        return None
    try:
        said = json_file(record)
        name, length = str(said["repair"]), said.get("length")
        length = None if length is None else float(length)
    except (ValueError, KeyError, TypeError) as error:
        raise RepairError(
            f"{record}: does not tell of its repair ({error!r}); repair again"
        ) from None
    modules = json_file(folder / "modules.json", list)
    dense = [module for module in modules if module["type"].endswith(".Dense")]
    file = folder / dense[-1]["path"] / "model.safetensors" if dense else folder / "modules.json"
    if not dense or not file.is_file():
        raise RepairError(f"{file}: no Dense module with weights; expected that of a repair")
    # By torch, as numpy has no bfloat16.
    weights = {key: weight.double().numpy() for key, weight in load_file(file).items()}
    matrix = weights["linear.weight"]
    offset = weights.get("linear.bias", np.zeros(len(matrix)))
    return name, VectorMap(matrix, offset), length, modules[-1]["type"].endswith(".Normalize")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
