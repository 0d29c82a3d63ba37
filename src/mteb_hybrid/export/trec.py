"""A view in TREC's formats, with its documents in pyserini's.

| file | columns |
| --- | --- |
| ``topics.tsv`` | query id, text |
| ``qrels.txt`` | query id, ``0``, document id, relevance |
| ``corpus/documents.jsonl`` | JSON lines with ``id`` and ``contents``: a ``JsonCollection`` |
| ``languages.tsv`` | document id, language |
| ``query-languages.tsv`` | query id, language |
| ``groups.tsv`` | document id, the content that it translates; only of parallel pools |
| ``run.txt`` | query id, ``Q0``, document id, rank, score, tag; only if a run is given |

In ``topics.tsv`` every tab and line break of a text is a space; in JSON they stay. The rankings of
a run are in the order in which trec_eval puts them: by score as a float32, then by id, descending.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mteb_hybrid.export.rows import check_ids, judgments
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.lines import json_line, one_line, write_lines
from mteb_hybrid.files.predictions import Run
from mteb_hybrid.files.whole import whole_folder
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.views import View, view_passages, view_queries

LOG = logging.getLogger(__name__)


def export_trec(
    collection: Collection,
    view: View,
    folder: Path,
    run: Run | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a view for pyserini, ranx, ir_measures, trec_eval and ``mteb-hybrid bias``.

    The same view and run always give the same bytes.

    Args:
        collection: The collection.
        view: The view; only its queries that have a relevant passage in its pool are written.
        folder: Where it goes.
        run: A ranking of this view, to be written as well.
        overwrite: Whether to replace a folder that holds anything else.

    Raises:
        ExportError: If an id has white space in it, the run names an unknown query or document or
            has NaN for a score, or the folder holds anything else.
        ValueError: If no query has a relevant passage in the pool.
    """
    passages = view_passages(collection, view)
    queries, qrels = view_queries(collection, view)
    check_ids(collection, passages, queries)
    texts = queries.select("id", "text").iter_rows()
    with whole_folder(folder, overwrite=overwrite) as part:
        write_lines(part / "topics.tsv", (f"{id_}\t{one_line(text)}" for id_, text in texts))
        write_lines(
            part / "qrels.txt",
            (f"{query} 0 {passage} {grade}" for query, passage, grade in judgments(queries, qrels)),
        )
        # A folder of its own, because pyserini indexes every file of the folder that it is given.
        write_lines(
            part / "corpus" / "documents.jsonl",
            (
                json_line({"id": id_, "contents": text})
                for id_, text in passages.select("id", "text").iter_rows()
            ),
        )
        columns = [
            ("languages.tsv", passages, "language"),
            ("query-languages.tsv", queries, "language"),
        ]
        if passages.unique(["group", "language"])["group"].is_duplicated().any():
            columns.append(("groups.tsv", passages, "group"))
        for name, table, column in columns:
            rows = table.select("id", column).iter_rows()
            write_lines(part / name, (f"{id_}\t{one_line(value)}" for id_, value in rows))
        if run is not None:
            ids = set(queries["id"]), set(passages["id"])
            if lacking := {query for query in ids[0] if not run.scores.get(query)}:
                LOG.warning(
                    "%s: subset %s: %d of %d queries are not ranked, such as %r; most programs "
                    "average over those that are, where `mteb-hybrid` counts 0 for the others.",
                    *(run.file, view.name, len(lacking), len(ids[0]), min(lacking)),
                )
            write_lines(part / "run.txt", _run_lines(run, view, *ids))


def _run_lines(run: Run, view: View, queries: set[str], passages: set[str]) -> Iterator[str]:
    for query, scores in run.scores.items():
        _check(run, view, query, scores, queries, passages)
        ranking = sorted(scores, key=lambda id_: (np.float32(scores[id_]), id_), reverse=True)
        for rank, id_ in enumerate(ranking, start=1):
            yield f"{query} Q0 {id_} {rank} {float(scores[id_])!r} {run.tag}"


def _check(
    run: Run,
    view: View,
    query: str,
    scores: Mapping[str, float],
    queries: set[str],
    passages: set[str],
) -> None:
    where = f"{run.file}: subset {view.name}: query {query!r}"
    remedy = "Give the predictions of a model on this very collection and setting."
    if query not in queries:
        raise ExportError(f"{where} is not in this view; expected one of its queries. {remedy}")
    for id_, score in scores.items():
        if id_ not in passages:
            raise ExportError(f"{where}: {id_!r} is not in the pool of this view. {remedy}")
        if math.isnan(score):
            raise ExportError(f"{where}: the score of {id_!r} is NaN; expected a number. {remedy}")
