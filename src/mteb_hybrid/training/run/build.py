"""The parts of a training run, built from a recipe: data, model, evaluator, arguments."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util import is_sentence_transformer_model

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.models.contents import ModelError, folder_hash
from mteb_hybrid.models.load import open_folder
from mteb_hybrid.models.offline import REPAIRED_NAME, load_offline_encoder
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.recipes.model import Lora, Model
from mteb_hybrid.recipes.places import data_path, model_folder
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.repair.offline import load_repaired_encoder
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.training.evaluator import CONSTRAINED, ParallelRetrievalEvaluator
from mteb_hybrid.training.run.bottleneck import add_bottleneck, fit_autocast
from mteb_hybrid.training.run.loss import check_labels
from mteb_hybrid.training.run.precision import device


def load_data(recipe: Recipe) -> ParallelDataset:
    """Read the training data of a recipe.

    Raises:
        CardError: If a file is not there.
        ParallelDataError: If a corpus cannot be read, is in none of the recipe's languages, or does
            not have the labels of the recipe's loss.
        DataError: If a file of a collection is missing or altered.
    """
    parts = {data.name: _read(data, list(recipe.languages)) for data in recipe.data}
    weights = {data.name: data.weight for data in recipe.data if data.weight is not None}
    mix = ParallelDataset.mix(parts, weights or None)
    check_labels(recipe, mix)
    return mix


def _read(data: Data, languages: list[str]) -> ParallelDataset:
    if data.format == "collection":
        collection = load_collection(collection_card(data.path))
        return ParallelDataset.from_collection(collection, name=data.name)
    path = data_path(data.path)
    options: dict[str, Any] = {
        "languages": data.languages or languages,
        "negatives": data.negatives,
    }
    if data.format == "mmarco":
        return ParallelDataset.from_mmarco(path, **options)
    if data.format == "parquet":
        return ParallelDataset.from_parquet(path, name=data.name, **options)
    return ParallelDataset.from_json(path, name=data.name, **options)


def load_model(recipe: Recipe, *, local_files_only: bool = False) -> SentenceTransformer:
    """Load the model that training starts from, with prompts, frozen parameters and adapter.

    The weights of a new adapter depend on torch's seed.

    Args:
        recipe: The recipe.
        local_files_only: Whether to leave the hub alone.

    Raises:
        ModelError: If it is not there, is not the revision of the recipe, or does not have what
            the recipe names.
        OSError: If it cannot be had from the hub.
    """
    wanted = recipe.model
    model = _load(wanted, local_files_only)
    if wanted.max_seq_length is not None:
        model.max_seq_length = wanted.max_seq_length
    model.prompts = {"query": wanted.query_prompt, "document": wanted.passage_prompt}
    if model.default_prompt_name not in model.prompts:
        model.default_prompt_name = None  # with it the trained model could not be loaded
    model.similarity_fn_name = "cosine"
    longest, cut = model.max_seq_length, recipe.training.max_tokens
    if cut is not None and longest is not None and cut > longest:
        raise ModelError(
            f"training.max_tokens is {cut}, and {wanted.name} reads {longest}; expected at most "
            "that, or no such key"
        )
    _freeze(model, wanted.freeze)
    if wanted.lora is not None:
        _add_lora(model, wanted, wanted.lora)
    if wanted.bottleneck is None:
        fit_autocast(model)  # what another run trained may have adapters
    else:
        add_bottleneck(model, wanted.bottleneck)
    return model


def _load(wanted: Model, local_files_only: bool) -> SentenceTransformer:
    if wanted.is_offline:
        is_repaired = wanted.name == REPAIRED_NAME
        return load_repaired_encoder() if is_repaired else load_offline_encoder()
    folder = None if wanted.on_hub else model_folder(wanted)
    if folder and wanted.revision and wanted.revision != (found := folder_hash(folder)):
        raise ModelError(
            f"{wanted.name}: the hash of its files is {found}, the recipe expects "
            f"{wanted.revision}; put the right files there, or correct model.revision"
        )
    options: dict[str, Any] = {"local_files_only": local_files_only or not wanted.on_hub}
    if wanted.on_hub:
        options["revision"] = wanted.revision
    name = wanted.name if folder is None else str(folder)
    model = SentenceTransformer(name, **options) if folder is None else open_folder(folder)
    # Only now: for a model that is not at hand, this would say no instead of failing.
    if is_sentence_transformer_model(name, **options):
        if wanted.pooling is not None:
            raise ModelError(f"{wanted.name} has modules.json: remove model.pooling")
    elif wanted.pooling is None:
        raise ModelError(f"{wanted.name} says nothing of pooling: set model.pooling")
    else:
        transformer: Any = model[0]
        model[1] = Pooling(transformer.get_embedding_dimension(), wanted.pooling)
    return model


def _freeze(model: SentenceTransformer, prefixes: Iterable[str]) -> None:
    transformer = model.transformers_model
    named = [] if transformer is None else list(transformer.named_parameters())
    inner = {id(parameter) for _, parameter in named}
    named += [(name, x) for name, x in model.named_parameters() if id(x) not in inner]
    for prefix in prefixes:
        chosen = [parameter for name, parameter in named if name.startswith(prefix)]
        if not chosen:
            starts = dict.fromkeys(".".join(name.split(".")[:2]) for name, _ in named)
            raise ModelError(
                f"model.freeze: no parameter begins with {prefix!r}; expected a beginning such as "
                f"{', '.join(starts)}"
            )
        for parameter in chosen:
            parameter.requires_grad_(False)


def _add_lora(model: SentenceTransformer, wanted: Model, lora: Lora) -> None:
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise ImportError('model.lora needs peft: pip install "mteb-hybrid[train]"') from error
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        task_type="FEATURE_EXTRACTION",
    )
    model.requires_grad_(False)  # peft does it for the transformer, not for what follows
    transformer: Any = model[0]
    transformer.model = get_peft_model(transformer.model, config)
    config.base_model_name_or_path, config.revision = wanted.name, wanted.revision


def make_evaluator(recipe: Recipe) -> ParallelRetrievalEvaluator | None:
    """The evaluator of a recipe, if it has one."""
    wanted = recipe.evaluation
    if wanted is None:
        return None
    collection = load_collection(collection_card(wanted.collection))
    return ParallelRetrievalEvaluator(
        collection,
        max_groups=wanted.max_groups,
        keep_monolingual_within=wanted.keep_monolingual_within,
        name=wanted.collection,
        write_csv=False,
    )


def make_arguments(
    recipe: Recipe, folder: Path, precision: str, *, resuming: bool = False
) -> SentenceTransformerTrainingArguments:
    """The arguments of the trainer.

    Args:
        recipe: The recipe.
        folder: Where checkpoints go.
        precision: What the run computes in: ``fp32``, ``bf16`` or ``fp16``.
        resuming: Whether the run goes on from a checkpoint.
    """
    training, evaluation = recipe.training, recipe.evaluation
    options: dict[str, Any] = {}
    if evaluation is not None:
        constrained = evaluation.keep_monolingual_within is not None
        metric = CONSTRAINED if constrained else evaluation.metric
        options |= {
            "eval_strategy": "steps",
            "eval_steps": evaluation.every,
            # A resumed run has its first evaluation in the log already.
            "eval_on_start": not resuming,
            "metric_for_best_model": f"eval_{evaluation.collection}_{metric}",
            "greater_is_better": evaluation.metric != "rank_distance",
            "load_best_model_at_end": evaluation.patience is not None,
        }
    if training.save_steps is not None:
        options |= {"save_steps": training.save_steps, "save_total_limit": 2}
    prompts = {"query": recipe.model.query_prompt, "passage": recipe.model.passage_prompt}
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=training.max_steps or -1,
        num_train_epochs=training.epochs or 1,
        per_device_train_batch_size=recipe.batches.size,
        gradient_accumulation_steps=recipe.batches.gradient_accumulation,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup,
        seed=training.seed,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device().type == "cpu",
        save_strategy="no" if training.save_steps is None else "steps",
        logging_steps=training.logging_steps,
        report_to=[],
        disable_tqdm=True,
        dataloader_drop_last=True,
        prompts=prompts,
        **options,
    )
    # For float32 it takes what `accelerate launch` has put into the environment.
    arguments.mixed_precision = "no" if precision == "fp32" else precision
    return arguments
