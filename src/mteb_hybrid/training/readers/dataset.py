"""Training corpora from `datasets.Dataset` objects: a column per language, or pairs."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets import Dataset
from datasets.table import InMemoryTable, Table, concat_tables

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.languages.codes import SHORT
from mteb_hybrid.training.corpus import GROUP, Corpus
from mteb_hybrid.training.labels import LABELS
from mteb_hybrid.training.readers.checks import (
    check_dataset,
    checked_languages,
    checked_negatives,
    group_numbers,
    logger,
    no_column,
)


def from_dataset(
    dataset: Dataset,
    *,
    query: str = "query_{language}",
    passage: str = "passage_{language}",
    negatives_columns: str = "negatives_{language}",
    group: str = GROUP,
    languages: Sequence[str] | None = None,
    negatives: int = 0,
    name: str = "dataset",
) -> Corpus:
    """Use a dataset that has a column per language and role.

    Columns are renamed, not copied: a dataset from a Parquet folder of the hub stays on disk. A
    copy in the cache of `datasets` is made only if rows were shuffled or filtered before, or must
    be left out. A column ``label``, ``labels``, ``score`` or ``scores`` is carried along.

    Args:
        dataset: Texts in columns of strings, null where a translation is missing.
        query: Name of the columns with questions, with ``{language}`` for the short code.
        passage: The same for passages.
        negatives_columns: The same for hard negatives, which are lists of strings.
        group: Column of strings or integers; rows with the same one may not meet in a batch.
            Without such a column every row has a group of its own.
        languages: Use only these; by default all that have a column. A row that has no question
            or no passage in them is left out.
        negatives: Hard negatives per example. A row in which no passage has that many is left out.
        name: Name of the corpus.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If it is no dataset or empty, a column is missing or has another type,
            a row has no question or no passage at all, or no row has enough negatives.
    """
    check_dataset(dataset, name)
    checked_negatives(negatives, name)
    patterns = {"query": query, "passage": passage, "negatives": negatives_columns}
    for role, pattern in patterns.items():
        if pattern.count("{language}") != 1:
            raise ParallelDataError(
                f"{name}: {role} columns {pattern!r}; expected a name with {{language}} in it"
            )
    found = _languages(dataset, [query, passage], languages, name)
    roles = ("query", "passage", "negatives") if negatives else ("query", "passage")
    renamed = {
        column: f"{role}_{code}"
        for code in found
        for role in roles
        if (column := patterns[role].replace("{language}", code)) in dataset.column_names
    }
    renamed |= {column: column for column in LABELS if column in dataset.column_names}
    if group in dataset.column_names:
        grouped: str | None = group
    elif group == GROUP:
        grouped = None
    else:
        raise no_column(dataset, group, name)
    return _usable(dataset, renamed, grouped, name, negatives, drop=languages is not None)


def from_pairs(
    dataset: Dataset,
    *,
    query: str = "query",
    passage: str = "passage",
    group: str | None = None,
    language: str = "en",
    name: str = "pairs",
) -> Corpus:
    """Use a dataset of questions and passages in one language, such as an English training set.

    Columns are renamed, not copied. A column ``label``, ``labels``, ``score`` or ``scores`` is
    carried along.

    Args:
        dataset: Texts in columns of strings.
        query: Column of the questions.
        passage: Column of the passages.
        group: Column of strings or integers; rows with the same one may not meet in a batch. By
            default those with the same question may not.
        language: Short code of their language.
        name: Name of the corpus.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If it is no dataset or empty, or a column is missing, has another type,
            or holds a null.
    """
    check_dataset(dataset, name)
    checked_languages([language], name)
    for column in (query, passage, *([] if group is None else [group])):
        if column not in dataset.column_names:
            raise no_column(dataset, column, name)
    labels = {column: column for column in LABELS if column in dataset.column_names}
    renamed = {**labels, query: f"query_{language}", passage: f"passage_{language}"}
    return _usable(dataset, renamed, query if group is None else group, name, 0, drop=False)


def _languages(
    dataset: Dataset, patterns: list[str], languages: Sequence[str] | None, name: str
) -> tuple[str, ...]:
    found: dict[str, list[str]] = {}
    for column in dataset.column_names:
        for pattern in patterns:
            before, after = map(re.escape, pattern.split("{language}"))
            match = re.fullmatch(f"{before}({SHORT.pattern}){after}", column)
            if match:
                found.setdefault(match[1], []).append(column)
    if languages is not None:
        wanted = checked_languages(languages, name)
        for code in wanted:
            if code not in found:
                raise no_column(dataset, patterns[0].replace("{language}", code), name)
        return wanted
    if "id" in found:
        if all(pa.types.is_integer(dataset.data.schema.field(c).type) for c in found["id"]):
            del found["id"]
        else:
            raise ParallelDataError(
                f"{name}: {' and '.join(found['id'])}: texts in Indonesian (id), or identifiers? "
                "Give `languages`, or remove the columns with Dataset.remove_columns"
            )
    if not found:
        raise ParallelDataError(
            f"{name}: no column like {' or '.join(patterns)} among {dataset.column_names}; give "
            "the names of the columns"
        )
    return tuple(found)


def _usable(
    dataset: Dataset,
    renamed: Mapping[str, str],
    group: str | None,
    name: str,
    negatives: int,
    drop: bool,
) -> Corpus:
    """The renamed columns as a corpus; rows that cannot be used are dropped or refused."""
    columns = dict.fromkeys([*renamed, *([] if group is None else [group])])
    dataset = dataset.with_format(None).select_columns([*columns])
    if dataset._indices is not None:
        dataset = dataset.flatten_indices()
    table = _with_group(dataset.data, renamed, group, name)
    complete = _complete(Corpus(name, table))
    if not drop and not complete.all():
        raise ParallelDataError(
            f"{name}: row {int(np.argmin(complete))} has no question or no passage in any "
            "language; remove such rows with Dataset.filter"
        )
    corpus = Corpus(name, table, negatives)
    usable = _complete(corpus)
    if usable.all():
        return corpus
    needs = f"a question, and a passage{f' with {negatives} negatives' if negatives else ''}"
    if not usable.any():
        raise ParallelDataError(
            f"{name}: none of the {len(dataset):,} rows has {needs} in "
            f"{', '.join(corpus.languages)}; ask for {'fewer negatives or ' if negatives else ''}"
            "other languages"
        )
    logger.warning("%s: %d rows left out that lack %s", name, np.count_nonzero(~usable), needs)
    kept = dataset.select(np.flatnonzero(usable))
    return _usable(kept, renamed, group, name, negatives, drop)


def _with_group(table: Table, renamed: Mapping[str, str], group: str | None, name: str) -> Table:
    if group is not None and group not in renamed:
        column = table.column(group)
        if column.type == pa.int64() and not column.null_count:
            names = {**renamed, group: GROUP}
            return table.rename_columns([names[column] for column in table.column_names])
    numbers = (
        np.arange(table.num_rows)
        if group is None
        else group_numbers(table.column(group), f"{name}, column {group!r}")
    )
    texts = table.select([*renamed]).rename_columns([*renamed.values()])
    return concat_tables([texts, InMemoryTable(pa.table({GROUP: numbers}))], axis=1)


def _complete(corpus: Corpus) -> npt.NDArray[np.bool_]:
    """Which rows have a question and a passage."""
    query, passage = (corpus.masks(role, corpus.languages) > 0 for role in ("query", "passage"))
    return query & passage
