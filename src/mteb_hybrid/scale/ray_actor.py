"""What a worker of Ray does: it holds a model, encodes texts and searches passages."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.streaming import Asked, search
from mteb_hybrid.retrieval.tiles import Layout, Stripe, Tiles

if TYPE_CHECKING:
    from mteb.models import MTEBModels


class Sent(NamedTuple):
    """A column of tiles as it is sent: a `Stripe`, but for its tiles."""

    start: int
    positions: Ints
    columns: Ints
    vectors: Vectors


class Worker:
    """What runs as an actor."""

    def load(
        self,
        model: "str | MTEBModels",
        revision: str | None,
        expected: tuple[str | None, str | None],
        device: str,
        versions: Mapping[str, str],
        prepare: "Callable[[MTEBModels], MTEBModels] | None" = None,
    ) -> str | None:
        """Load the model; returns where this is and what is wrong, or None."""
        import torch

        from mteb_hybrid.models.load import load_model

        place = f"on {platform.node()}"
        other = {name: here for name in versions if (here := version(name)) != versions[name]}
        if other:
            wanted = {name: versions[name] for name in other}
            return f"{place}, has other packages: {other}, where the driver has {wanted}"
        if device == "cpu":
            torch.set_num_threads(1)
        if isinstance(model, str):
            try:
                loaded = load_model(model, revision, device)
                self.model: Any = prepare(loaded) if prepare else loaded
            except Exception as error:
                return (
                    f"{place}, cannot load the model: {error}. A folder has to be at the same "
                    "place on every machine"
                )
        else:
            self.model = model
            inner: Any = getattr(model, "model", None)
            if hasattr(inner, "to"):
                inner.to(device)
        meta = self.model.mteb_model_meta
        if (meta.name, meta.revision) != expected:
            return (
                f"{place}, has another model: {meta.name} at {meta.revision}, where the driver has "
                f"{' at '.join(map(str, expected))}. Copy the model to every machine again"
            )
        return None

    def encode(self, columns: Mapping[str, list[Any]], options: Mapping[str, Any]) -> Vectors:
        """The vectors of texts, on the CPU."""
        from datasets import Dataset, disable_progress_bars
        from torch.utils.data import DataLoader

        disable_progress_bars()
        rows = Dataset.from_dict(dict(columns))
        loader = DataLoader(rows, options.get("batch_size", 32), collate_fn=_columns)
        found = self.model.encode(loader, **options)
        return found.detach().cpu() if hasattr(found, "detach") else found

    def search(
        self, shared: tuple[Vectors, Layout, Asked], sent: Mapping[int, Sent]
    ) -> dict[str, Any]:
        """What some columns of tiles hold: a `Partial`, but for what was asked."""
        queries, layout, asked = shared
        tiles = _SentTiles(queries, None, self.model.similarity, layout, sent)
        found = vars(search(tiles, asked, sent))
        return {name: value for name, value in found.items() if value is not asked}


@dataclass(frozen=True)
class _SentTiles(Tiles):
    """Tiles of which some columns are there.

    Attributes:
        sent: Their passages, by the number of the column.
    """

    sent: Mapping[int, Sent]

    def read(self, block: int) -> Stripe:
        """The passages of one column."""
        return Stripe(self, *self.sent[block])


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
