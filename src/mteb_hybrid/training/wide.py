"""All texts of parallel data as a plain `datasets.Dataset`, and back."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from datasets import Dataset
from datasets.table import InMemoryTable, concat_tables

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import GROUP, NEGATIVE_GROUPS, ROLES, Corpus, Ints
from mteb_hybrid.training.joined import of_corpus
from mteb_hybrid.training.labels import LABELS


def wide_dataset(corpora: Sequence[Corpus], rows: Ints | None) -> Dataset:
    """Rows of corpora with a column per role and language; nothing is copied.

    Args:
        corpora: Corpora, one below the other. What one has no column for is null.
        rows: Positions in them, or None for all.
    """
    kinds: dict[str, pa.DataType] = {}
    for corpus in corpora:
        for field in corpus.table.schema:
            kinds.setdefault(field.name, field.type)
            if field.type != kinds[field.name]:
                kinds[field.name] = _larger(kinds[field.name], field.type)
    tables = []
    for corpus in corpora:
        # Their metadata may name a fingerprint, which is of other columns.
        table = corpus.table.replace_schema_metadata(None)
        schema = pa.schema([(name, kinds[name]) for name in table.column_names])
        tables.append(table if table.schema == schema else table.cast(schema))
    indices = None
    if rows is not None:
        indices = InMemoryTable(pa.table({"indices": pa.array(rows, pa.uint64())}))
    return Dataset(tables[0] if len(tables) == 1 else concat_tables(tables), indices_table=indices)


def _larger(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The type that holds the texts, lists or numbers of both."""
    if pa.types.is_list(first) or pa.types.is_large_list(first):
        return pa.large_list(_larger(first.value_type, second.value_type))
    if pa.types.is_string(first) or pa.types.is_large_string(first):
        return pa.large_string()
    return first if first == second else pa.float64()


@contextmanager
def all_texts(method: str, shown: Sequence[str]) -> Iterator[None]:
    """Explain why a user's function finds none of the columns that rows show."""
    try:
        yield
    except KeyError as error:
        if error.args[0] not in shown:
            raise
        raise ParallelDataError(
            f"the function given to {method} asks for {error}; it gets a row with all its texts: "
            "query_en, passage_de, … for each language, None where one is missing"
        ) from error


def changed(
    corpora: Sequence[Corpus],
    starts: Ints,
    rows: Ints | None,
    change: Callable[[Dataset, Ints], Dataset],
) -> tuple[list[Corpus], Ints | None]:
    """Change each corpus as a plain dataset, and read it again.

    Args:
        corpora: The corpora.
        starts: Where each begins among their rows, and their number.
        rows: The rows to keep, as positions in them, or None for all.
        change: Gets the kept rows of a corpus, and where they are among all kept rows.

    Returns:
        The new corpora, without those that had no row, and the order of their rows.

    Raises:
        ParallelDataError: If there is a column that parallel data do not have, a row is left
            without a question or passage, or one is lost where there are several corpora.
    """
    from mteb_hybrid.training.readers.dataset import from_wide

    order = np.arange(starts[-1]) if rows is None else rows
    new, places = [], []
    for position, corpus in enumerate(corpora):
        own, of_own = of_corpus(position, starts, order)
        if not len(own):
            continue
        plain = change(wide_dataset([corpus], None if rows is None else of_own), own)
        _check_columns(plain.column_names, corpus.name)
        new.append(from_wide(plain, corpus.negatives, corpus.name))
        places.append(own)
        if len(new[-1]) != len(own) and len(corpora) > 1:
            raise ParallelDataError(
                f"{corpus.name}: {len(own):,} rows became {len(new[-1]):,}; in a mix their number "
                "stays: change the data sets before they are mixed"
            )
    if len(new) == 1 or rows is None:
        return new, None
    return new, np.argsort(np.concatenate(places))


def _check_columns(columns: Sequence[str], name: str) -> None:
    fine = {GROUP, NEGATIVE_GROUPS, *LABELS}
    for column in columns:
        role, _, code = column.partition("_")
        if column not in fine and (role not in ROLES or not code):
            raise ParallelDataError(
                f"{name}: parallel data have no column {column!r}; expected query_xx, passage_xx "
                f"and negatives_xx with language codes, {GROUP}, or labels in one of "
                f"{', '.join(LABELS)}"
            )
