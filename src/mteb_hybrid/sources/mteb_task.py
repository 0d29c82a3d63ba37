"""A retrieval task of MTEB whose subsets are translations of each other: a pool of all languages.

MTEB loads the data: its loader or the task's own, from its own place on the hub, at its own
revision, which the card repeats. Texts are what MTEB gives to a model: a passage is title and text
joined, a query with an instruction has both. Ids are ``language:id``, with MTEB's id.

What MTEB judges within a language is judged in all of them: a query is answered by the passages of
the groups that answer it, wherever they are (`mteb_hybrid.sources.same_content`).

A query without relevant passages is left out. So are judgments of queries that are not there, as in
MTEB's loader. Where a passage happens to have the id of a query, MTEB may drop it
(``ignore_identical_ids``); here it stays, as it is another text.
"""

from typing import TYPE_CHECKING, Any

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.formats.mteb_task import MtebSource
from mteb_hybrid.cards.known_faults import WORDS, LeftOut
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.collection import TEXTS, Collection
from mteb_hybrid.sources.same_content import Subsets, by_id, by_judgments, judged_everywhere

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval


def read(card: TaskCard) -> Collection:
    """Load a task of MTEB, and group what says the same.

    Args:
        card: Its card.

    Returns:
        The collection.

    Raises:
        DataError: If this MTEB has no such task or other data, lacks a subset, cannot load it, or
            the card's rule does not hold for ids and judgments. The message says how often and
            gives an example.
    """
    source = card.source
    if not isinstance(source, MtebSource):
        raise TypeError(f"{card.file}: not a source of format 'mteb'")
    own = _names(card, source.subset)
    shared = _names(card, source.shared_queries) if source.shared_queries else {}
    task = _load(card, source, own, shared)
    try:
        left_out = LeftOut(card.title, source.known_faults)
        subsets = _subsets(task, own, card.split, left_out)
        if source.groups == "same-id":
            queries = by_id(subsets.queries, source.query_id, "query_id")
            passages = by_id(subsets.passages, source.passage_id, "passage_id")
            qrels = judged_everywhere(queries, passages, subsets.qrels)
        elif source.groups == "judged-together":
            linking = _subsets(task, shared, card.split, left_out) if shared else None
            queries, passages = by_judgments(subsets, linking)
            qrels = judged_everywhere(queries, passages, subsets.qrels)
        else:
            alone = pl.col("id").alias("group")
            queries, passages = (t.with_columns(alone) for t in (subsets.queries, subsets.passages))
            qrels = subsets.qrels
        left_out.log()
        return Collection(
            name=card.title,
            languages=tuple(card.languages),
            passages=passages.select(*TEXTS),
            queries=queries.select(*TEXTS),
            qrels=qrels,
        )
    except ValueError as error:
        raise DataError(f"{card.file}: groups = {source.groups!r}: {error}") from None


def _names(card: TaskCard, template: str) -> dict[str, str]:
    """Name of MTEB's subset for every language."""
    return {
        short: template.replace("{short}", short).replace("{code}", entry.code.replace("-", "_"))
        for short, entry in card.languages.items()
    }


def _load(
    card: TaskCard, source: MtebSource, own: dict[str, str], shared: dict[str, str]
) -> "AbsTaskRetrieval":
    """The task with its data, once it is what the card says."""
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    def refuse(key: str, found: str) -> DataError:
        return DataError(f"{card.file}: key {key!r}: MTEB {mteb.__version__} {found}")

    try:
        task = mteb.get_task(source.task)
    except KeyError as error:
        raise refuse("source.task", f"has no such task: {error.args[0]}. Correct it.") from None
    about = task.metadata
    if not isinstance(task, AbsTaskRetrieval) or about.modalities != ["text"]:
        raise refuse("source.task", f"has {source.task}, but not as retrieval of text. Correct it.")
    for key, found in (
        ("repository", about.dataset["path"]),
        ("revision", about.dataset["revision"]),
    ):
        if found != getattr(source, key):
            raise refuse(
                f"source.{key}",
                f"loads {found} for {source.task}, the card was written for "
                f"{getattr(source, key)}. Install an MTEB that loads that; or check that the card "
                "holds for the new data, and correct it.",
            )
    if card.split not in about.eval_splits:
        splits = ", ".join(about.eval_splits)
        raise refuse("split", f"has {source.task} with the split(s) {splits} alone. Correct it.")
    for key, names in (("subset", own), ("shared_queries", shared)):
        if missing := [name for name in names.values() if name not in about.hf_subsets]:
            raise refuse(
                f"source.{key}",
                f"has no subset(s) {', '.join(missing[:5])} of {source.task}; it has "
                f"{', '.join(about.hf_subsets[:5])}, …. Correct the key, or the languages.",
            )
    task.filter_languages(None, hf_subsets=[*own.values(), *shared.values()])
    task.filter_eval_splits([card.split])
    try:
        task.load_data()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{card.title}: MTEB could not load {source.task} from {source.repository} at "
            f"{source.revision}: {error}. Check the connection, or load it once with "
            f"`mteb.get_task({source.task!r}).load_data()`."
        ) from error
    task.convert_v1_dataset_format_to_v2(num_proc=None)
    return task


def _subsets(
    task: "AbsTaskRetrieval", names: dict[str, str], split: str, left_out: LeftOut
) -> Subsets:
    from mteb.types import PromptType

    queries, passages, qrels = [], [], []
    for language, name in names.items():
        part = task.dataset[name][split]
        if part["top_ranked"] is not None:
            raise ValueError(f"MTEB's {name} ranks given passages anew, which has no pool")
        queries.append(_texts(part["queries"], PromptType.query, language))
        passages.append(_texts(part["corpus"], PromptType.document, language))
        asked = set(queries[-1]["id"])
        if task.ignore_identical_ids and asked <= set(passages[-1]["id"]):
            raise ValueError(f"the queries of MTEB's {name} are passages, which is not supported")
        qrels += [
            (f"{language}:{query}", f"{language}:{passage}", int(relevance))
            for query, judged in part["relevant_docs"].items()
            if f"{language}:{query}" in asked
            for passage, relevance in judged.items()
        ]
    all_queries, all_passages = pl.concat(queries), pl.concat(passages)
    kept_queries = _whole("query", all_queries, left_out)
    kept_passages = _whole("passage", all_passages, left_out)
    # Apart, as a query and a passage may have one id.
    gone_queries = {*all_queries["id"]} - {*kept_queries["id"]}
    gone_passages = {*all_passages["id"]} - {*kept_passages["id"]}
    judged = [row for row in qrels if row[0] not in gone_queries and row[1] not in gone_passages]
    return Subsets.of(kept_queries, kept_passages, _judged(judged, kept_passages, left_out))


def _whole(what: str, texts: pl.DataFrame, left_out: LeftOut) -> pl.DataFrame:
    """Texts without those that are blank, or repeat an id, if the card lists as many."""
    for kind, fault in (
        ("blank_texts", pl.col("text").str.strip_chars() == ""),
        ("repeated_ids", ~pl.col("id").is_first_distinct()),
    ):
        wrong = texts.filter(fault)
        places = [f"{what} {id_!r}" for id_ in wrong["id"]]
        if places and left_out(kind, places):
            texts = texts.filter(~fault)
        elif places:
            raise ValueError(
                f"{len(places)} {WORDS[kind]}, such as {places[0]}.{left_out.more(kind)}"
            )
    return texts


def _judged(
    qrels: list[tuple[str, str, int]], passages: pl.DataFrame, left_out: LeftOut
) -> list[tuple[str, str, int]]:
    """Judgments without those of a missing passage, if the card lists as many."""
    there = set(passages["id"])
    missing = [row for row in qrels if row[1] not in there and row[2] > 0]
    if not missing or not left_out("judged_unknown", [repr(row[:2]) for row in missing]):
        return qrels
    return [row for row in qrels if row[1] in there]


def _texts(dataset: Any, kind: Any, language: str) -> pl.DataFrame:
    from mteb._create_dataloaders import _retrieval_texts

    columns = {"original": list(dataset["id"]), "text": list(_retrieval_texts(dataset, kind))}
    table = pl.DataFrame(columns, dict.fromkeys(columns, pl.String), strict=False)
    prefix = pl.lit(f"{language}:")
    return table.with_columns(id=pl.concat_str(prefix, "original"), language=pl.lit(language))
