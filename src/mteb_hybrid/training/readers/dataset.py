"""Training corpora from `datasets.Dataset` objects: a column per language, or pairs."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa
from datasets import Dataset
from datasets.table import concat_tables

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.languages.codes import SHORT
from mteb_hybrid.training.corpus import GROUP, ROLES, Corpus, Ints
from mteb_hybrid.training.labels import LABELS
from mteb_hybrid.training.readers.cache import cached_table, dataset_key
from mteb_hybrid.training.readers.checks import (
    checked_count,
    checked_languages,
    group_numbers,
    no_column,
)
from mteb_hybrid.training.readers.columns import is_list, list_batches, negative_columns
from mteb_hybrid.training.readers.dictionaries import JSON, by_language
from mteb_hybrid.training.readers.settle import VERSION, Store, in_memory, settled
from mteb_hybrid.training.readers.stream import checked_dataset


def from_dataset(
    dataset: Dataset,
    *,
    query: str = "query_{language}",
    passage: str = "passage_{language}",
    negatives_columns: str = "negatives_{language}",
    group: str = GROUP,
    languages: Sequence[str] | None = None,
    negatives: int = 0,
    name: str | None = None,
) -> Corpus:
    """Use a dataset that has a column per language and role, or dictionaries by language.

    Columns are renamed, not copied: a dataset from a Parquet folder of the hub stays on disk. It is
    copied only if rows were shuffled or filtered before (in the cache of `datasets`), or must be
    left out (in ours). Groups of a dataset on disk are computed once, and cached. A
    column ``label``, ``labels``, ``score`` or ``scores`` is carried along.

    Args:
        dataset: Texts in columns of strings, null where a translation is missing.
        query: Name of the columns with questions, with ``{language}`` for the short code; or of
            one column of dictionaries, ``{"en": …, "de": …}``. By default whichever there is of
            ``query_en`` and so on, and ``query``.
        passage: The same for passages.
        negatives_columns: The same for hard negatives, which are lists of strings.
        group: Column of strings or integers; rows with the same one may not meet in a batch.
            Without such a column every row has a group of its own. Rows that share a text have the
            same one in any case.
        languages: Use only these; by default all that have a column. A row that has no question
            or no passage in them is left out.
        negatives: Hard negatives per example. A row in which no passage has that many is left out.
        name: Name of the corpus; by default ``dataset``.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If it is no dataset or empty, a column is missing or has another type,
            a text is blank, a row has no question or no passage at all, or no row has enough
            negatives.
    """
    stem = "dataset" if name is None else name
    dataset = checked_dataset(dataset, stem, name)
    negatives = checked_count(negatives, "negatives", stem)
    patterns = {"query": query, "passage": passage, "negatives": negatives_columns}
    dataset, patterns = _spread(dataset, patterns, stem)
    found = _languages(dataset, [patterns["query"], patterns["passage"]], languages, stem)
    roles = ("query", "passage", "negatives") if negatives else ("query", "passage")
    renamed = {
        column: f"{role}_{code}"
        for code in found
        for role in roles
        if (column := patterns[role].replace("{language}", code)) in dataset.column_names
        and not _is_empty(dataset.data.schema.field(column).type)
    }
    renamed |= {column: column for column in LABELS if column in dataset.column_names}
    if group in dataset.column_names:
        grouped: str | None = group
    elif group == GROUP:
        grouped = None
    else:
        raise no_column(dataset, group, stem)
    return _settled(dataset, renamed, grouped, stem, negatives, drop=languages is not None)


def from_wide(dataset: Dataset, negatives: int, name: str) -> Corpus:
    """Use a dataset with the columns of a corpus, whatever languages they are called after.

    Args:
        dataset: Texts in ``query_xx`` and ``passage_xx``, hard negatives in ``negatives_xx``,
            perhaps groups and labels.
        negatives: Hard negatives per example.
        name: Name of the corpus.

    Raises:
        ParallelDataError: As `from_dataset`, or if what a column is called after is no code.
    """
    dataset = checked_dataset(dataset, name, name)
    renamed = {column: column for column in LABELS if column in dataset.column_names}
    for column in dataset.column_names:
        role, _, code = column.partition("_")
        if role not in ROLES or (role == "negatives" and not negatives):
            continue
        if not _is_empty(dataset.data.schema.field(column).type):
            checked_languages([code], f"{name}, column {column!r}")
            renamed[column] = column
    group = GROUP if GROUP in dataset.column_names else None
    return _settled(dataset, renamed, group, name, negatives)


def from_pairs(
    dataset: Dataset,
    *,
    query: str = "query",
    passage: str = "passage",
    negatives_columns: str | Sequence[str] | None = None,
    group: str | None = None,
    language: str = "en",
    negatives: int = 0,
    name: str | None = None,
) -> Corpus:
    """Use a dataset of questions and passages in one language, such as an English training set.

    Columns are renamed, not copied; hard negatives in columns of strings become lists, in a file
    in the cache if the dataset is on disk. A column ``label``, ``labels``, ``score`` or ``scores``
    is carried along. Triplets are read with ``query="anchor", passage="positive", negatives=1``.

    Args:
        dataset: Texts in columns of strings.
        query: Column of the questions.
        passage: Column of the passages.
        negatives_columns: Columns of hard negatives, of strings or of lists of strings, taken in
            this order. By default whichever there are of ``negatives``, ``negative`` and
            ``negative_1``, ``negative_2``, …
        group: Column of strings or integers; rows with the same one may not meet in a batch. Rows
            that share a text have the same one in any case.
        language: Short code of their language.
        negatives: Hard negatives per example. A row with fewer is left out.
        name: Name of the corpus; by default ``pairs``.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If it is no dataset or empty, or a column is missing, has another type,
            or holds a null or a blank text, or no row has enough negatives.
    """
    stem = "pairs" if name is None else name
    dataset = checked_dataset(dataset, stem, name)
    (code,) = checked_languages([language], stem)
    for column in (query, passage, *([] if group is None else [group])):
        if column not in dataset.column_names:
            raise no_column(dataset, column, stem)
    negatives = checked_count(negatives, "negatives", stem)
    lists = negative_columns(dataset, negatives_columns, stem) if negatives else ()
    if negatives and not lists:
        raise no_column(dataset, "negatives", stem)
    labels = {column: column for column in LABELS if column in dataset.column_names}
    renamed = {**labels, query: f"query_{code}", passage: f"passage_{code}"}
    if len(lists) == 1 and is_list(dataset.data.schema.field(lists[0]).type):
        renamed[lists[0]], lists = f"negatives_{code}", ()
    return _settled(dataset, renamed, group, stem, negatives, lists={f"negatives_{code}": lists})


def _spread(
    dataset: Dataset, patterns: Mapping[str, str], name: str
) -> tuple[Dataset, dict[str, str]]:
    """A column per language in place of those of dictionaries, and the patterns of the columns."""
    found, dictionaries = dict(patterns), []
    for role, pattern in patterns.items():
        if not isinstance(pattern, str) or not pattern or pattern.count("{language}") > 1:
            raise ParallelDataError(
                f"{name}: {role} columns {pattern!r}; expected a name with {{language}} in it, or "
                "that of a column of dictionaries"
            )
        by_default = pattern == f"{role}_{{language}}" and role in dataset.column_names
        if by_default:
            kind = dataset.data.schema.field(role).type
            if pa.types.is_struct(kind) or getattr(kind, "extension_name", None) == JSON:
                pattern = role
        if "{language}" not in pattern:
            dictionaries.append(pattern)
            found[role] = f"{pattern}.{{language}}"
    return (by_language(dataset, dictionaries, name)[0] if dictionaries else dataset), found


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
    # As a key of a dictionary it can only be the language.
    if any(not column.endswith(".id") for column in found.get("id", ())):
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


def _is_empty(kind: pa.DataType) -> bool:
    """Whether a column has the type of one in which every text is missing."""
    return bool(pa.types.is_null(kind.value_type if pa.types.is_list(kind) else kind))


def _settled(
    dataset: Dataset,
    renamed: Mapping[str, str],
    group: str | None,
    name: str,
    negatives: int = 0,
    drop: bool = False,
    lists: Mapping[str, Sequence[str]] | None = None,
) -> Corpus:
    """The renamed columns as a corpus. What is made of them is cached if they are on disk."""
    lists = {column: parts for column, parts in (lists or {}).items() if parts}
    key = ["dataset", VERSION, dataset_key(dataset), renamed, group, negatives, drop, lists]
    every = [*renamed, *chain.from_iterable(lists.values()), *([] if group is None else [group])]
    columns = dict.fromkeys(every)
    dataset = dataset.with_format(None).select_columns([*columns])
    if dataset._indices is not None:
        dataset = dataset.flatten_indices()

    def own() -> Ints:
        if group is None:
            return np.arange(len(dataset))
        return group_numbers(dataset.data.column(group), f"{name}, column {group!r}")

    def store(stem: str) -> Store:
        return partial(cached_table, None, stem, key) if dataset.cache_files else in_memory

    tables = [dataset.data.select([*renamed]).rename_columns([*renamed.values()])]
    for column, parts in lists.items():
        made = store(f"{name}-negatives")(partial(list_batches, dataset.data.table, parts, column))
        tables.append(made)
    return settled(
        concat_tables(tables, axis=1),
        own,
        store(name),
        name=name,
        negatives=negatives,
        drop=drop,
        shown={column: theirs for theirs, column in renamed.items()}
        | {column: ", ".join(parts) for column, parts in lists.items()},
    )
