"""One corpus of parallel training texts: a wide Arrow table, memory-mapped and never copied."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets.table import Table

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.digest import table_digest
from mteb_hybrid.training.labels import check_labels, label_column

Masks: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
"""One bit per language, in the order of a corpus' languages."""

Ints: TypeAlias = npt.NDArray[np.int64]

GROUP = "group"
NEGATIVE_GROUPS = "negative_groups"
ROLES = ("query", "passage", "negatives")


def has(masks: Masks, bit: int) -> npt.NDArray[np.bool_]:
    """Which masks have a bit set."""
    return (masks >> masks.dtype.type(bit) & masks.dtype.type(1)).astype(bool)


class Corpus:
    """Questions and passages that are translations of each other, one row per content.

    Args:
        name: Its name in logs and error messages.
        table: A table of the `datasets` library, with the columns ``query_xx`` and ``passage_xx``
            (strings, null where a translation is missing) for each language ``xx``, optionally
            ``negatives_xx`` (lists of strings), and ``group`` (64-bit integers): rows of one
            group may not meet in a batch. Optionally ``negative_groups`` (lists of 64-bit
            integers): the groups whose texts are among a row's hard negatives, which it may
            not meet either. Optionally one of ``label``, ``labels``, ``score`` and ``scores``:
            numbers or lists of numbers, which the loss gets as they are in every language.
        negatives: How many hard negatives every example carries. A language without that many in
            a row counts as missing for the passage side of that row.

    Attributes:
        languages: Language codes, in the order of the table's columns.
        label_column: The column of labels, or None.

    Raises:
        ParallelDataError: If a column is missing or has another type, or there are more than 64
            languages.
    """

    def __init__(self, name: str, table: Table, negatives: int = 0) -> None:
        self.name = name
        self.negatives = negatives
        self._table = table
        columns = table.column_names
        found = [column.partition("_") for column in columns]
        self.languages: tuple[str, ...] = tuple(
            dict.fromkeys(code for role, _, code in found if role in ROLES[:2] and code)
        )
        self._check_columns()
        self.label_column = label_column(name, columns)
        if self.label_column:
            check_labels(f"{name}: column {self.label_column!r}", table.column(self.label_column))

    def _check_columns(self) -> None:
        schema = self._table.schema
        if not self.languages:
            raise ParallelDataError(
                f"{self.name}: no column query_xx or passage_xx among {self._table.column_names}; "
                "name the columns by role and language code, such as query_en and passage_de"
            )
        if len(self.languages) > 64:
            raise ParallelDataError(
                f"{self.name}: {len(self.languages)} languages; at most 64 are supported"
            )
        if GROUP not in schema.names or not pa.types.is_integer(schema.field(GROUP).type):
            raise ParallelDataError(f"{self.name}: needs an integer column {GROUP!r}")
        for column in schema.names:
            role, _, code = column.partition("_")
            kind = schema.field(column).type
            if role not in ROLES or not code:
                continue
            lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
            text = kind.value_type if lists else kind
            right = pa.types.is_string(text) or pa.types.is_large_string(text)
            if not right or lists != (role == "negatives"):
                raise ParallelDataError(
                    f"{self.name}: column {column!r} holds {kind}, expected "
                    f"{'lists of ' if role == 'negatives' else ''}strings"
                )

    def renamed(self, name: str) -> "Corpus":
        """The same corpus by another name."""
        other = copy(self)
        other.name = name
        return other

    @property
    def table(self) -> Table:
        """All texts, memory-mapped where they are."""
        return self._table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self):,} rows, languages={list(self.languages)})"

    def masks(self, role: str, languages: Sequence[str]) -> Masks:
        """Which rows have which languages; reads null flags, not texts.

        Args:
            role: ``query`` or ``passage``.
            languages: L language codes; bit l of a mask stands for the l-th.

        Returns:
            Shape (rows,).
        """
        word: Any = np.uint32 if len(languages) <= 32 else np.uint64
        masks: Masks = np.zeros(len(self), dtype=word)
        for bit, code in enumerate(languages):
            if f"{role}_{code}" in self._table.column_names:
                there = self._valid(f"{role}_{code}")
                if role == "passage" and self.negatives:
                    there = there & self._enough_negatives(code)
                masks |= there.astype(word) << word(bit)
        return masks

    def _valid(self, column: str) -> npt.NDArray[np.bool_]:
        chunks = self._table.column(column).chunks
        flags = [np.asarray(chunk.is_valid(), dtype=bool) for chunk in chunks]
        return np.concatenate(flags) if flags else np.zeros(0, dtype=bool)

    def _enough_negatives(self, code: str) -> npt.NDArray[np.bool_]:
        if f"negatives_{code}" not in self._table.column_names:
            return np.zeros(len(self), dtype=bool)
        lengths = pc.fill_null(pc.list_value_length(self._table.column(f"negatives_{code}")), 0)
        return np.asarray(lengths.to_numpy()) >= self.negatives

    def text(self, role: str, language: str, row: int) -> str:
        """The text of one row.

        Args:
            role: ``query`` or ``passage``.
            language: Its language.
            row: Position in the corpus.

        Raises:
            ParallelDataError: If it is missing or blank.
        """
        column = f"{role}_{language}"
        return self._checked(self._value(column, row), column, row)

    def negative_texts(self, language: str, row: int) -> list[str]:
        """The first hard negatives of a row, as many as the corpus carries.

        Raises:
            ParallelDataError: If one is missing or blank.
        """
        column = f"negatives_{language}"
        texts = self._value(column, row)[: self.negatives]
        return [self._checked(text, column, row) for text in texts]

    def _checked(self, text: str | None, column: str, row: int) -> str:
        if text is None or not text.strip():
            raise ParallelDataError(
                f"{self.name}: row {row}, column {column!r}: the text is "
                f"{'missing' if text is None else 'blank'}; leave a missing translation null and "
                "drop blank ones"
            )
        return text

    def first_pair(self, row: int) -> tuple[str, str]:
        """The languages in which a row is shown: both sides alike if it can be.

        Raises:
            ParallelDataError: If the row has no question or no passage.
        """
        sides = [
            [code for code in self.languages if self._has(role, code, row)]
            for role in ("query", "passage")
        ]
        if not all(sides):
            raise ParallelDataError(
                f"{self.name}: row {row} has no {'passage' if sides[0] else 'question'}; drop it"
            )
        both = [code for code in sides[0] if code in sides[1]]
        return (both[0], both[0]) if both else (sides[0][0], sides[1][0])

    def _has(self, role: str, code: str, row: int) -> bool:
        if f"{role}_{code}" not in self._columns or self._value(f"{role}_{code}", row) is None:
            return False
        if role == "query" or not self.negatives:
            return True
        negatives = f"negatives_{code}"
        return (
            negatives in self._columns and len(self._value(negatives, row) or ()) >= self.negatives
        )

    def group(self, row: int) -> int:
        """The group of a row."""
        return int(self._value(GROUP, row))

    def groups(self) -> Ints:
        """The group of every row, shape (rows,)."""
        return np.asarray(self._table.column(GROUP).to_numpy(), dtype=np.int64)

    def negative_groups(self, row: int) -> tuple[int, ...]:
        """The groups whose texts are among the hard negatives of a row."""
        if NEGATIVE_GROUPS not in self._columns:
            return ()
        return tuple(self._value(NEGATIVE_GROUPS, row) or ())

    def all_negative_groups(self) -> tuple[Ints, Ints] | None:
        """`negative_groups` of all rows: how many each has, and all of them one after another."""
        if NEGATIVE_GROUPS not in self._table.column_names:
            return None
        column = self._table.column(NEGATIVE_GROUPS)
        lengths = pc.fill_null(pc.list_value_length(column), 0)
        return np.asarray(lengths, dtype=np.int64), np.asarray(pc.list_flatten(column))

    def label(self, row: int) -> Any:
        """The label of a row, a number or a list; only if the corpus has a column of them."""
        return self._value(str(self.label_column), row)

    def _value(self, column: str, row: int) -> Any:
        starts, chunks = self._columns[column]
        chunk = bisect_right(starts, row) - 1
        return chunks.chunk(chunk)[row - starts[chunk]].as_py()

    @cached_property
    def _columns(self) -> dict[str, tuple[list[int], pa.ChunkedArray]]:
        """Every column with the rows at which its chunks begin."""
        columns = {}
        for name in self._table.column_names:
            column = self._table.column(name)
            lengths = [len(chunk) for chunk in column.chunks]
            columns[name] = (list(accumulate(lengths[:-1], initial=0)), column)
        return columns

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived; memory-mapped tables pickle as the path of their file."""
        return {key: value for key, value in self.__dict__.items() if key != "_columns"}

    @cached_property
    def digest(self) -> str:
        """Fingerprint of all content, languages and the number of negatives; not of the name."""
        content = (self.languages, self.negatives, table_digest(self._table))
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]
