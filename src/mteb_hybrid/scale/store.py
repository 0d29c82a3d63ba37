"""An embedding store: vectors of texts by what made them, in memory-mapped Arrow files.

A *space* is a model as it encodes: its name, revision, prompt and options, and the vectors that it
has just given to probe texts, bit for bit. So a model that was trained, cut or cast in between, or
another machine that rounds otherwise, has a space of its own, and no vector is taken for another's.
A *shard* holds the vectors of texts that were encoded in one call; its name is a hash of these
texts. Shards are written whole: a run that is killed encodes again what was under way, one shard at
most.
"""

import errno
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mteb_hybrid.files.leftovers import is_unfinished
from mteb_hybrid.files.lines import TextError, json_file
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import write_json
from mteb_hybrid.retrieval.embeddings import Keep
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.scale.rounded import Rounded
from mteb_hybrid.scale.shard import Shard, StoreError, text_hash

FORMAT = 1
ABOUT = "store.json"
SPACE = "space.json"
SAID = {
    **{"model": str, "revision": str, "prompt_type": str},
    **{"dimensions": int, "dtype": str},
}
"""What every space says, and what kind each is."""

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class Size(NamedTuple):
    """How much a space holds."""

    texts: int
    bytes: int


@dataclass(frozen=True)
class Space:
    """The vectors of one model, prompt and set of options.

    Attributes:
        folder: Where its shards lie; its name is a hash of what makes the space.
    """

    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What makes it: ``model``, ``revision``, ``prompt_type``, ``options``, ``dtype``, ….

        Raises:
            StoreError: If the file that says so is damaged, or is not there.
        """
        file = self.folder / SPACE
        remedy = (
            f"The next run that needs {self.folder.name} writes it anew; or remove that folder, by "
            "`mteb-hybrid store prune STORE --damaged` too"
        )
        try:
            found: dict[str, Any] = json_file(file, dict)
        except FileNotFoundError:
            raise StoreError(f"{file}: is not there, and vectors are. {remedy}") from None
        except TextError as error:
            raise StoreError(f"{error}. {remedy}") from None
        if odd := [key for key, kind in SAID.items() if not isinstance(found.get(key), kind)]:
            raise StoreError(f"{file}: does not say {', '.join(odd)}. {remedy}")
        return found

    @property
    def shards(self) -> list[Shard]:
        """Its shards, in the order of their names."""
        return [Shard(file) for file in sorted(self.folder.glob("*.arrow")) if file.is_file()]

    @property
    def size(self) -> Size:
        """How much it holds; only heads of files are read.

        Raises:
            StoreError: If a file is damaged.
        """
        texts = sum(shard.texts for shard in self.shards)
        return Size(texts, sum(shard.file.stat().st_size for shard in self.shards))

    def keep(self, texts: tuple[str, ...], encode: Callable[[], Vectors]) -> Vectors:
        """The vectors of texts that are encoded in one call: those that are kept, or new ones.

        Another process that is encoding the same texts is waited for.

        Args:
            texts: N distinct texts.
            encode: Encodes them.

        Returns:
            Shape (N, D), as kept.

        Raises:
            StoreError: If what is kept is damaged.
            OSError: If it cannot be written.
        """
        shard = self._shard(texts)
        if not shard.file.is_file():
            with _may_write(self.folder.parent), lock(shard.file):
                if not shard.file.is_file():
                    shard.write(texts, encode())
        return self._read(shard, texts)

    def kept(self, texts: tuple[str, ...]) -> Vectors | None:
        """The vectors of texts that were encoded in one call; None if they are not kept.

        Raises:
            StoreError: If what is kept is damaged.
        """
        shard = self._shard(texts)
        return self._read(shard, texts) if shard.file.is_file() else None

    def _shard(self, texts: tuple[str, ...]) -> Shard:
        return Shard(self.folder / f"{_name(texts)}.arrow")

    def _read(self, shard: Shard, texts: tuple[str, ...]) -> Vectors:
        hashes, vectors = shard.read()
        if hashes != list(map(text_hash, texts)):
            raise StoreError(f"{shard.file}: holds other texts than its name says; remove it")
        return vectors


@dataclass(frozen=True)
class EmbeddingStore:
    """A folder of vectors.

    Attributes:
        folder: The folder; it is made when something is kept.
    """

    folder: Path

    def __post_init__(self) -> None:
        about = self.folder / ABOUT
        if about.is_file():
            found = json_file(about, dict).get("format")
            if not isinstance(found, int) or not 0 < found <= FORMAT:
                raise StoreError(
                    f"{about}: format {found}; this version of mteb-hybrid reads {FORMAT}. Use the "
                    "version that wrote it, or another folder"
                )
        elif self.folder.exists() and (
            not self.folder.is_dir()
            or (
                not all(map(is_unfinished, self.folder.iterdir())) and not about.is_file()
            )  # another process has made it just now
        ):
            raise StoreError(
                f"{self.folder}: is no embedding store (it has no {ABOUT}); name another folder"
            )

    @property
    def spaces(self) -> list[Space]:
        """Its spaces, in the order of their folders' names."""
        found = [*self.folder.glob(f"*/{SPACE}"), *self.folder.glob("*/*.arrow")]
        return [Space(folder) for folder in sorted({file.parent for file in found})]

    def keeper(
        self,
        about: dict[str, str],
        probe: Sequence[str],
        vectors: Vectors,
        precision: str | None = None,
        named: str | None = None,
    ) -> Keep:
        """What keeps the vectors of one model as it encodes now.

        Args:
            about: What is known of it: ``model``, ``revision``, ``prompt_type``, ``options``.
            probe: Texts.
            vectors: Their vectors, encoded now, shape (texts, D).
            precision: One of `PRECISIONS`, in which to keep vectors; as the model returns them by
                default. Each has a space of its own; what is kept unrounded is not encoded again.
            named: What the model is called in that space, if not as in `about`.
        """
        tensor = hasattr(vectors, "detach")
        rows = np.ascontiguousarray(vectors.numpy() if tensor else vectors)
        said = {**about, "dtype": rows.dtype.name, "dimensions": rows.shape[1], "tensor": tensor}

        def space_of(said: dict[str, Any]) -> Space:
            digest = hashlib.sha256(json.dumps([said, list(probe)], sort_keys=True).encode())
            digest.update(rows.tobytes())
            return Space(self.folder / digest.hexdigest()[:24])

        unrounded = space_of(said)
        if precision:
            said |= {"model": named or said["model"]}
            said["dtype"] = f"{rows.dtype.name}, kept as {precision}"
        space = space_of(said)
        self._begin(space, said)

        def keep(texts: tuple[str, ...], encode: Callable[[], Vectors]) -> Vectors:
            self._begin(space, said)  # again, where it was pruned meanwhile
            if not precision:
                return space.keep(texts, encode)

            def rounded() -> Vectors:
                known = unrounded.kept(texts)
                return Rounded.of(encode() if known is None else known, precision)

            return space.keep(texts, rounded)

        return keep

    def _begin(self, space: Space, said: dict[str, Any]) -> None:
        try:
            told = Space(space.folder).about == said
        except StoreError:
            told = False
        if not told:
            with _may_write(self.folder):
                if not (self.folder / ABOUT).is_file():
                    write_json(self.folder / ABOUT, {"format": FORMAT})
                write_json(space.folder / SPACE, said)

    def damaged(self) -> Iterator[tuple[Path, Exception]]:
        """The files that cannot be used, and why; reads everything.

        A `StoreError` is damage; an `OSError` tells that a file could not be read. Where what a
        space says is damaged, its file ``space.json`` is named.
        """
        for space in self.spaces:
            try:
                space.about  # noqa: B018
            except (StoreError, OSError) as error:
                yield space.folder / SPACE, error
            for shard in space.shards:
                try:
                    shard.read()
                except (StoreError, OSError) as error:
                    yield shard.file, error


@contextmanager
def _may_write(folder: Path) -> Iterator[None]:
    """Say what to do about a store that may only be read, and lacks something."""
    try:
        yield
    except OSError as error:
        place = str(error.filename or "")
        if error.errno not in READ_ONLY or not place.startswith(str(folder)):
            raise
        raise StoreError(
            f"{folder}: lacks vectors of what is encoded now, and cannot be written to "
            f"({error.strerror}). Let yourself write there; or copy the folder, and name the copy "
            "with --store or MTEB_HYBRID_STORE; or name none"
        ) from None


def opened(folder: Path) -> EmbeddingStore:
    """A store that is there.

    Raises:
        StoreError: If it is not, or is of a newer format.
    """
    store = EmbeddingStore(folder)
    if not (folder / ABOUT).is_file():
        found = "is empty" if folder.exists() else "is not there"
        raise StoreError(
            f"{folder}: is no embedding store (it {found}). `mteb-hybrid run --store {folder}` "
            "makes one"
        )
    return store


def _name(texts: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(map(text_hash, texts))).hexdigest()[:32]
