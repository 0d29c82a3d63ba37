"""Task cards to MTEB tasks: one per collection and setting.

``TaskResult.get_score`` is an unweighted mean over subsets, so the score of each task is one
column of the published tables.
"""

import os
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import polars as pl
from datasets import Dataset
from datasets.table import InMemoryTable
from mteb.models.models_protocols import EncoderProtocol, SearchProtocol
from mteb.models.sentence_transformer_wrapper import SparseEncoderWrapper
from mteb.timing import TimingStack
from mteb.types import PromptType

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import card_settings, keeps_rankings, task_name, task_views
from mteb_hybrid.evaluation.metadata import card_metadata
from mteb_hybrid.evaluation.predictions import check_predictions, first_places, save_predictions
from mteb_hybrid.evaluation.rounding import rounding_loss
from mteb_hybrid.evaluation.scores import mteb_scores
from mteb_hybrid.evaluation.texts import Evaluation, TaskTexts
from mteb_hybrid.evaluation.told import ToldOnce, filed_as
from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.files.sizes import memory_limit
from mteb_hybrid.measures.view import group_depth, measure_view, top_groups, top_passages
from mteb_hybrid.repair.merging import Merging, calibration
from mteb_hybrid.results.mteb_files import EXPERIMENTS
from mteb_hybrid.results.per_query import write_per_query, write_rankings, write_top
from mteb_hybrid.retrieval.parts import Parts
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import TOP, Ranks, ranks_of_run
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.translated import with_translated_queries

if TYPE_CHECKING:
    from mteb.models import ModelMeta, MTEBModels
    from mteb.types import EncodeKwargs

_FILED: ContextVar["ModelMeta"] = ContextVar("filed")
"""What the results that are being made are filed under. MTEB does not hand it on; a task may be
evaluated in several threads."""


class CardTask(ToldOnce):
    """A collection in one setting. Subclasses are made by `task_classes`.

    Encoders take the fast path: all texts of a language are encoded together and once, so that a
    subset's scores do not depend on which others are evaluated, and ranks come from the full score
    matrix; predictions that are saved are the first places of these. Cross-encoders, search models
    and reranking take MTEB's own path; our measures are then computed from the rankings it returns.

    Attributes:
        card: The collection's card.
        setting: The setting.
        per_query_root: Results folder below which per-query values are kept, in
            ``MODEL/REVISION``; if None, the one that the environment variable
            ``MTEB_HYBRID_PER_QUERY`` names; if that is not set either, none are kept.
        merging: How the rankings of a pool of several languages are merged; by the model's own
            scores if None. Whoever sets it gives the model a name of its own.
        left: The subsets that will be evaluated; all if None. A model that makes several calls at a
            time encodes their texts ahead.
    """

    card: ClassVar[TaskCard]
    setting: ClassVar[Setting]
    per_query_root: Path | None = None
    merging: Merging | None = None
    left: Sequence[str] | None = None
    _views: dict[str, View]
    _pools: dict[str, Pool]
    _groups: dict[str, str]
    _passage_groups: dict[str, str]
    _texts: TaskTexts

    def load_data(
        self, num_proc: int | None = None, *, timer: TimingStack | None = None, **kwargs: Any
    ) -> None:
        """Fill ``dataset`` for the subsets that are asked for. Pools are shared between them.

        Raises:
            DataError: If the collection's files are missing, altered or malformed.
            ValueError: If a subset has no query with a relevant passage.
        """
        if self.data_loaded:
            return
        with (timer or TimingStack())("Data loading", log_message=f"Loading {self.card.title}..."):
            collection = load_collection(self.card)
            if self.setting is Setting.CROSSLINGUAL:
                collection = with_translated_queries(collection, self.card)
            self._views = task_views(self.card, self.setting)
            self._pools = {}
            shared: dict[object, tuple[Dataset, Pool]] = {}
            self.dataset = {}
            for subset in self.hf_subsets:
                view = self._views[subset]
                languages = view.passage_languages
                key = subset if collection.paired else languages
                if key not in shared:
                    passages = view_passages(collection, view)
                    ids, spoken = passages["id"].to_list(), passages["language"].to_list()
                    shared[key] = _rows(passages), Pool(ids, spoken, languages)
                corpus, self._pools[subset] = shared[key]
                queries, qrels = view_queries(collection, view)
                self.dataset[subset] = {
                    self.card.split: {
                        "corpus": corpus,
                        "queries": _rows(queries),
                        "relevant_docs": qrels,
                        "top_ranked": None,
                    }
                }
            self._groups = dict(collection.queries.select("id", "group").iter_rows())
            self._passage_groups = {}
            if self.keeps_rankings:
                self._passage_groups |= collection.passages.select("id", "group").iter_rows()
            self._texts = TaskTexts(
                *(collection, (self._views[one] for one in self.hf_subsets), self._views.values())
            )
        self.data_loaded = True

    def count_texts(self) -> list[int]:
        """How many distinct queries and passages there are, once the data are loaded."""
        return self._texts.count()

    def _evaluate_subset(
        self,
        model: "MTEBModels",
        data_split: Any,
        *,
        encode_kwargs: "EncodeKwargs",
        hf_split: str,
        hf_subset: str,
        prediction_folder: Path | None = None,
        num_proc: int | None = None,
        timer: TimingStack,
        **kwargs: Any,
    ) -> Any:
        filed = filed_as(model, encode_kwargs)
        _FILED.set(filed)
        if prediction_folder:
            check_predictions(self._predictions_path(prediction_folder), filed)
        if (
            not isinstance(model, EncoderProtocol)
            or isinstance(model, SearchProtocol | SparseEncoderWrapper)
            or data_split["top_ranked"] is not None
        ):
            if self.merging is not None:
                raise ValueError(
                    f"merging by {self.merging.name} needs the scores of all passages, from an "
                    "encoder; merge a saved ranking with `mteb-hybrid merge`"
                )
            return super()._evaluate_subset(
                model,
                data_split,
                encode_kwargs=encode_kwargs,
                hf_split=hf_split,
                hf_subset=hf_subset,
                prediction_folder=prediction_folder,
                num_proc=num_proc,
                timer=timer,
                **kwargs,
            )

        view = self._views[hf_subset]
        self._texts.begin(hf_subset, [self._views[x] for x in self.left or self.hf_subsets], timer)
        evaluation = Evaluation(model, self.metadata, hf_split, hf_subset, encode_kwargs, num_proc)
        queries, corpus = data_split["queries"], data_split["corpus"]
        with timer("Encoding queries", split=hf_split, subset=hf_subset):
            query_vectors, asking = self._texts.vectors(evaluation, PromptType.query, queries, view)
        with timer("Encoding corpus", split=hf_split, subset=hf_subset):
            passage_vectors, answering = self._texts.vectors(
                evaluation, PromptType.document, corpus, view
            )
        with timer("Scoring", split=hf_split, subset=hf_subset):
            qrels = {id_: data_split["relevant_docs"][id_] for id_ in queries["id"][:]}
            pool = self._pools[hf_subset]
            counter = RankCounter(
                *(pool, qrels, view.query_language, self._top_k, self.ignore_identical_ids),
                depth=max(self._depth(pool), self._top_k if prediction_folder else 0),
            )
            calibrate = calibration(
                self.merging, pool, queries["id"][:] if self.ignore_identical_ids else None
            )
            large = isinstance(passage_vectors, Parts)
            count_ranks(
                *(counter, query_vectors, passage_vectors, model.similarity, calibrate),
                memory=memory_limit(),
                # Where memory is short.
                by=getattr(model, "search_tiles", None) if large else None,
            )
            ranks, highest = counter.result()
            if prediction_folder:
                first = first_places(ranks, qrels, self._top_k)
                self._save_task_predictions(first, model, prediction_folder, hf_split, hf_subset)
            measured = self._measure(ranks, qrels, hf_subset)
            if asking and answering:
                language = view.query_language
                measured |= rounding_loss(
                    *(asking, answering, pool, qrels, language, model.similarity),
                    ignore_identical_ids=self.ignore_identical_ids,
                )
            return mteb_scores(ranks, highest, self.k_values, measured)

    def _save_task_predictions(
        self,
        predictions: Any,
        model: "MTEBModels",
        prediction_folder: Path,
        hf_split: str,
        hf_subset: str,
    ) -> None:
        file = self._predictions_path(prediction_folder)
        revision = self.metadata.revision
        save_predictions(file, predictions, _FILED.get(), hf_split, hf_subset, revision)

    def task_specific_scores(
        self,
        scores: Mapping[str, Any],
        qrels: Mapping[str, Mapping[str, int]],
        results: Mapping[str, Mapping[str, float]],
        hf_split: str,
        hf_subset: str,
    ) -> dict[str, float]:
        """Our measures, from the rankings that MTEB's own path returned.

        Returns:
            One value per measure; and ``truncated_at``, where the rankings hold only the top k of
            the pool: passages below count as not found (``map``) or as rank k+1 (the others).
        """
        view = self._views[hf_subset]
        pool = self._pools[hf_subset]
        ranks = ranks_of_run(
            *(results, qrels, pool, view.query_language, self.ignore_identical_ids),
            depth=self._depth(pool),
        )
        measured = self._measure(ranks, qrels, hf_subset)
        if ranks.cutoff is not None:
            measured["truncated_at"] = ranks.cutoff
        return measured

    def folder_of(self, meta: "ModelMeta") -> Path | None:
        """Where a model's per-query values go, named as MTEB names the folder of its results."""
        root = self.per_query_root or os.environ.get(FOLDER_VARIABLE)
        if not root:
            return None
        folder = Path(root) / meta.model_name_as_path() / str(meta.revision)
        experiment = meta.experiment_name
        return folder / EXPERIMENTS / experiment if experiment else folder

    def _measure(
        self, ranks: Ranks, qrels: Mapping[str, Mapping[str, int]], hf_subset: str
    ) -> dict[str, float]:
        groups = {query: self._groups[query] for query in qrels}
        source = self.card.source
        kind = (source.parallel, source.judged_across)
        scores, rows = measure_view(ranks, self.setting, groups, hf_subset, *kind)
        if folder := self.folder_of(_FILED.get()):
            task, revision = self.metadata.name, self.metadata.revision
            if self.setting is Setting.MULTILINGUAL:
                # First: what `is_kept` asks for is not there before this is.
                passages = top_passages(ranks, groups)
                write_top(passages, folder, task, hf_subset, revision)
            write_per_query(rows, folder, task, revision)
            if self.keeps_rankings:
                tops = top_groups(ranks, groups, self._passage_groups)
                write_rankings(tops, folder, task, hf_subset, revision)
        return scores

    def _depth(self, pool: Pool) -> int:
        return group_depth(pool, self._passage_groups) if self.keeps_rankings else TOP

    @property
    def keeps_rankings(self) -> bool:
        """Whether the top of rankings is kept, to compare those of parallel queries."""
        return keeps_rankings(self.card, self.setting)


def task_classes(cards: Mapping[str, TaskCard] | None = None) -> list[type[CardTask]]:
    """One task class per card and setting that it has.

    Args:
        cards: Cards by name; by default the ones that ship with the package.

    Raises:
        CardError: If MTEB does not accept a card's metadata.
    """
    found = task_cards() if cards is None else cards
    return [
        _task_class(card, setting) for card in found.values() for setting in card_settings(card)
    ]


def _task_class(card: TaskCard, setting: Setting) -> type[CardTask]:
    name = task_name(card, setting)
    members = {
        "__doc__": f"{card.title}, {setting} setting, from {card.file.name}.",
        "__module__": __name__,
        "card": card,
        "setting": setting,
        "metadata": card_metadata(card, setting, name),
        "ignore_identical_ids": card.source.queries_are_passages,
    }
    made = type(name, (CardTask,), members)
    globals().setdefault(name, made)  # where pickle looks for it
    return made


def _rows(table: pl.DataFrame) -> Dataset:
    # Shares the table's memory; datasets would copy all of it again to make a fingerprint.
    arrow = InMemoryTable(table.select("id", "text").to_arrow())
    return Dataset(arrow, fingerprint=uuid4().hex)
