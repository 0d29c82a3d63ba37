"""Labels by a teacher: vectors of questions and passages, or scores of passages and negatives.

The teacher reads one language, and the student learns the same labels in all that a row has
(Reimers and Gurevych, arXiv:2004.09813, for vectors).
"""

from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mteb_hybrid.files.lines import shown
from mteb_hybrid.files.parallel_json import ParallelRow, check_text, language_reader
from mteb_hybrid.training.labels import LABELS
from mteb_hybrid.training.precompute.model import Role, TextModel
from mteb_hybrid.training.precompute.source import Source
from mteb_hybrid.training.precompute.work import (
    PART,
    Floats,
    PrecomputeError,
    Work,
    new_output,
    write_rows,
)

LABEL = "label"


def teach_vectors(source: Source, teacher: TextModel, output: Path, language: str) -> int:
    """Write a Parquet file of wide columns with the teacher's vectors, as MSELoss takes them.

    ``label`` is [vector of the question, vector of the passage], float32 as the teacher gives
    them. Rows that lack either text in the language are left out.

    Args:
        source: The rows.
        teacher: What makes the vectors, with its prompts.
        output: Where the rows go; ``OUTPUT.provenance.json`` beside it says how they were made.
        language: Short code of the language that the teacher reads.

    Returns:
        How many rows were written.

    Raises:
        PrecomputeError: If the output is there, unfinished work is of something else, the teacher
            has no vectors, or no row has both texts.
        EncoderError: If it returns the wrong shape, NaN or infinity.
    """
    query, passage = (source.corpus.masks(role, [language]) > 0 for role in ("query", "passage"))
    kept = query & passage
    _refuse_none(int(kept.sum()), source, f"a question and a passage in {language!r}")
    about = _about(source, teacher, {LABEL: "vectors", "language": language})
    with new_output(output, about) as (work, part):
        queries = _vectors(source, teacher, "query", language, kept, work)
        passages = _vectors(source, teacher, "document", language, kept, work)
        _write_parquet(part, source, kept, np.stack([queries, passages], axis=1))
        about |= {"date": date.today().isoformat(), "rows": int(kept.sum())}
    return int(kept.sum())


def _vectors(
    source: Source,
    teacher: TextModel,
    role: Role,
    language: str,
    kept: npt.NDArray[np.bool_],
    work: Work,
) -> Floats:
    """The teacher's vectors of the rows that are kept; each distinct text is encoded once."""
    rows, texts = source.texts("query" if role == "query" else "passage", language)
    wanted = [text for row, text in zip(rows, texts, strict=True) if kept[row]]
    places = {text: place for place, text in enumerate(dict.fromkeys(wanted))}
    made = work.arrays(f"{role} {language}", [*places], lambda some: teacher.vectors(some, role))
    return made[[places[text] for text in wanted]]


def _write_parquet(file: Path, source: Source, kept: npt.NDArray[np.bool_], labels: Floats) -> None:
    corpus = source.corpus
    names = [f"{role}_{code}" for code in corpus.languages for role in ("query", "passage")]
    vector = pa.list_(pa.list_(pa.float32()))
    fields = [("id", pa.string()), *((name, pa.string()) for name in names)]
    schema = pa.schema([*fields, ("group", pa.int64()), (LABEL, vector)])
    with file.open("wb") as sink, pq.ParquetWriter(sink, schema) as writer:
        rows = zip(source.rows(), corpus.groups().tolist(), kept.tolist(), strict=True)
        numbered = enumerate((row, group) for row, group, there in rows if there)
        while some := list(islice(numbered, PART)):
            columns = {
                name: [getattr(row, role).get(code) for _, (row, _) in some]
                for name in names
                for role, _, code in [name.partition("_")]
            }
            columns["id"] = [None if row.id is None else str(row.id) for _, (row, _) in some]
            columns["group"] = [group for _, (_, group) in some]
            columns[LABEL] = [[*labels[place]] for place, _ in some]
            writer.write_table(pa.table(columns, schema))


def teach_scores(
    source: Source, teacher: TextModel, output: Path, language: str, negatives: int
) -> int:
    """Write parallel JSON lines with the teacher's scores, as distillation of scores takes them.

    ``label`` is [score of the passage, of the first negative, …], which MarginMSELoss and
    DistillKLDivLoss take. So that the scores hold in all languages, the negatives in others become
    the translations of those that were scored: the passages of their rows. A language that lacks
    one of them has no negatives in that row. Rows that lack a question, a passage or that many
    negatives in the teacher's language are left out.

    Args:
        source: The rows, with negatives.
        teacher: What scores: a cross-encoder (its logits), or an encoder (its similarity).
        output: Where the rows go, gzipped if it is called ``.gz``; ``OUTPUT.provenance.json``
            beside it says how they were made.
        language: Short code of the language that the teacher reads.
        negatives: Negatives of each row.

    Returns:
        How many rows were written.

    Raises:
        PrecomputeError: If the output is there, unfinished work is of something else, negatives
            are malformed, or no row has enough.
        EncoderError: If the teacher returns the wrong shape, NaN or infinity.
    """
    texts = [[row.query[language], *some] for row, some in _scored(source, language, negatives)]
    what = f"a question, and a passage with {negatives} negatives, in {language!r}"
    _refuse_none(len(texts), source, f"{what} (`mteb-hybrid mine` makes them)")
    told = {LABEL: "scores", "language": language, "negatives": negatives}
    about = _about(source, teacher, told)

    def score(some: list[list[str]]) -> Floats:
        queries = [query for query, *others in some for _ in others]
        passages = [text for _, *others in some for text in others]
        return teacher.scores(queries, passages).reshape(len(some), 1 + negatives)

    translated = _Translated(source, language)
    with new_output(output, about) as (work, part):
        labels = work.arrays("scores", texts, score)
        rows = (
            {key: value for key, value in row.content.items() if key not in LABELS}
            | {"negatives": translated(row, some[1:]), LABEL: label.tolist()}
            for (row, some), label in zip(_scored(source, language, negatives), labels, strict=True)
        )
        write_rows(part, rows, gzipped=output.suffix == ".gz")
        about |= {"date": date.today().isoformat(), "rows": len(texts)}
    return len(texts)


def _scored(
    source: Source, language: str, negatives: int
) -> Iterator[tuple[ParallelRow, list[str]]]:
    """The rows that can be scored, with the passage and the negatives of each."""
    short = language_reader((language,))
    for row in source.rows():
        lists = row.content.get("negatives") or {}
        if not isinstance(lists, dict):
            raise PrecomputeError(
                f"{row.where}: 'negatives' is {shown(lists)}; expected lists of texts by language"
            )
        codes = {short(row.where, "negatives", key): some for key, some in lists.items()}
        found = codes.get(language) or []
        if not isinstance(found, list):
            raise PrecomputeError(
                f"{row.where}: 'negatives.{language}' is {shown(found)}; expected a list of texts"
            )
        if language in row.query and language in row.passage and len(found) >= negatives:
            for place, text in enumerate(found[:negatives]):
                check_text(row.where, f"negatives.{language}[{place}]", text)
            yield row, [row.passage[language], *found[:negatives]]


class _Translated:
    """Negatives in one language, in all languages of a row in which there is each of them."""

    def __init__(self, source: Source, language: str) -> None:
        corpus = source.corpus
        self._language, self._corpus = language, corpus
        self._there = {code: corpus.masks("passage", [code]) > 0 for code in corpus.languages}
        rows, texts = source.texts("passage", language)
        self._row_of = dict(zip(reversed(texts), reversed(rows), strict=True))

    def __call__(self, row: ParallelRow, negatives: list[str]) -> dict[str, list[str]]:
        found = {self._language: negatives}
        rows = [self._row_of.get(text) for text in negatives]
        for code in row.passage:
            here = [one for one in rows if one is not None and self._there[code][one]]
            if code != self._language and len(here) == len(negatives):
                found[code] = [self._corpus.text("passage", code, one) for one in here]
        return found


def _about(source: Source, teacher: TextModel, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "input": {"name": Path(source.name).name, "digest": source.digest},
        "model": teacher.about,
        **told,
    }


def _refuse_none(rows: int, source: Source, what: str) -> None:
    if not rows:
        raise PrecomputeError(
            f"{source.name}: no row has {what}; found {', '.join(source.corpus.languages)}. Give "
            "another --language, or other data"
        )
