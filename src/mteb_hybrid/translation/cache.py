"""Translations that were made before, in the user's cache: an interrupted run goes on from there.

One SQLite file, because it survives an interruption at any point and several processes may use it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mteb_hybrid.translation.model_languages import TranslationError


class Translated(NamedTuple):
    """A translation.

    Attributes:
        text: It.
        cut: Whether it ends, or its source was cut, because of a limit on the length.
    """

    text: str
    cut: bool


class TranslationCache:
    """Translations of one system between two languages, by source text.

    Args:
        file: The SQLite file; made if need be.
        *identity: All that a translation depends on beside the text: system, revision, options,
            languages.

    Raises:
        TranslationError: If the file is something else, or damaged.
    """

    def __init__(self, file: Path, *identity: object) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._identity = json.dumps(identity, sort_keys=True)
        self._connection = sqlite3.connect(file, timeout=60)
        try:
            with self._transaction():
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS translations"
                    " (key BLOB PRIMARY KEY, text TEXT NOT NULL, cut INTEGER NOT NULL)"
                )
        except TranslationError:
            self.close()
            raise

    def get(self, texts: Sequence[str]) -> dict[str, Translated]:
        """The translations that are there."""
        query = "SELECT text, cut FROM translations WHERE key = ?"
        with self._transaction():
            rows = {
                text: self._connection.execute(query, (self._key(text),)).fetchone()
                for text in texts
            }
        return {text: Translated(row[0], bool(row[1])) for text, row in rows.items() if row}

    def put(self, translations: Mapping[str, Translated]) -> None:
        """Keep translations; after this they survive an interruption."""
        rows = [(self._key(text), *found) for text, found in translations.items()]
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO translations VALUES (?,?,?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._connection:
                yield
        except sqlite3.OperationalError as error:  # a full disk, a folder that is read-only, a lock
            raise TranslationError(
                f"{self._file}: {error}. Make room, or set XDG_CACHE_HOME to another folder; what "
                "is in the file is not made again."
            ) from None
        except sqlite3.DatabaseError as error:
            raise TranslationError(
                f"{self._file}: not a cache of {self._file.stem} ({error}). Remove the file; what "
                "is in it will be made again."
            ) from None

    def _key(self, text: str) -> bytes:
        content = json.dumps([self._identity, text]).encode()
        return hashlib.blake2b(content, digest_size=16).digest()
