"""``format = "parallel"``: parallel JSON lines."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mteb_hybrid.cards.source import FileSource
from mteb_hybrid.cards.tables import File


class ParallelSource(FileSource):
    """Parallel JSON lines, as for training; read by `mteb_hybrid.sources.parallel`.

    Attributes:
        texts: The files, read one after another.
    """

    format: Literal["parallel"]
    texts: Annotated[tuple[File, ...], Field(min_length=1)]
    candidates: ClassVar[str] = "passage"
    files: ClassVar[Literal["per language", "none"]] = "none"

    def further_files(self) -> tuple[File, ...]:
        """The files of texts."""
        return self.texts
