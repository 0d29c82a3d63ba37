"""``format = "captions"``: captions of images."""

from typing import ClassVar, Literal

from mteb_hybrid.cards.source import FileSource
from mteb_hybrid.cards.tables import File


class CaptionsSource(FileSource):
    """Captions of images in many languages; read by `mteb_hybrid.sources.captions`.

    Attributes:
        captions: The JSON lines, one per image; in a zip file on their own or as they are.
    """

    format: Literal["captions"]
    captions: File
    candidates: ClassVar[str] = "caption"
    leaves_out: ClassVar[tuple[str, ...]] = ("blank_texts", "repeated_ids")
    queries_are_passages: ClassVar[bool] = True
    files: ClassVar[Literal["per language", "none"]] = "none"

    def further_files(self) -> tuple[File, ...]:
        """The file of captions."""
        return (self.captions,)
