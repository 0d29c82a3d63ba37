"""``format = "beir"``: a folder in BEIR's layout."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from mteb_hybrid.cards.source import FileSource, SettingName
from mteb_hybrid.cards.tables import Archive, File


class BeirSource(FileSource):
    """A folder in BEIR's layout, in one language; read by `mteb_hybrid.sources.beir`.

    Attributes:
        archive: A zip file below `url` that holds the folder, under the archive's own name, as
            BEIR publishes its data sets. Without it the folder lies beside the card.
    """

    format: Literal["beir"]
    archive: Archive | None = None
    candidates: ClassVar[str] = "document"
    leaves_out: ClassVar[tuple[str, ...]] = (
        "judged_unknown",
        "judged_empty",
        "judged_twice",
        "repeated_ids",
    )
    files: ClassVar[Literal["per language", "none"]] = "none"
    most_languages: ClassVar[int | None] = 1

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """The monolingual one alone."""
        return ("monolingual",)

    @property
    def parallel(self) -> bool:
        """It is in one language."""
        return False

    @model_validator(mode="after")
    def _archive_and_url(self) -> Self:
        if (self.archive is None) is not (self.url is None):
            raise ValueError(
                "url and archive belong together: [source.archive] is a zip file below url; add "
                "the other one, or remove both for a folder beside the card"
            )
        return self

    def further_files(self) -> tuple[File, ...]:
        """The archive, if there is one."""
        return (self.archive,) if self.archive else ()
