"""Hard negatives for parallel data, from the passages of the languages that are named."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from mteb_hybrid.files.parallel_json import ParallelRow
from mteb_hybrid.files.whole import whole
from mteb_hybrid.training.labels import LABELS
from mteb_hybrid.training.precompute.links import Links
from mteb_hybrid.training.precompute.model import TextModel
from mteb_hybrid.training.precompute.pool import From, Pool, pool_languages, read_pool
from mteb_hybrid.training.precompute.search import Choice, Texts, search
from mteb_hybrid.training.precompute.source import Source
from mteb_hybrid.training.precompute.work import (
    Floats,
    PrecomputeError,
    Work,
    new_output,
    stacked,
    write_rows,
)

SCHEMA = pa.schema(
    [("negatives", pa.list_(pa.large_string())), ("languages", pa.list_(pa.string()))]
)


class MinedLanguage(NamedTuple):
    """What was found for the passages of a language.

    Attributes:
        rows: How many rows have a passage in it.
        fewer: How many of them have fewer negatives than asked for.
        negatives: How many negatives in which language.
    """

    rows: int
    fewer: int
    negatives: Mapping[str, int]


def mine(
    source: Source,
    model: TextModel,
    output: Path,
    chosen: From = "same",
    choice: Choice | None = None,
    seed: int = 0,
) -> dict[str, MinedLanguage]:
    """Write parallel JSON lines with hard negatives.

    Beside each passage of a row stand the negatives for it, found with the row's question in the
    language of the passage, or in the first that it has. No negative belongs together with the
    question: see `Links`. Vectors and the negatives of each language are kept in ``OUTPUT.work``
    until the output is whole; the same call again goes on from there.

    Args:
        source: The rows. Negatives that they have already are replaced.
        model: What makes the vectors, with its prompts.
        output: Where the rows go, gzipped if it is called ``.gz``; ``OUTPUT.provenance.json``
            beside it says how they were made.
        chosen: Languages of the negatives.
        choice: Which candidates become negatives.
        seed: Decides what is drawn at random.

    Returns:
        What was found, by the language of the passages.

    Raises:
        PrecomputeError: If the output is there, unfinished work is of something else, the model
            has no vectors, or a row has scores of the negatives of before.
        EncoderError: If the model returns the wrong shape, NaN or infinity.
    """
    choice = choice or Choice()
    about: dict[str, Any] = {
        "input": {"name": Path(source.name).name, "digest": source.digest},
        "model": model.about,
        "from": chosen,
        **asdict(choice),
        "seed": seed,
    }
    for row in source.rows():
        _refuse_scores(row)
    with new_output(output, about) as (work, part):
        links = Links(source)
        columns = {}
        for code in source.corpus.languages:
            file = work.folder / f"negatives-{code}.arrow"
            if not file.is_file():
                table = _mined(source, code, chosen, choice, f"{seed} {code}", model, links, work)
                with (
                    whole(file) as made,
                    made.open("xb") as sink,
                    pa.ipc.new_file(sink, SCHEMA) as writer,
                ):
                    writer.write_table(table)
            columns[code] = pa.ipc.open_file(pa.memory_map(os.fsencode(file))).read_all()
        write_rows(part, _with_negatives(source, columns), gzipped=output.suffix == ".gz")
        found = {
            code: _counted(source, code, table, choice.num_negatives)
            for code, table in columns.items()
        }
        about |= {"date": date.today().isoformat(), "languages": _told(found)}
    return found


def _refuse_scores(row: ParallelRow) -> None:
    """A number tells of question and passage, lists in a list are vectors; a list is of scores."""
    for key in LABELS:
        label = row.content.get(key)
        if isinstance(label, list) and not any(isinstance(one, list) for one in label):
            raise PrecomputeError(
                f"{row.where}: {key!r} scores the negatives of before; mine first, then score with "
                f"`mteb-hybrid teach`, or remove {key!r}"
            )


def _mined(
    source: Source,
    code: str,
    chosen: From,
    choice: Choice,
    seed: str,
    model: TextModel,
    links: Links,
    work: Work,
) -> pa.Table:
    """The negatives beside the passages of a language; null for a row without any."""
    languages = pool_languages(chosen, code, source.corpus.languages)
    pool = read_pool(source, languages, model, work)
    own = read_pool(source, [code], model, work)
    anchors, queries = _anchors(source, code, model, work)
    rows, passages = source.texts("passage", code)
    spoken = dict(zip(pool.texts, pool.languages, strict=True))
    pairs = [(anchors[row], passage) for row, passage in zip(rows, passages, strict=True)]
    found: dict[str, list[str]] = {}
    if pairs and pool.texts:
        said = f"{code}: {len(pairs):,} questions, {len(pool.texts):,} passages"
        tqdm.write(said, file=sys.stderr)
        found = search(
            *(model, pairs, pool.texts),
            *(_texts(queries, links), _texts(_joined(pool, own), links)),
            *(choice, seed),
        )
    lists: list[list[str] | None] = [None] * len(source.corpus)
    for row in rows:
        lists[row] = found.get(anchors[row])
    of = [None if some is None else [spoken[text] for text in some] for some in lists]
    return pa.table([pa.array(lists, SCHEMA[0].type), pa.array(of, SCHEMA[1].type)], SCHEMA)


def _anchors(
    source: Source, code: str, model: TextModel, work: Work
) -> tuple[dict[int, str], Pool]:
    """The question of each row in a language, or else in the first that it has."""
    needed = set(source.texts("passage", code)[0])
    anchors: dict[int, str] = {}
    places: dict[str, str] = {}
    vectors: list[Floats] = []
    for language in dict.fromkeys((code, *source.corpus.languages)):
        rows, texts = source.texts("query", language)
        taken = {row: text for row, text in zip(rows, texts, strict=True) if row in needed}
        if not taken.keys() - anchors.keys():
            continue
        distinct = list(dict.fromkeys(texts))
        made = work.arrays(
            f"queries {language}", distinct, lambda some: model.vectors(some, "query")
        )
        vectors.append(made[[place for place, text in enumerate(distinct) if text not in places]])
        places |= {text: language for text in distinct if text not in places}
        anchors = taken | anchors
    return anchors, Pool([*places], stacked(vectors), [*places.values()])


def _joined(pool: Pool, own: Pool) -> Pool:
    """The pool, and behind it the passages of the language itself that it lacks."""
    known = set(pool.texts)
    new = [place for place, text in enumerate(own.texts) if text not in known]
    if not new:
        return pool
    return Pool(
        pool.texts + [own.texts[place] for place in new],
        np.concatenate([pool.vectors, own.vectors[new]]),
        pool.languages + [own.languages[place] for place in new],
    )


def _texts(pool: Pool, links: Links) -> Texts:
    places = {text: place for place, text in enumerate(pool.texts)}
    return Texts(pool.vectors, links.of(pool.texts), places)


def _with_negatives(source: Source, columns: Mapping[str, pa.Table]) -> Iterator[dict[str, Any]]:
    lists = [(code, table["negatives"]) for code, table in columns.items()]
    for place, row in zip(range(len(source.corpus)), source.rows(), strict=True):
        found = {code: column[place].as_py() for code, column in lists}
        yield row.content | {"negatives": {code: some for code, some in found.items() if some}}


def _counted(source: Source, code: str, table: pa.Table, wanted: int) -> MinedLanguage:
    rows = source.texts("passage", code)[0]
    lists = table["languages"]
    found = [lists[row].as_py() or [] for row in rows]
    of = Counter(language for some in found for language in some)
    return MinedLanguage(len(rows), sum(len(some) < wanted for some in found), dict(of))


def _told(found: Mapping[str, MinedLanguage]) -> dict[str, Any]:
    return {code: one._asdict() for code, one in found.items()}
