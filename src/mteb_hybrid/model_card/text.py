"""The text of a model card, from what is known of the model; what is not known is said so."""

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.tasks import card_settings, task_name
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.model_card.evaluation import MTEB, Evaluation, cards_by_title
from mteb_hybrid.model_card.markdown import Markdown, escape, fence, link, render
from mteb_hybrid.models.contents import CARD_FOLDER
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.recipes.kept_run import Run
from mteb_hybrid.results.cells import COLUMNS, cell_text
from mteb_hybrid.results.table import legend

if TYPE_CHECKING:
    from mteb.models import ModelMeta

UNKNOWN = "unknown"
MANY = 20
TRAINED_ON = {True: "no", False: "yes", None: UNKNOWN}
"""By whether the model is zero-shot on a collection, as MTEB says."""


def card_text(
    meta: "ModelMeta",
    run: Run | None,
    evaluation: Evaluation | None,
    pictures: Mapping[str, str],
    prompts: Mapping[str, str] | None,
    *,
    whole: bool,
) -> str:
    """Write our part of a card.

    Args:
        meta: What MTEB knows of the model.
        run: The run that made it, if it is known.
        evaluation: Its results, if there are any.
        pictures: Files of pictures of the results, by their path beside the card, and what each
            shows.
        prompts: The prompts of a sentence-transformers folder; None if MTEB loads the model.
        whole: Whether to say what the model is; else only how it retrieves.
    """
    return render(
        Path(__file__).with_name("card.md.jinja"),
        whole=whole,
        title=run.recipe.title if run else meta.name,
        description=run.recipe.description if run else "A text embedding model.",
        facts=_facts(meta),
        usage=_usage(meta, loads_here=prompts is not None),
        prompts=_prompts(prompts),
        rows=_rows(meta, evaluation),
        columns=[column.title for column in COLUMNS],
        legend=legend(evaluation.rows) if evaluation else "",
        mteb=Markdown(MTEB),
        version=importlib.metadata.version("mteb-hybrid"),
        provenance=_provenance(meta, evaluation),
        pictures=[(Markdown(file), caption) for file, caption in pictures.items()],
        citations=_citations(evaluation),
        run=run,
        folder=Markdown(CARD_FOLDER),
        recipe=run.recipe.name if run else "",
        settings=_settings(run) if run else "",
        corpora=[_corpus(data) for data in run.recipe.data] if run else [],
        versions=_versions(run) if run else "",
        curves=run is not None and run.has_curves,
        limits=_limits(meta, run, evaluation),
    )


def base_model(meta: "ModelMeta") -> str | None:
    """The model on the hub that a model was trained from, if it is known."""
    from mteb_hybrid.models.offline import REVISIONS, model_meta

    return model_meta().adapted_from if meta.adapted_from in REVISIONS else meta.adapted_from


def published_name(meta: "ModelMeta") -> str:
    """Its name on the hub; one that has none yet gets ORG as its organisation."""
    organisation, _, name = str(meta.name).partition("/")
    return f"ORG/{name}" if organisation == "local" else str(meta.name)


def _facts(meta: "ModelMeta") -> list[tuple[str, object]]:
    from mteb.models.model_implementations import MODEL_REGISTRY

    base = base_model(meta)
    origin: object = UNKNOWN
    if base:
        known = MODEL_REGISTRY.get(base)
        licence = (known.license if known else None) or UNKNOWN
        origin = Markdown(
            f"{link(base, f'https://huggingface.co/{base}')}, licence {escape(licence)}"
        )
    sizes = [
        f"{meta.embed_dim} numbers per text" if meta.embed_dim else "",
        f"compared by {meta.similarity_fn_name}" if meta.similarity_fn_name else "",
        f"texts of up to {meta.max_tokens:.0f} tokens" if meta.max_tokens else "",
        f"{meta.n_parameters:,} parameters" if meta.n_parameters else "",
    ]
    return [
        ("Name", published_name(meta)),
        ("Base model", origin),
        ("Languages", _languages(meta) or UNKNOWN),
        ("Vectors", ", ".join(filter(None, sizes)) or UNKNOWN),
        ("Trained on tasks of MTEB", _trained_on(meta)),
        ("Licence", meta.license or f"{UNKNOWN}: whoever publishes the model has to give one"),
        *([("Reference", link(meta.reference, meta.reference))] if meta.reference else []),
    ]


def _trained_on(meta: "ModelMeta") -> str:
    if meta.training_datasets is None:
        return UNKNOWN
    return ", ".join(sorted(meta.training_datasets)) or "none"


def _languages(meta: "ModelMeta") -> str:
    return ", ".join(f"{language_name(code)} ({code})" for code in meta.languages or ())


def _usage(meta: "ModelMeta", *, loads_here: bool) -> Markdown:
    name = json.dumps(published_name(meta), ensure_ascii=False)
    if not loads_here:
        return fence(f"import mteb\n\nmodel = mteb.get_model({name})", "python")
    return fence(
        "from sentence_transformers import SentenceTransformer\n\n"
        f"model = SentenceTransformer({name})\n"
        'queries, passages = ["Where is Lima?"], ["Lima is in Peru.", "Lima ist in Peru."]\n'
        "scores = model.similarity(model.encode_query(queries), model.encode_document(passages))",
        "python",
    )


def _prompts(prompts: Mapping[str, str] | None) -> str:
    if prompts is None:
        return "MTEB puts the prompts of its own entry of the model before the texts."
    query = prompts.get("query", "")
    keys = ("document", "passage", "corpus")
    passage = next((prompts[key] for key in keys if key in prompts), "")
    if not query and not passage:
        return "The model has no prompts."
    shown = [escape(json.dumps(text, ensure_ascii=False)) for text in (query, passage)]
    return Markdown(
        f"`encode_query` puts {shown[0]} before every text, `encode_document` {shown[1]}; without "
        "them the model does worse."
    )


def _rows(meta: "ModelMeta", evaluation: Evaluation | None) -> list[list[str]]:
    cards = cards_by_title()
    rows = []
    for row in evaluation.rows if evaluation else ():
        card = cards[row.collection]
        zero_shot = meta.is_zero_shot_on([task_name(card, s) for s in card_settings(card)])
        cells = [
            cell_text(cell, column.digits) for cell, column in zip(row.cells, COLUMNS, strict=True)
        ]
        rows.append([row.collection, *cells, TRAINED_ON[zero_shot]])
    return rows


def _provenance(meta: "ModelMeta", evaluation: Evaluation | None) -> str:
    found = [e for _, e in evaluation.summary.evaluations] if evaluation else []
    versions = sorted({version for one in found for version in one.mteb_versions})
    dates = sorted({one.date for one in found if one.date})
    when = "" if not dates else f", {dates[0]}" + (f" to {dates[-1]}" if dates[1:] else "")
    return f"mteb {', '.join(versions)}, revision {meta.revision} of the model{when}"


def _citations(evaluation: Evaluation | None) -> list[Markdown]:
    found = evaluation.summary.collections if evaluation else ()
    entries = dict.fromkeys(c.card.metadata.bibtex_citation.strip() for c in found)
    return [fence(entry, "bibtex") for entry in entries if entry]


def _settings(run: Run) -> str:
    recipe = run.recipe
    batches, training = recipe.batches, recipe.training
    length = f"{training.max_steps} steps" if training.max_steps else f"{training.epochs:g} epochs"
    last = run.versions[-1]
    if "kept_step" in last:
        early = f"stopped at step {last['stopped_at']}; " if "stopped_at" in last else ""
        length += f" ({early}the model is that of step {last['kept_step']})"
    parts = [
        f"seed {training.seed}",
        length,
        f"{batches.method} batches of {batches.size}"
        + (f" times {batches.gradient_accumulation}" if batches.gradient_accumulation > 1 else ""),
        f"alpha {batches.alpha}" if batches.method == "hybrid" else "",
        f"loss {training.loss_in_words}",
        f"learning rate {training.learning_rate:g}",
        last.get("precision", training.precision),
        f"LoRA of rank {recipe.model.lora.r}" if recipe.model.lora else "",
        f"bottleneck adapters, reduction factor {recipe.model.bottleneck.reduction_factor}"
        if recipe.model.bottleneck
        else "",
        f"texts cut at {training.max_tokens} tokens in training" if training.max_tokens else "",
        f"frozen: {', '.join(recipe.model.freeze)}" if recipe.model.freeze else "",
        f"kept {training.interpolate:g} of the way from the untrained parameters to the trained"
        if training.interpolate < 1
        else "",
    ]
    return ", ".join(filter(None, parts))


def _corpus(data: Data) -> tuple[object, str, str]:
    """A training corpus: name, kind of text, licence."""
    if data.format != "collection":
        return data.name, f"{data.format} file or folder {data.path}", UNKNOWN
    card = collection_card(data.path)
    about = card.metadata
    text = f"{about.annotations_creators}, {about.sample_creation}"
    return link(card.title, about.reference), text, about.license


def _versions(run: Run) -> str:
    where: dict[str, list[str]] = {}
    for part in run.versions:
        packages: dict[str, Any] = {"Python": part["python"], **part["packages"]}
        shown = ", ".join(f"{name} {version}" for name, version in packages.items())
        processes = f"{part['processes']} process{'es' if part['processes'] > 1 else ''}"
        made_with = f"{shown}; {processes} on {part['device']}"
        where.setdefault(made_with, []).append(part.get("from", "start"))
    times = len(run.versions) - 1
    resumed = f"; resumed {'once' if times == 1 else f'{times} times'}" if times else ""
    if len(where) == 1:
        return f"{next(iter(where))}{resumed}"
    parts = [f"from {', '.join(starts)}: {those}" for those, starts in where.items()]
    return f"{'; '.join(parts)}{resumed}"


def _limits(meta: "ModelMeta", run: Run | None, evaluation: Evaluation | None) -> list[str]:
    languages = meta.languages or []
    shown = _languages(meta) if len(languages) <= MANY else f"{len(languages)} languages"
    limits = [
        f"Trained for {shown}; in other languages it may do worse."
        if languages
        else "The languages that it was trained for are not known."
    ]
    if meta.training_datasets is None:
        limits.append("Its training data are not known; they may hold the texts of a collection.")
    elif any(row[-1] == TRAINED_ON[False] for row in _rows(meta, evaluation)):
        limits.append("Its scores on collections that it was trained on say little.")
    if run:
        limits.append(
            f"One run with seed {run.recipe.training.seed}; another seed gives other numbers."
        )
    if meta.max_tokens:
        limits.append(f"What a text has beyond {meta.max_tokens:.0f} tokens is not read.")
    done = {row.collection for row in evaluation.rows} if evaluation else set()
    left = [
        c.title for c in cards_by_title().values() if c.kind == "benchmark" and c.title not in done
    ]
    if left:
        limits.append(f"Not evaluated on {', '.join(left)}, nor on anything but retrieval.")
    return limits
