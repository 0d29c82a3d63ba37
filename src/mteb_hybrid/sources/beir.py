"""BEIR's layout: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv`` in one folder.

Format: github.com/beir-cellar/beir/wiki/Load-your-custom-dataset. JSON lines may be compressed
(``.jsonl.gz``); where both files lie there the plain one is read, as BEIR does.

A passage is title and text, joined by a space and stripped, as MTEB and BEIR do it. Either may be
empty, and the title may be missing or null. A document that has neither is no candidate: it is left
out with a warning, and it may not be judged. (MTEB and BEIR rank its empty text.)

A query without judgments in the split is left out, as in BEIR's loader. A judgment below 0 counts
as 0, as in trec_eval.
"""

import logging
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.formats.beir import BeirSource
from mteb_hybrid.cards.known_faults import LeftOut
from mteb_hybrid.files.archives import unpack
from mteb_hybrid.files.errors import DataError, in_words
from mteb_hybrid.files.inside import inside
from mteb_hybrid.files.lines import beir_columns, decoded, grade_of, lines, some, text_of
from mteb_hybrid.files.places import cache_folder
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources.locate import beside, locate_file

logger = logging.getLogger(__name__)

BATCH = 65_536
HEAD = ["query-id", "corpus-id", "score"]


class _Query(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str = Field(alias="_id", min_length=1)
    text: str

    @property
    def whole(self) -> str:
        return self.text


class _Document(_Query):
    title: str | None = None

    @property
    def whole(self) -> str:
        return f"{self.title or ''} {self.text}".strip()


def read(card: TaskCard) -> Collection:
    """Read a collection in BEIR's layout.

    Args:
        card: Its card, with one language; its `split` names the file of judgments.

    Returns:
        Passages with ids ``language:document id`` and queries with ids ``language:query id``, each
        a group of its own.

    Raises:
        DataError: If a file is missing, cut short or not UTF-8; a line is not a JSON object with
            the keys, an id repeats, or a judged text is empty; the judgments lack their head or a
            column, name an unknown id, contradict each other, or are no integers. The message
            gives the line.
    """
    (language,) = card.languages
    folder = _folder(card)
    corpus, queries = _json_file(folder, "corpus"), _json_file(folder, "queries")
    left_out = LeftOut(card.title, card.source.known_faults)
    documents = _texts(corpus, _Document, left_out)
    questions = _texts(queries, _Query, left_out)
    judgments = inside(folder, f"qrels/{card.split}.tsv")
    qrels = _judgments(judgments, left_out)
    for column, file, table in (
        ("query_id", queries, questions),
        ("passage_id", corpus, documents),
    ):
        qrels = _known(judgments, qrels, column, file, table, left_out)
    left_out.log()
    passages = documents.filter(pl.col("text") != "")
    if blank := len(documents) - len(passages):
        logger.warning("%s: %d document(s) without title and text left out", corpus, blank)
    judged = questions.filter(pl.col("id").is_in(qrels["query_id"].implode()))
    prefix = f"{language}:"
    try:
        return Collection(
            name=card.title,
            languages=(language,),
            passages=_table(passages, language),
            queries=_table(judged, language),
            qrels=qrels.select(
                query_id=prefix + pl.col("query_id"),
                passage_id=prefix + pl.col("passage_id"),
                relevance=pl.col("relevance").clip(lower_bound=0),
            ),
        )
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from None


def _folder(card: TaskCard) -> Path:
    source = card.source
    if not isinstance(source, BeirSource):
        raise TypeError(f"{card.file}: not a source of format 'beir'")
    if source.archive is None:
        folder = beside(card, source)
        remedy = f"Put it there, or correct {card.file}."
    else:
        unpacked = inside(cache_folder(), f"{source.path}/{source.archive.sha256[:12]}")
        if not unpacked.is_dir():
            unpack(locate_file(card, source.archive), unpacked, source.archive.unpacked_bytes)
        folder = unpacked / Path(source.archive.file).stem
        remedy = "An archive of BEIR holds a folder of its own name."
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected corpus, queries and qrels. {remedy}")
    return folder


def _json_file(folder: Path, name: str) -> Path:
    for file in (inside(folder, f"{name}.jsonl"), inside(folder, f"{name}.jsonl.gz")):
        if file.is_file():
            return file
    raise DataError(
        f"{folder / name}.jsonl: no such file, nor {name}.jsonl.gz; expected BEIR's layout. Put it "
        "there."
    )


def _texts(file: Path, kind: type[_Query], left_out: LeftOut) -> pl.DataFrame:
    """Columns id and text; the number of a row is that of its line."""
    parts = []
    ids: list[str] = []
    texts: list[str] = []
    for where, line in lines([file]):
        try:
            row = kind.model_validate(decoded(where, line))
        except ValidationError as error:
            keys = [field.alias or name for name, field in kind.model_fields.items()]
            raise DataError(
                f"{where}: {in_words(error.errors()[0])}; expected an object with the strings "
                f"{keys}. Correct that line."
            ) from None
        ids.append(row.id)
        texts.append(row.whole)
        if len(ids) == BATCH:
            parts.append(pl.DataFrame({"id": ids, "text": texts}))
            ids, texts = [], []
    parts.append(pl.DataFrame({"id": ids, "text": texts}, {"id": pl.String, "text": pl.String}))
    table = pl.concat(parts, rechunk=True)
    if table.is_empty():
        raise DataError(f"{file}: is empty; expected JSON lines.")
    repeated = table.with_row_index("line", 1).filter(pl.col("id").is_duplicated())
    later = repeated.filter(~pl.col("id").is_first_distinct())["line"]
    if not later.is_empty():
        if left_out("repeated_ids", [f"{file}:{line}" for line in later]):
            return table.filter(pl.col("id").is_first_distinct())
        id_ = repeated["id"][0]
        first, second, *_ = repeated.filter(id=id_)["line"]
        raise DataError(
            f"{file}:{second}: repeats the _id {id_!r} of line {first}; expected an id of its own "
            "on every line. Remove one of them, or give it another id."
            f"{left_out.more('repeated_ids')}"
        )
    return table


def _judgments(file: Path, left_out: LeftOut) -> pl.DataFrame:
    """Columns query_id, passage_id, relevance and line."""
    if not file.is_file():
        splits = ", ".join(sorted(other.stem for other in file.parent.glob("*.tsv"))) or "none"
        raise DataError(
            f"{file}: no such file; splits there: {splits}. Put it there, or correct 'split' in "
            "the card."
        )
    rows: dict[tuple[str, str], tuple[int, int]] = {}
    for number, (where, line) in enumerate(lines([file]), 1):
        columns = beir_columns(text_of(where, line))
        if number == 1:
            if columns != HEAD:
                raise DataError(
                    f"{where}: {some(columns)}; expected the head {HEAD}, separated by tabs. "
                    "Add it."
                )
            continue
        relevance = grade_of(columns[2]) if len(columns) == 3 else None
        if relevance is None:
            raise DataError(
                f"{where}: {some(columns)}; expected query id, document id and an integer "
                "of up to six digits, separated by tabs. Correct that line."
            )
        pair = (columns[0], columns[1])
        if rows.setdefault(pair, (relevance, number))[0] != relevance:
            if left_out("judged_twice", [where]):
                continue
            raise DataError(
                f"{where}: judges query {pair[0]!r} and document {pair[1]!r} otherwise than line "
                f"{rows[pair][1]}. Remove one of them."
            )
    if not rows:
        raise DataError(f"{file}: no judgments; expected lines below the head.")
    return pl.DataFrame(
        [(*pair, *judged) for pair, judged in rows.items()],
        {**QRELS, "line": pl.Int64},
        orient="row",
    )


def _known(
    judgments: Path,
    qrels: pl.DataFrame,
    column: str,
    file: Path,
    table: pl.DataFrame,
    left_out: LeftOut,
) -> pl.DataFrame:
    """The judgments of texts that are there and are not empty: all but those the card lists."""
    texts = table.select(pl.col("id").alias(column), pl.col("text").str.strip_chars())
    found = qrels.join(texts, on=column, how="left", maintain_order="left")
    for kind, wrong, fault in (
        ("judged_unknown", found.filter(pl.col("text").is_null()), f"is not in {file}"),
        ("judged_empty", found.filter(pl.col("text") == ""), f"has no text in {file}"),
    ):
        if wrong.is_empty() or left_out(kind, [f"{judgments}:{line}" for line in wrong["line"]]):
            continue
        row = wrong.row(0, named=True)
        raise DataError(
            f"{judgments}:{row['line']}: {row[column]!r} {fault} ({len(wrong)} such line(s) in "
            "all); expected texts that are there. Remove these lines, or add the texts."
            f"{left_out.more(kind)}"
        )
    return found.filter(pl.col("text") != "").drop("text")


def _table(texts: pl.DataFrame, language: str) -> pl.DataFrame:
    id_ = pl.concat_str(pl.lit(f"{language}:"), "id")
    return texts.select(id=id_, text="text", language=pl.lit(language), group=id_).select(*TEXTS)
