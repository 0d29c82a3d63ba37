"""A view as a folder in BEIR's layout (github.com/beir-cellar/beir, BEIR 2).

``corpus.jsonl`` has ``_id``, ``title`` (empty: passages have none) and ``text``, ``queries.jsonl``
has ``_id`` and ``text``, and ``qrels/test.tsv`` has a head and the columns query-id, corpus-id and
score. Language and group of every text are in ``metadata``, a key that BEIR's own data sets have
and its loaders leave alone.

beir's evaluator drops a passage that has the id of its query. So, unless queries are passages
themselves, ids of queries begin with ``query:`` where a collection has an id for both.
"""

from pathlib import Path

from mteb_hybrid.export.rows import check_ids, judgments
from mteb_hybrid.files.lines import json_line, write_lines
from mteb_hybrid.files.whole import whole_folder
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.views import View, view_passages, view_queries


def export_beir(
    collection: Collection, view: View, folder: Path, *, overwrite: bool = False
) -> None:
    """Write a view for the package ``beir``: ``GenericDataLoader(folder).load(split="test")``.

    The same view always gives the same bytes.

    Args:
        collection: The collection.
        view: The view; only its queries that have a relevant passage in its pool are written.
        folder: Where it goes.
        overwrite: Whether to replace a folder that holds anything else.

    Raises:
        ExportError: If an id has white space in it, or the folder holds anything else.
        ValueError: If no query has a relevant passage in the pool.
    """
    passages = view_passages(collection, view)
    queries, qrels = view_queries(collection, view)
    check_ids(collection, passages, queries)
    # Without qrels queries are passages, of which each one's own is no answer.
    shared = collection.queries["id"].is_in(collection.passages["id"].implode()).any()
    prefix = "query:" if shared and collection.qrels is not None else ""
    with whole_folder(folder, overwrite=overwrite) as part:
        write_lines(
            part / "corpus.jsonl",
            (
                json_line({"_id": id_, "title": "", "text": text, "metadata": _about(*about)})
                for id_, text, *about in passages.iter_rows()
            ),
        )
        write_lines(
            part / "queries.jsonl",
            (
                json_line({"_id": f"{prefix}{id_}", "text": text, "metadata": _about(*about)})
                for id_, text, *about in queries.iter_rows()
            ),
        )
        rows = (prefix + "\t".join(map(str, row)) for row in judgments(queries, qrels))
        write_lines(part / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *rows])


def _about(language: str, group: str) -> dict[str, str]:
    return {"language": language, "group": group}
