"""Training recipes: TOML files that declare one training run each. They hold no code.

This module imports neither torch nor mteb, so that listing and checking recipes stays fast.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.source import FileSource
from mteb_hybrid.cards.tables import EachLanguageOnce, LanguageCode
from mteb_hybrid.cards.tasks import collection_tasks
from mteb_hybrid.languages.codes import iso_language, macrolanguage, short_code
from mteb_hybrid.recipes.plan import BatchPlan


def _check_short_code(text: str) -> str:
    iso_language(text)
    return short_code(text)


def _known_collection(name: str) -> str:
    collection_card(name)
    return name


ShortCode = Annotated[str, AfterValidator(_check_short_code)]
CollectionName = Annotated[str, AfterValidator(_known_collection)]


HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Lora(_Strict):
    """A LoRA adapter (arXiv:2106.09685): all parameters but its own stay as they are.

    Attributes:
        r: Rank.
        alpha: Its output is scaled by alpha / r.
        dropout: Dropout of its input.
        target_modules: Names of the linear layers that get one, such as ``query``.
    """

    r: PositiveInt
    alpha: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Annotated[list[str], Field(min_length=1)]


class Model(_Strict):
    """The model that training starts from.

    Attributes:
        name: ``org/name`` on the hub, the offline model of this package, or a folder (absolute,
            or beginning with a dot).
        revision: Its commit on the hub, 40 hex digits. A folder needs none; if it is given, it is
            compared with `mteb_hybrid.models.load.folder_hash`.
        pooling: For plain transformers, which say nothing of pooling; refused for others.
        max_seq_length: In tokens; by default the model's own.
        query_prompt: Put before every query, and kept in the trained model.
        passage_prompt: The same for passages.
        freeze: Parameters of the transformer that stay as they are, by how their names begin.
        lora: Train an adapter instead of the model's own parameters.
    """

    name: str
    revision: str | None = None
    pooling: Literal["mean", "cls"] | None = None
    max_seq_length: PositiveInt | None = None
    query_prompt: str = ""
    passage_prompt: str = ""
    freeze: list[str] = []
    lora: Lora | None = None

    @property
    def on_hub(self) -> bool:
        """Whether it is a name, not a folder."""
        return HUB_NAME.fullmatch(self.name) is not None

    @property
    def is_offline(self) -> bool:
        """Whether it is the model that needs no hub."""
        from mteb_hybrid.models.offline import MODEL_NAME

        return self.name == MODEL_NAME

    @model_validator(mode="after")
    def _is_pinned(self) -> "Model":
        if self.is_offline:
            from mteb_hybrid.models.offline import REVISION

            if self.revision != REVISION:
                raise ValueError(f"revision of {self.name} is {REVISION!r}, not {self.revision!r}")
        elif self.on_hub and not COMMIT.fullmatch(self.revision or ""):
            raise ValueError(
                f"revision is {self.revision!r}; expected the commit of {self.name} on the hub, "
                "40 hex digits, so that the recipe always means the same weights"
            )
        if self.lora and self.freeze:
            raise ValueError("lora freezes the whole model: remove freeze or lora")
        return self


class Data(_Strict):
    """One training corpus.

    Attributes:
        name: Its name in logs.
        format: ``collection`` (of `tasks/`), ``json`` (parallel JSON lines) or ``mmarco`` (its
            layout on the hub).
        path: The collection's name, as in ``mlqa-r``; else the file or folder, below the data
            folder unless absolute.
        languages: Read only these of the recipe's languages. Not for collections, of which those
            of the recipe's languages are used that they have.
        weight: Share of the batches, for all corpora or for none (then by their rows).
        negatives: Hard negatives per example.
        mteb_tasks: MTEB tasks on the same data, for MTEB's contamination flags; by default those
            of the collection or of mMARCO, and unknown for JSON.
    """

    name: str
    format: Literal["collection", "json", "mmarco"]
    path: Annotated[str, Field(min_length=1)]
    languages: Annotated[list[ShortCode], Field(min_length=1)] | None = None
    weight: PositiveFloat | None = None
    negatives: NonNegativeInt = 0
    mteb_tasks: list[str] | None = None

    @model_validator(mode="after")
    def _fits_format(self) -> "Data":
        if self.format == "collection":
            collection_card(self.path)
            for key in ("languages", "negatives"):
                if getattr(self, key):
                    raise ValueError(f"a collection takes no {key}: remove that key")
        return self

    def tasks(self) -> list[str] | None:
        """Names of the MTEB tasks that this corpus is, or is made of; None if unknown."""
        if self.mteb_tasks is not None:
            return self.mteb_tasks
        if self.format == "mmarco":
            return ["MSMARCO", "mMARCO-NL"]
        return collection_tasks(self.path) if self.format == "collection" else None


class Batches(_Strict):
    """What batches consist of; see `BatchPlan` for all but the first two.

    Attributes:
        size: Examples per batch and device.
        gradient_accumulation: Batches per optimizer step.
        method: ``hybrid``, ``mixed`` or ``shuffle``.
        alpha: Probability of a monolingual batch, or points of a schedule.
        language_weights: How the language of a monolingual batch is drawn.
        crosslingual: Whether a cross-lingual batch mixes pairs or has one.
    """

    size: Annotated[int, Field(ge=2)]
    gradient_accumulation: PositiveInt = 1
    method: Literal["hybrid", "mixed", "shuffle"] = "hybrid"
    alpha: float | list[list[float]] = 0.5
    language_weights: Literal["uniform", "size"] | float = "uniform"
    crosslingual: Literal["mixed", "pair"] = "mixed"

    @model_validator(mode="after")
    def _has_a_plan(self) -> "Batches":
        self.plan(None)
        return self

    def plan(self, languages: tuple[str, ...] | None) -> BatchPlan:
        """The plan of the batch sampler."""
        weights, pairs = self.language_weights, self.crosslingual
        return BatchPlan(self.method, self.alpha, weights, pairs, languages)


class Training(_Strict):
    """The optimisation: AdamW, with a learning rate that falls linearly to zero.

    Attributes:
        loss: Of sentence-transformers; ``cached`` for batches that do not fit into memory.
        scale: Cosine similarities are multiplied by it.
        mini_batch: For the cached loss: texts that go through the model at once.
        learning_rate: At its highest.
        weight_decay: Of AdamW.
        warmup: Share of the steps in which the learning rate rises.
        max_steps: Optimizer steps. Either this or `epochs`.
        epochs: Passes over the data; fractions are allowed.
        seed: Of everything that is drawn.
        precision: ``bf16`` and ``fp16`` are autocast; parameters stay float32. ``auto`` is bf16
            where the device computes it natively, else fp32.
        save_steps: Steps between checkpoints; without it, only the trained model is kept, and
            an interrupted run begins again.
        logging_steps: Steps between entries of the log.
    """

    loss: Literal["multiple-negatives", "cached-multiple-negatives"] = "multiple-negatives"
    scale: PositiveFloat = 20.0
    mini_batch: PositiveInt | None = None
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_steps: PositiveInt | None = None
    epochs: PositiveFloat | None = None
    seed: NonNegativeInt = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    save_steps: PositiveInt | None = None
    logging_steps: PositiveInt = 10

    @model_validator(mode="after")
    def _one_length(self) -> "Training":
        if (self.max_steps is None) == (self.epochs is None):
            raise ValueError("give either max_steps or epochs (`--set training.epochs=` unsets it)")
        if (self.mini_batch is None) == self.loss.startswith("cached"):
            raise ValueError("mini_batch goes with loss = 'cached-multiple-negatives', and only it")
        return self


class Evaluation(_Strict):
    """Evaluation while training, by `ParallelRetrievalEvaluator`.

    Attributes:
        collection: Name of a collection, as in ``xquad-r``. It may not be trained on.
        every: Steps between evaluations; there is one before the first step, too.
        max_groups: Evaluate on that many groups of parallel queries, drawn at random.
        metric: What decides which checkpoint is best.
        patience: Stop after that many evaluations without a better one, and keep the best
            checkpoint; by default the last weights are kept.
        keep_monolingual_within: How far below the untrained model's monolingual map the best
            checkpoint may be, as in 0.005. Goes with `patience` and `multilingual_map`.
    """

    collection: CollectionName
    every: PositiveInt
    max_groups: PositiveInt | None = None
    metric: Literal["monolingual_map", "crosslingual_map", "multilingual_map", "rank_distance"] = (
        "multilingual_map"
    )
    patience: PositiveInt | None = None
    keep_monolingual_within: NonNegativeFloat | None = None

    @model_validator(mode="after")
    def _keeps_the_best(self) -> "Evaluation":
        chooses = self.patience is not None and self.metric == "multilingual_map"
        if self.keep_monolingual_within is not None and not chooses:
            raise ValueError(
                "keep_monolingual_within restricts which checkpoint is best: give patience, and "
                "leave metric at 'multilingual_map'"
            )
        return self


class Recipe(_Strict):
    """One training run, declared in ``models/NAME.toml``.

    Attributes:
        name: Names the run and the trained model.
        title: Its name in tables.
        description: A few sentences.
        languages: Short code to ISO code, as in ``zh = "zho-Hans"``: those that are trained on.
        model: What training starts from.
        data: What it trains on.
        batches: What batches consist of.
        training: The optimisation.
        evaluation: Evaluation while training.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    title: str
    description: str
    languages: Annotated[dict[ShortCode, LanguageCode], Field(min_length=1), EachLanguageOnce]
    model: Model
    data: Annotated[list[Data], Field(min_length=1)]
    batches: Batches
    training: Training
    evaluation: Evaluation | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Recipe":
        for check in (_check_languages, _check_data, _check_held_out, _check_steps):
            check(self)
        return self

    @property
    def plan(self) -> BatchPlan:
        """The plan of the batch sampler."""
        return self.batches.plan(tuple(self.languages))

    def settings(self) -> dict[str, Any]:
        """All keys that have a value, defaults included: the resolved recipe."""
        return self.model_dump(exclude_none=True)


def _check_languages(recipe: Recipe) -> None:
    for short, code in recipe.languages.items():
        known = iso_language(short)
        if macrolanguage(known.alpha_3) != macrolanguage(code):
            raise ValueError(f"key 'languages.{short}': {short} is {known.name}, not {code}")
    for data in recipe.data:
        if unknown := set(data.languages or ()) - set(recipe.languages):
            raise ValueError(
                f"data {data.name!r}: language {', '.join(sorted(unknown))} is not among the "
                f"recipe's languages {', '.join(recipe.languages)}"
            )


def _check_data(recipe: Recipe) -> None:
    names = [data.name for data in recipe.data]
    if len(set(names)) < len(names):
        raise ValueError(f"data needs different names, found {', '.join(names)}")
    if len({data.weight is None for data in recipe.data}) > 1:
        raise ValueError("data: give every corpus a weight, or none")


def _check_held_out(recipe: Recipe) -> None:
    if recipe.evaluation is None:
        return
    held_out = recipe.evaluation.collection
    texts = _texts(held_out)
    for data in recipe.data:
        same = data.format == "collection" and _texts(data.path) == texts
        shared = set(data.tasks() or ()) & set(collection_tasks(held_out))
        if same or shared:
            raise ValueError(
                f"data {data.name!r} has the texts of {held_out}, which evaluation.collection "
                "holds out: never train on what is evaluated, choose another of the two"
            )


def _texts(collection: str) -> str:
    """What two collections of the same texts have in common."""
    source = collection_card(collection).source
    return source.path if isinstance(source, FileSource) else source.repository


def _check_steps(recipe: Recipe) -> None:
    evaluation, save_steps = recipe.evaluation, recipe.training.save_steps
    if evaluation and evaluation.patience and save_steps != evaluation.every:
        raise ValueError(
            f"evaluation.patience needs training.save_steps ({save_steps}) to be evaluation.every "
            f"({evaluation.every}), so that the best checkpoint is at hand"
        )
