"""mMARCO: MS MARCO's training triples in 14 languages (arXiv:2108.13897).

Format: files of the dataset unicamp-dl/mmarco on the Hugging Face hub. Triples are lines ``query
id, id of a relevant passage, id of another passage``; texts are lines ``id, text``, one file of
queries and one of passages per language. Fields are separated by tabs.
"""

import os
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets.table import Table, concat_tables

from mteb_hybrid.files.lines import ParallelDataError, lines, shown
from mteb_hybrid.training.corpus import GROUP, Corpus, Ints
from mteb_hybrid.training.digest import stamp
from mteb_hybrid.training.readers.cache import Batches, cached_table
from mteb_hybrid.training.readers.checks import (
    BATCH_ROWS,
    checked_count,
    checked_languages,
    logger,
)
from mteb_hybrid.training.readers.settle import settled_file

VERSION = 1

ENGLISH_NAMES = {
    "ar": "arabic",
    "zh": "chinese",
    "nl": "dutch",
    "en": "english",
    "fr": "french",
    "de": "german",
    "hi": "hindi",
    "id": "indonesian",
    "it": "italian",
    "ja": "japanese",
    "pt": "portuguese",
    "ru": "russian",
    "es": "spanish",
    "vi": "vietnamese",
}

TRIPLES = "data/triples.train.ids.small.tsv"
QUERIES = "data/google/queries/train/{}_queries.train.tsv"
PASSAGES = "data/google/collections/{}_collection.tsv"

_LARGEST_ID = 2**31 - 1  # the hub's own loader declares ids as 32-bit integers
_AGAIN = "download it again"
_TRIPLE = "3 ids separated by tabs"
_TEXT = "an id and a text separated by a tab"
_PASSAGE, _NEGATIVES = "passage_id", "negative_ids"
_MISSING, _FOUND = 1, 2


def read_mmarco(
    folder: str | os.PathLike[str],
    *,
    languages: Sequence[str],
    negatives: int = 0,
    cache_folder: str | os.PathLike[str] | None = None,
    limit: int | None = None,
) -> Corpus:
    """Read mMARCO from a copy of its dataset repository on the hub.

    A row is a question with one relevant passage, in the order in which the triples first name
    them; rows of one question, or of one passage, have the same group. The texts of a row are
    looked up by id in every language, so no triple is ever written out.

    Triples and texts are converted once. The cache has a file for the ids and one per language,
    so that another language can be added later. While a language is converted, those of its
    passages that are used are in memory: about half a gigabyte for all questions without
    negatives.

    Args:
        folder: Folder in the layout of huggingface.co/datasets/unicamp-dl/mmarco.
        languages: Short codes of those to read: ar, de, en, es, fr, hi, id, it, ja, nl, pt, ru, vi
            and zh.
        negatives: Hard negatives per example: the first different ones that the triples give. A
            row for which they give fewer is left out.
        cache_folder: Where converted files go; by default ``parallel`` in the user's cache.
        limit: Read only the first rows, this many; by default all.

    Returns:
        The corpus ``mmarco``.

    Raises:
        ParallelDataError: If a file is missing, has a line with another number of fields, a bad
            id, a blank text or one that is not UTF-8, lacks an id that the triples name, or no row
            has enough negatives. The message gives the file and the line.
    """
    root = Path(folder)
    codes = checked_languages(languages, str(root))
    negatives = checked_count(negatives, "negatives", str(root))
    if limit is not None:
        limit = checked_count(limit, "limit", str(root), least=1)
    triples, texts = _files(root, codes)
    key = ["mmarco", VERSION, stamp(triples), negatives, limit]
    ids = cached_table(
        cache_folder, "mmarco-ids", key, lambda: _read_triples(triples, negatives, limit)
    )
    tables: list[Table] = []
    keys = []
    for code, (queries, passages) in texts.items():
        make = partial(_read_texts, code, queries, passages, ids, negatives)
        keys.append([code, stamp(queries), stamp(passages)])
        tables.append(cached_table(cache_folder, f"mmarco-{code}", [key, keys[-1]], make))
    table = concat_tables([*tables, ids.select([GROUP])], axis=1)
    found = settled_file(table, [key, keys], cache_folder, "mmarco", str(root), negatives)
    return found.renamed("mmarco")


def _files(root: Path, codes: Sequence[str]) -> tuple[Path, dict[str, tuple[Path, Path]]]:
    unknown = [code for code in codes if code not in ENGLISH_NAMES]
    if unknown:
        raise ParallelDataError(
            f"{root}: mMARCO is not in {', '.join(unknown)}; choose from {sorted(ENGLISH_NAMES)}"
        )
    texts = {}
    for code in codes:
        english = ENGLISH_NAMES[code]
        texts[code] = (root / QUERIES.format(english), root / PASSAGES.format(english))
    for file in (root / TRIPLES, *(file for pair in texts.values() for file in pair)):
        if not file.is_file():
            raise ParallelDataError(
                f"{file}: no such file; expected the layout of huggingface.co/datasets/"
                "unicamp-dl/mmarco, download the file into this place"
            )
    return root / TRIPLES, texts


def _read_triples(file: Path, negatives: int, limit: int | None) -> Batches:
    """The distinct pairs of question and relevant passage, with the first negatives of each."""
    pairs: dict[bytes, int] = {}
    relevant, others, counts = array("i"), array("i"), array("i")
    incomplete = 0
    # Nearly all of the 40 million lines repeat a pair that is complete: look at little more then.
    for where, line in lines([file]):
        pair, _, other = line.rstrip(b"\r\n").rpartition(b"\t")
        row = pairs.get(pair)
        if row is None:
            query, _, passage = pair.partition(b"\t")
            ids = [_number(where, line, field, _TRIPLE) for field in (query, passage)]
            if len(pairs) == limit:
                if not incomplete:
                    break
                continue
            row = pairs[pair] = len(counts)
            relevant.extend(ids)
            counts.append(0)
            others.extend([-1] * negatives)
            incomplete += negatives > 0
        if counts[row] < negatives or not other.isdigit():
            start, end = row * negatives, row * negatives + counts[row]
            negative = _number(where, line, other, _TRIPLE)
            if negative not in others[start:end]:
                others[end] = negative
                counts[row] += 1
                incomplete -= counts[row] == negatives
    if not counts:
        raise ParallelDataError(f"{file}: no triples; {_AGAIN}")
    enough = np.frombuffer(counts, np.int32) >= negatives
    if not enough.any():
        raise ParallelDataError(
            f"{file}: none of {len(counts):,} pairs of question and passage has {negatives} "
            f"different negatives; ask for fewer, or {_AGAIN}"
        )
    if not enough.all():
        lacking = int(np.count_nonzero(~enough))
        logger.warning(
            "%s: %d pairs left out with fewer than %d negatives", file, lacking, negatives
        )
    kept = np.frombuffer(relevant, np.int32).reshape(-1, 2)[enough].astype(np.int64)
    columns = {GROUP: pa.array(kept[:, 0]), _PASSAGE: pa.array(kept[:, 1])}
    if negatives:
        flat = np.frombuffer(others, np.int32).reshape(-1, negatives)[enough].ravel()
        columns[_NEGATIVES] = pa.FixedSizeListArray.from_arrays(pa.array(flat), negatives)
    batch = pa.record_batch(columns)
    return batch.schema, [batch]


def _number(where: str, line: bytes, field: bytes, expected: str) -> int:
    if not field.isdigit() or len(field) > 10 or int(field) > _LARGEST_ID:
        raise ParallelDataError(
            f"{where}: found {shown(line.decode(errors='replace'))}; expected {expected}, correct "
            f"the line or {_AGAIN}"
        )
    return int(field)


def _read_texts(code: str, queries: Path, passages: Path, ids: Table, negatives: int) -> Batches:
    """The texts of all rows in one language."""
    columns = [ids.column(GROUP), ids.column(_PASSAGE)]
    if negatives:
        columns.append(ids.column(_NEGATIVES).combine_chunks().flatten())
    query, passage, *negative = (np.asarray(column.to_numpy()) for column in columns)
    asked = _Texts(queries, query)
    told = _Texts(passages, np.concatenate([passage, *negative]))
    text = pa.large_string()
    fields = [(f"query_{code}", text), (f"passage_{code}", text)]
    schema = pa.schema(fields + [(f"negatives_{code}", pa.list_(text))] * bool(negatives))

    def batches() -> Iterator[pa.RecordBatch]:
        step = BATCH_ROWS // (1 + negatives) + 1
        for start in range(0, len(query), step):
            rows = slice(start, start + step)
            arrays = [asked[query[rows]], told[passage[rows]]]
            for numbers in negative:
                flat = numbers.reshape(-1, negatives)[rows]
                offsets = np.arange(0, flat.size + 1, negatives, dtype=np.int32)
                arrays.append(pa.ListArray.from_arrays(offsets, told[flat.ravel()]))
            yield pa.record_batch(arrays, schema=schema)

    return schema, batches()


class _Texts:
    """Those texts of a file of ids and texts that are wanted, in the order of the file."""

    def __init__(self, file: Path, wanted: Ints) -> None:
        self._wanted = np.unique(wanted)
        state = bytearray(int(self._wanted[-1]) + 1)
        for number in self._wanted.tolist():
            state[number] = _MISSING
        data, ends, found = bytearray(), array("q", [0]), array("q")
        where = f"{file}:0"
        for where, line in lines([file]):
            # All white space at the end, as the hub's own loader does.
            field, tab, text = line.rstrip().partition(b"\t")
            two_fields = tab and b"\t" not in text
            number = _number(where, line, field if two_fields else b"", _TEXT)
            if number < len(state) and state[number]:
                self._check(where, text, state[number])
                state[number] = _FOUND
                data += text
                ends.append(len(data))
                found.append(number)
        if len(found) < len(self._wanted):
            lacking = len(self._wanted) - len(found)
            raise ParallelDataError(
                f"{where}: the file ends here without {lacking:,} of the ids "
                f"that the triples name, such as {state.index(_MISSING)}; {_AGAIN}"
            )
        self._texts = pa.LargeStringArray.from_buffers(
            len(found), pa.py_buffer(ends), pa.py_buffer(data)
        )
        self._places = np.argsort(np.frombuffer(found, np.int64))

    @staticmethod
    def _check(where: str, text: bytes, state: int) -> None:
        if state == _FOUND:
            raise ParallelDataError(
                f"{where}: repeats the id of an earlier line; expected each id once, {_AGAIN}"
            )
        try:
            blank = not text.decode().strip()
        except UnicodeDecodeError as error:
            raise ParallelDataError(
                f"{where}: not UTF-8 ({error.reason} at byte {error.start} of the text); {_AGAIN}"
            ) from None
        if blank:
            raise ParallelDataError(f"{where}: the text is blank; expected a text, {_AGAIN}")

    def __getitem__(self, numbers: Ints) -> pa.Array:
        return self._texts.take(pa.array(self._places[np.searchsorted(self._wanted, numbers)]))
