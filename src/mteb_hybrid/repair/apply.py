"""Fit a repair and apply it: to a model, as a new folder, or to stored vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.lines import lines, text_of
from mteb_hybrid.files.named import is_name
from mteb_hybrid.files.places import check_writable
from mteb_hybrid.languages.codes import find_language
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import REPAIRED_NAME
from mteb_hybrid.models.registry import NAME, add_model, read_entry, registered
from mteb_hybrid.repair import FOR_MODELS, VECTOR_REPAIRS
from mteb_hybrid.repair.card import card, curve_table, record
from mteb_hybrid.repair.encode import encode_texts
from mteb_hybrid.repair.held_out import normalised
from mteb_hybrid.repair.model import (
    compares_by_cosine,
    repaired,
    repaired_meta,
    sentence_transformer,
    stored_map,
    write_repaired,
)
from mteb_hybrid.repair.offline import shipped_repair
from mteb_hybrid.repair.outcome import fit_model, seconds_text, where_text
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.stored import check_target, repair_file
from mteb_hybrid.repair.texts import Corpus, read_corpus
from mteb_hybrid.repair.vector_repair import FittedRepair, VectorRepair, usual_length

if TYPE_CHECKING:
    from mteb.models import MTEBModels


class Said(NamedTuple):
    """What to tell the user, and the folder of a repaired model if one was written."""

    text: str
    warnings: tuple[str, ...] = ()
    folder: Path | None = None


def vector_repair(name: str) -> VectorRepair:
    """A repair of vectors by its name.

    Raises:
        RepairError: If there is none of that name.
    """
    if name not in VECTOR_REPAIRS:
        raise RepairError(
            f"no repair {name!r}{did_you_mean(name, VECTOR_REPAIRS)} There are "
            f"{', '.join(VECTOR_REPAIRS)}"
        )
    return VECTOR_REPAIRS[name]


def repair_folder(
    source: str,
    folder: Path,
    texts: str,
    method: str = "projection",
    directions: int | None = None,
    per_language: int = 200,
    held_out: int = 100,
    seed: int = 0,
    name: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
) -> Said:
    """Write the folder of a repaired model, unless no repair is needed.

    Args:
        source: A model that MTEB knows, or a folder.
        folder: Where the repaired model goes.
        texts: What to fit on, as `read_corpus` takes it.
        method: A repair that needs no language at use.
        directions: How many to remove; chosen on held-out text if None.
        per_language: Texts of each language to fit on.
        held_out: Texts of each language to judge by.
        seed: Decides which texts are drawn.
        name: Register it under this name.
        revision: Of the model, on the hub.
        device: A torch device.
        batch_size: Texts per batch.
        overwrite: Whether to replace what is there.

    Raises:
        RepairError, ModelError, DataError, ExportError: If model, texts or folder cannot be used.
        OSError: If the folder cannot be made.
    """
    repair = vector_repair(method)
    if repair.needs != "nothing":
        raise RepairError(
            f"{method} needs the language of every text at use, which no model is told; repair "
            f"stored vectors with it (--vectors), or choose one of {', '.join(FOR_MODELS)}"
        )
    clean(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise RepairError(f"{folder}: is there already; choose another --output, or --overwrite")
    if name and (not NAME.fullmatch(name) or (name in registered() and not overwrite)):
        raise RepairError(
            f"{name}: no name as org/name, or registered already; choose another --name, or "
            "--overwrite"
        )
    check_writable(folder.parent)
    corpus = read_corpus(texts, per_language, seed)
    loaded: Any = load_model(source, revision, device)
    said = repair_model(
        *(loaded, folder, corpus, repair, directions, held_out, batch_size),
        name=name or folder.resolve().name,
        overwrite=overwrite,
    )
    if name and said.folder:
        add_model(folder, name, replace=overwrite)
        return said._replace(text=f"{said.text}, registered as {name}")
    return said


def repair_model(
    loaded: "MTEBModels",
    folder: Path,
    corpus: Corpus,
    repair: VectorRepair,
    directions: int | None = None,
    held_out: int = 100,
    batch_size: int = 32,
    *,
    name: str,
    overwrite: bool = False,
) -> Said:
    """As `repair_folder`, of a model that is loaded.

    Args:
        loaded: A model of MTEB; its metadata say what it is.
        folder: Where the repaired model goes.
        corpus: What to fit on.
        repair: A repair that needs no language at use.
        directions: How many to remove; chosen on held-out text if None.
        held_out: Texts of each language to judge by.
        batch_size: Texts per batch.
        name: What its card calls it.
        overwrite: Whether to replace what is there.
    """
    model, base = sentence_transformer(loaded), loaded.mteb_model_meta
    outcome = fit_model(model, corpus, repair, directions, held_out, batch_size)
    another = "; merging is another way: `--merge-by` of `run`" if outcome.choice.mergings else ""
    legend = f"* was chosen{another}."
    table = f"{_aligned(curve_table(outcome))}\n{legend}\n\n{where_text(outcome)}"
    if outcome.fitted is None:
        anyway = "--directions N" if repair.default else "--method projection --directions N"
        return Said(
            f"{table}\n\nNo repair needed: none brings the pool of held-out translations more "
            f"without a loss within languages. {folder} was not written; {anyway} repairs all the "
            "same.",
            outcome.warnings,
        )
    new = repaired(model, outcome.fitted)
    write_repaired(
        new,
        folder,
        record(outcome, str(base.name), base.revision),
        card(outcome, str(base.name), name),
        repaired_meta(base, new, corpus.tasks, folder.resolve().name),
        overwrite=overwrite,
    )
    said = f"{table}\n\n{seconds_text(outcome)}\n{folder}"
    return Said(said, outcome.warnings, folder)


def repair_vectors(
    source: str,
    vectors: Path,
    target: Path,
    texts: str | None = None,
    languages: Path | None = None,
    method: str = "projection",
    directions: int | None = None,
    per_language: int = 200,
    seed: int = 0,
    revision: str | None = None,
    device: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
) -> Said:
    """Repair stored vectors of passages: by the map of a repaired model, or by a fit on texts.

    Args:
        source: A repaired model; or, with `texts`, the model that made the vectors.
        vectors: ``.npy`` or ``.parquet``.
        target: The new file.
        texts: What to fit on, as `read_corpus` takes it.
        languages: The language of each vector, one a line.
        method: Any repair of vectors.
        directions: How many to remove; the default of the repair if None.
        per_language: Texts of each language to fit on.
        seed: Decides which texts are drawn.
        revision: Of the model, on the hub.
        device: A torch device.
        batch_size: Texts per batch.
        overwrite: Whether to replace what is there.

    Raises:
        RepairError, ModelError, DataError: If model, texts or vectors cannot be used.
        OSError: If the new file cannot be written.
    """
    check_target(vectors, target, overwrite)
    if texts is None:
        fitted, unit = stored_repair(source)
        if directions is not None or method not in ("projection", fitted.repair.name):
            raise RepairError(
                f"{source}: is repaired by {fitted.repair.name} already, which --method and "
                "--directions do not change; leave them out, or give --texts to fit on"
            )
    else:
        repair = vector_repair(method)
        corpus = read_corpus(texts, per_language, seed)
        if repair.parallel and not corpus.parallel:
            raise RepairError(
                f"{method} needs translations, and the texts of {corpus.name} are not parallel; "
                "give a folder of files that are aligned line by line, or choose another method"
            )
        model = sentence_transformer(load_model(source, revision, device))
        sample = encode_texts(model, corpus.fit, "document", batch_size)
        fitted, unit = repair.fit(sample, directions), compares_by_cosine(model)
    spoken = None
    if languages is not None and fitted.repair.needs == "nothing":
        raise RepairError(
            f"{languages}: {fitted.repair.name} needs no language of a text; leave --languages out"
        )
    if languages is not None:
        spoken = [
            code for where, line in lines([languages]) for code in text_of(where, line).split()
        ]

    is_moved = not all(map_.is_linear for map_ in fitted.maps.values())

    def change(rows: Any, of_file: list[str] | None) -> Any:
        new = fitted(rows, _as_fitted(fitted, spoken or of_file))
        if is_moved and fitted.length and len(rows):
            length = usual_length(rows)
            if not 0.5 < length / fitted.length < 2:
                raise RepairError(
                    f"{vectors}: its vectors have a length of {length:.3g}, those of the fit one "
                    f"of {fitted.length:.3g}, and {fitted.repair.name} moves them by an offset "
                    "that suits these. Give vectors as the model returns them, or choose "
                    "projection"
                )
        return np.asarray(normalised(new), new.dtype) if unit else new

    count, width = repair_file(vectors, target, change)
    warnings = []
    if is_moved and not fitted.length:
        warnings.append(
            f"{source}: does not tell the length of the vectors that it was fitted on, and "
            f"{fitted.repair.name} moves vectors by an offset: {target} is right only if "
            f"{vectors} has them as the model returned them. Repair the model again to have that "
            "checked"
        )
    said = f"{target}: {count} vectors of {width} numbers, repaired by {fitted.repair.name}"
    return Said(said, tuple(warnings))


def stored_repair(source: str) -> tuple[FittedRepair, bool]:
    """The repair of a repaired model, and whether a norm follows.

    Raises:
        RepairError: If it is none.
    """
    if is_name(source, {REPAIRED_NAME}, "model"):
        return shipped_repair(), True
    is_registered = is_name(source, registered(), "model")
    folder = read_entry(source).folder if is_registered else Path(source)
    found = stored_map(folder) if folder.is_dir() else None
    if found is None:
        raise RepairError(
            f"{source}: not a repaired model; name the folder of one that `mteb-hybrid repair` "
            f"wrote, or as it is registered, or {REPAIRED_NAME}, or give --texts to fit on"
        )
    name, map_, length, unit = found
    return FittedRepair(vector_repair(name), None, {None: map_}, length), unit


def _as_fitted(fitted: FittedRepair, languages: list[str] | None) -> list[str] | None:
    """Languages under the names that they have in the fit, however they are written."""
    known = {name: name for name in fitted.maps if name is not None}
    if languages is None or not known:
        return languages
    names = {written: find_language(str(written), known) or written for written in set(languages)}
    return [names[written] for written in languages]


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
