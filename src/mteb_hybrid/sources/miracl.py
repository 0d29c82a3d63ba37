"""MIRACL's own format: topics, judgments and passages per language (arXiv:2210.09984).

Format: huggingface.co/datasets/miracl/miracl and miracl/miracl-corpus. Topics are lines ``query id,
text`` and judgments TREC's four columns, separated by tabs; passages are compressed JSON lines, see
`mteb_hybrid.sources.miracl_passages`. Folders, by either of their two layouts::

    topics/topics.miracl-v1.0-ar-dev.tsv               or below miracl-v1.0-ar/
    qrels/qrels.miracl-v1.0-ar-dev.tsv                 or below miracl-v1.0-ar/
    miracl-corpus-v1.0-ar/docs-0.jsonl.gz, docs-1.jsonl.gz, …

A query was judged on some passages of its own language only. Judgments of 0 are kept. A topic
without judgments, as in MIRACL's test sets, is left out.

A byte order mark, and the carriage returns of Windows, are no part of a text.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.formats.miracl import MiraclSource
from mteb_hybrid.cards.known_faults import LeftOut
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.hub import snapshot
from mteb_hybrid.files.inside import inside
from mteb_hybrid.files.lines import grade_of, lines, some, text_of
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.retrieval.collection import HIGHEST_GRADE, QRELS, TEXTS, Collection
from mteb_hybrid.sources.locate import beside
from mteb_hybrid.sources.miracl_passages import read_passages


def read(card: TaskCard) -> Collection:
    """Read the languages of the card from a collection in MIRACL's format.

    Args:
        card: Its card; its `split` is part of the names of the files.

    Returns:
        Passages with ids ``language:article#paragraph`` and queries with ids ``language:query id``,
        each a group of its own.

    Raises:
        DataError: If a file or a folder is missing, a file is cut short or not UTF-8, a line has
            other columns or keys or a blank text, an id repeats, or a judgment names an unknown
            one. The message gives the file and the line.
    """
    root, remedy = _root(card)
    corpus, _ = _root(card, passages=True)
    left_out = LeftOut(card.title, card.source.known_faults)
    passages, queries, qrels = [], [], []
    for language in card.languages:
        folder = _place(card, corpus, f"miracl-corpus-v1.0-{language}")
        hub = _source(card).passages
        judgments, answered, judged = _questions(card, language, root, remedy, left_out)
        for file in folder.glob("docs-*"):
            _place(card, folder, file.name)
        found = read_passages(folder, hub.files.get(language) if hub else None, remedy, left_out)
        judged = _known(judgments, judged, "passage_id", found["id"], folder, left_out)
        prefix = pl.lit(f"{language}:")
        passages.append(_table(found, language))
        queries.append(answered)
        qrels.append(
            judged.select(
                query_id=pl.concat_str(prefix, "query_id"),
                passage_id=pl.concat_str(prefix, "passage_id"),
                relevance="relevance",
            )
        )
    left_out.log()
    return Collection(
        name=card.title,
        languages=tuple(card.languages),
        passages=pl.concat(passages),
        queries=pl.concat(queries),
        qrels=pl.concat(qrels),
    )


def read_queries(card: TaskCard) -> pl.DataFrame:
    """Read the queries alone, which are some MB where the passages are many GB.

    Args:
        card: As for `read`.

    Returns:
        The `queries` of what `read` returns.

    Raises:
        DataError: As for `read`.
    """
    root, remedy = _root(card)
    left_out = LeftOut(card.title, card.source.known_faults)
    return pl.concat([_questions(card, x, root, remedy, left_out)[1] for x in card.languages])


def _source(card: TaskCard) -> MiraclSource:
    if not isinstance(card.source, MiraclSource):
        raise TypeError(f"{card.file}: not a source of format 'miracl'")
    return card.source


def _root(card: TaskCard, *, passages: bool = False) -> tuple[Path, str]:
    """Folder of topics and judgments, or of passages; and what to do if it lacks something."""
    source = _source(card)
    hub = source.passages
    data = os.environ.get(DATA_VARIABLE)
    if hub is None:
        return beside(card, source), f"Put it there, or correct {card.file}."
    if data:
        where = f"{source.repository} and {hub.repository}"
        return (
            Path(data) / source.path,
            f"Put it there, from {where} on the Hugging Face hub, or unset {DATA_VARIABLE} to "
            "download it.",
        )
    if passages:
        texts = [f"miracl-corpus-v1.0-{x}/docs-*.jsonl.gz" for x in card.languages]
        folder = snapshot(hub.repository, hub.revision, texts)
    else:
        own = [
            f"miracl-v1.0-{x}/{kind}/*-{card.split}.tsv"
            for x in card.languages
            for kind in ("topics", "qrels")
        ]
        folder = snapshot(source.repository, source.revision, own)
    return (
        folder,
        f"Unset HF_HUB_OFFLINE to download it, or set {DATA_VARIABLE} to a folder that holds "
        f"{source.path}/.",
    )


def _questions(
    card: TaskCard, language: str, root: Path, remedy: str, left_out: LeftOut
) -> tuple[Path, pl.DataFrame, pl.DataFrame]:
    """The file of judgments, the queries that have any, and the judgments."""
    name = f"miracl-v1.0-{language}"
    topics = _file(card, root, name, "topics", remedy)
    judgments = _file(card, root, name, "qrels", remedy)
    asked, judged = _topics(topics, left_out), _judgments(judgments, left_out)
    judged = _known(judgments, judged, "query_id", asked["id"], topics, left_out)
    answered = asked.filter(pl.col("id").is_in(judged["query_id"].implode()))
    return judgments, _table(answered, language), judged


def _place(card: TaskCard, root: Path, path: str) -> Path:
    """A place below a folder: links lead out of those of the user, and of the hub's cache."""
    return inside(root, path) if _source(card).passages is None else root / path


def _file(card: TaskCard, root: Path, name: str, kind: str, remedy: str) -> Path:
    file = root / kind / f"{kind}.{name}-{card.split}.tsv"
    for candidate in (f"{kind}/{file.name}", f"{name}/{kind}/{file.name}"):
        if _place(card, root, candidate).is_file():
            return root / candidate
    raise DataError(f"{file}: no such file, nor below {root / name}. {remedy}")


def _topics(file: Path, left_out: LeftOut) -> pl.DataFrame:
    """Columns id and text."""
    seen: dict[str, int] = {}
    rows = []
    for number, (id_, text) in _lines(file, ("query id", "text")):
        if id_ in seen:
            if left_out("repeated_ids", [f"{file}:{number}"]):
                continue
            raise DataError(
                f"{file}: line {number}: repeats the query id {id_!r} of line {seen[id_]}. Remove "
                "one of them."
            )
        seen[id_] = number
        rows.append((id_, text))
    return pl.DataFrame(rows, {"id": pl.String, "text": pl.String}, orient="row")


def _judgments(file: Path, left_out: LeftOut) -> pl.DataFrame:
    """Columns query_id, passage_id, relevance and line."""
    seen: dict[tuple[str, str], int] = {}
    rows = []
    for number, (query, _, passage, relevance) in _lines(
        file, ("query id", "Q0", "passage id", "relevance")
    ):
        grade = grade_of(relevance)
        if grade is None or grade < 0:
            raise DataError(
                f"{file}: line {number}: relevance {relevance!r}; expected an integer from 0 "
                f"to {HIGHEST_GRADE}. Correct that line."
            )
        if (query, passage) in seen:
            if left_out("judged_twice", [f"{file}:{number}"]):
                continue
            raise DataError(
                f"{file}: line {number}: judges query {query!r} on passage {passage!r}, as line "
                f"{seen[query, passage]} does. Remove one of them."
            )
        seen[query, passage] = number
        rows.append((query, passage, grade, number))
    return pl.DataFrame(rows, {**QRELS, "line": pl.Int64}, orient="row")


def _lines(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The numbers and fields of lines."""
    expected = f"{', '.join(columns[:-1])} and {columns[-1]}, separated by tabs"
    number = 0
    for number, (where, line) in enumerate(lines([file]), 1):
        fields = text_of(where, line).split("\t")
        if len(fields) != len(columns) or not all(field.strip() for field in fields):
            raise DataError(
                f"{file}: line {number}: {some(fields)}; expected {expected}. Correct that line."
            )
        yield number, fields
    if not number:
        raise DataError(f"{file}: is empty; expected lines of {expected}.")


def _known(
    judgments: Path,
    judged: pl.DataFrame,
    column: str,
    known: pl.Series,
    where: Path,
    left_out: LeftOut,
) -> pl.DataFrame:
    """The judgments of what is there, which must be all but those that the card lists."""
    texts = known.to_frame(column)
    unknown = judged.join(texts, on=column, how="anti", maintain_order="left")
    if unknown.is_empty():
        return judged
    if not left_out("judged_unknown", [f"{judgments}:{line}" for line in unknown["line"]]):
        raise DataError(
            f"{judgments}: line {unknown['line'][0]}: {unknown[column][0]!r} is not in {where} (as "
            f"in {len(unknown)} line(s) in all); expected judgments of what is there. Complete "
            f"{where}, or remove these lines.{left_out.more('judged_unknown')}"
        )
    return judged.join(texts, on=column, how="semi", maintain_order="left")


def _table(texts: pl.DataFrame, language: str) -> pl.DataFrame:
    id_ = pl.concat_str(pl.lit(f"{language}:"), "id")
    named = texts.with_columns(id=id_, language=pl.lit(language))
    return named.with_columns(group="id").select(*TEXTS)
