"""A collection as a data set for the Hugging Face hub: Parquet files and a card.

The layout is that of MTEB's ``RetrievalDatasetLoader`` (mteb 2.26): every subset has the configs
``SUBSET-corpus`` (id, text), ``SUBSET-queries`` (id, text) and ``SUBSET-qrels`` (query-id,
corpus-id, score). A config is a list of files, so texts are stored once per language and judgments
once per pair of languages, and the pool of all languages is the list of all corpora.
Where every pair of languages has texts of its own, the corpora are stored once per subset.
"""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views
from mteb_hybrid.export.hub_card import Config, Counts, hub_card
from mteb_hybrid.files.whole import whole_folder
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.views import Setting, View, view_passages

# datasets takes plain strings and 32-bit scores for what MTEB casts to; polars would write others.
TEXTS = pa.schema([(name, pa.string()) for name in ("id", "text", "language", "group")])
QRELS = pa.schema([("query-id", pa.string()), ("corpus-id", pa.string()), ("score", pa.int32())])

Pairs = dict[tuple[str, str], pl.DataFrame]


def export_hub(
    collection: Collection, card: TaskCard, folder: Path, *, overwrite: bool = False
) -> None:
    """Write a collection in all settings, ready for ``hf upload``.

    The same collection always gives the same bytes, with the same versions of this package and of
    pyarrow. Pairs of languages without judgments have no config.

    Args:
        collection: The collection.
        card: Its card, for the data set's card.
        folder: Where it goes.
        overwrite: Whether to replace a folder that holds anything else.

    Raises:
        ExportError: If the folder holds anything else.
    """
    pairs = _pairs(collection)
    tables = {"corpus": collection.passages, "queries": collection.queries}
    counts: Counts = {language: {} for language in collection.languages}
    with whole_folder(folder, overwrite=overwrite) as part:
        for kind, table in tables.items():
            for language in collection.languages:
                rows = table.filter(language=language)
                counts[language][kind] = len(rows)
                if kind == "queries" or not collection.paired:
                    _write(rows, TEXTS, part / _file(kind, language))
        if collection.paired:
            for view in task_views(card, Setting.CROSSLINGUAL).values():
                (file,) = _pool(view, collection.paired)
                _write(view_passages(collection, view), TEXTS, part / file)
        for pair, rows in pairs.items():
            _write(rows, QRELS, part / _file("qrels", *pair))
        text = hub_card(card, _configs(card, pairs, collection.paired), counts)
        (part / "README.md").write_text(text, encoding="utf-8", newline="\n")


def _configs(card: TaskCard, pairs: Pairs, paired: bool) -> list[Config]:
    """Names of configs and the files that each consists of."""
    configs: list[Config] = []
    for setting in Setting:
        for view in task_views(card, setting).values():
            query = view.query_language
            judged = [(query, x) for x in view.passage_languages if (query, x) in pairs]
            if judged:
                configs += [
                    (f"{view.name}-corpus", _pool(view, paired)),
                    (f"{view.name}-queries", [_file("queries", query)]),
                    (f"{view.name}-qrels", [_file("qrels", *pair) for pair in judged]),
                ]
    return configs


def _pairs(collection: Collection) -> Pairs:
    """Judgments by query language and passage language, in the order of tables."""
    spoken = collection.queries.select(query_id="id", query_language="language")
    written = collection.passages.select(passage_id="id", passage_language="language")
    everything = collection.judged(collection.queries, collection.passages)
    judged = everything.join(spoken, on="query_id").join(written, on="passage_id")
    found = judged.partition_by("query_language", "passage_language", as_dict=True)
    return {
        (x, y): found[x, y]
        .select(**{"query-id": "query_id", "corpus-id": "passage_id", "score": "relevance"})
        .sort("query-id", "corpus-id")
        for x in collection.languages
        for y in collection.languages
        if (x, y) in found
    }


def _pool(view: View, paired: bool) -> list[str]:
    own = (view.query_language,) if paired else ()
    return [_file("corpus", *own, language) for language in view.passage_languages]


def _file(kind: str, *languages: str) -> str:
    return f"{kind}/{'-'.join(languages)}.parquet"


def _write(rows: pl.DataFrame, schema: pa.Schema, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as sink:
        pq.write_table(rows.to_arrow().cast(schema), sink)
