"""A shard of an embedding store: the vectors of some texts, in one memory-mapped Arrow file."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.whole import whole
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.scale.rounded import Rounded, as_tensor

CHECKSUM = b"sha256_of_all"
CHECKSUM_BEFORE = b"sha256"
"""Of the content, without what says how it is meant: of shards that earlier versions wrote."""
TENSOR = b"tensor"
ROUNDED = b"rounded"
SPACE_OF = b"space"


class StoreError(DataError):
    """A store that is damaged, of a newer format, or no store."""


@dataclass(frozen=True)
class Shard:
    """Vectors of some texts.

    Attributes:
        file: Where they lie.
    """

    file: Path

    def read(self) -> tuple[list[bytes], Vectors]:
        """The SHA-256 of each text, and the vectors, shape (texts, D), memory-mapped and read-only.

        Vectors are of the kind that the model returned, a tensor or an array.

        Raises:
            StoreError: If the file is damaged.
        """
        try:
            # Pages are read when they are asked for, and given back when memory is short.
            with pa.memory_map(str(self.file)) as source:
                table = pa.ipc.open_file(source).read_all()
            texts, vectors, scales = _columns(table)
            metadata = table.schema.metadata or {}
            before = CHECKSUM not in metadata
            meant = b"" if before else _meant(metadata)
            found = _checksum(texts, vectors, scales, meant).encode()
        except (
            *(pa.ArrowException, OSError),
            *(AttributeError, IndexError, KeyError, TypeError, ValueError),
        ) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # it could not be read, and may be whole
            raise self._damaged(str(error).splitlines()[0]) from None
        if metadata.get(CHECKSUM_BEFORE if before else CHECKSUM) != found:
            raise self._damaged("its checksum is not that of its content")
        rounded = metadata.get(ROUNDED) == b"1"
        if not rounded and (scales is not None or vectors.dtype == np.int8):
            raise self._damaged("it has rounded vectors, and does not say so")
        # Texts of queries and of passages may be the same, so the name of the file does not tell.
        space = metadata.get(SPACE_OF, self._space)  # earlier versions did not say it
        if space != self._space:
            raise self._damaged(f"it holds vectors of the space {space.decode(errors='replace')}")
        keys, tensor = [bytes(text) for text in texts], metadata.get(TENSOR) == b"1"
        if rounded:
            return keys, Rounded(vectors, scales, tensor)
        return keys, as_tensor(vectors) if tensor else vectors

    @property
    def texts(self) -> int:
        """How many there are.

        Raises:
            StoreError: If the file is damaged.
        """
        try:
            with pa.memory_map(str(self.file)) as source:
                return int(pa.ipc.open_file(source).read_all().num_rows)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # it could not be read, and may be whole
            raise self._damaged(str(error).splitlines()[0]) from None

    def write(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Write the vectors of some texts, shape (texts, D); whole, or not at all."""
        rounded = isinstance(vectors, Rounded)
        tensor = vectors.tensor if rounded else hasattr(vectors, "detach")
        values = vectors.values if rounded else vectors.numpy() if tensor else vectors
        rows, scales = np.ascontiguousarray(values), vectors.scales if rounded else None
        hashes = np.frombuffer(b"".join(map(text_hash, texts)), np.uint8).reshape(-1, 32)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        keys = pa.FixedSizeListArray.from_arrays(pa.array(hashes.ravel()), 32)
        columns = {"text_sha256": keys, "vector": lists}
        if scales is not None:
            columns["scale"] = pa.array(scales)
        metadata = {
            **{TENSOR: b"1" if tensor else b"0", ROUNDED: b"1" if rounded else b"0"},
            SPACE_OF: self._space,
        }
        metadata[CHECKSUM] = _checksum(hashes, rows, scales, _meant(metadata)).encode()
        table = pa.table(columns).replace_schema_metadata(metadata)
        with (
            whole(self.file) as part,
            pa.OSFile(str(part), "wb") as sink,
            pa.ipc.new_file(sink, table.schema) as writer,
        ):
            writer.write_table(table, max_chunksize=len(texts))

    @property
    def _space(self) -> bytes:
        return self.file.parent.name.encode()

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            f"{self.file}: is damaged: {why}. Remove this file, or run `mteb-hybrid store prune "
            "STORE --damaged`; the next run encodes its texts again"
        )


def text_hash(text: str) -> bytes:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _columns(table: pa.Table) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Hashes of texts, vectors, and scales if there are any, else None."""
    names = [name for name in ("text_sha256", "vector", "scale") if name in table.column_names]
    arrays = [table[name].combine_chunks() for name in names]
    chunks = [a.chunk(0) if isinstance(a, pa.ChunkedArray) else a for a in arrays]
    hashes, vectors = (
        c.values.to_numpy(zero_copy_only=True).reshape(len(c), c.type.list_size) for c in chunks[:2]
    )
    return hashes, vectors, chunks[2].to_numpy(zero_copy_only=True) if len(chunks) > 2 else None


def _meant(metadata: Mapping[bytes, bytes]) -> bytes:
    """What says how vectors are meant."""
    return b" ".join(metadata.get(key, b"") for key in (TENSOR, ROUNDED, SPACE_OF))


def _checksum(
    hashes: npt.NDArray[np.uint8],
    vectors: npt.NDArray[Any],
    scales: npt.NDArray[np.float32] | None,
    meant: bytes,
) -> str:
    digest = hashlib.sha256(f"{vectors.dtype.str} {vectors.shape}".encode())
    digest.update(meant)
    for part in (hashes, vectors, *(() if scales is None else (scales,))):
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
