"""The ``[source]`` table of a task card: the keys that all data formats have.

Those of each format are in `mteb_hybrid.cards.formats`.
"""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from mteb_hybrid.cards.known_faults import KnownFaults
from mteb_hybrid.cards.tables import (
    Commit,
    Detected,
    File,
    FolderAddress,
    FolderInside,
    Repository,
    Strict,
)

SettingName = Literal["monolingual", "crosslingual", "multilingual"]
ALL_SETTINGS: tuple[SettingName, ...] = ("monolingual", "crosslingual", "multilingual")
BESIDE_THE_CARD = "beside the card"


class AnySource(Strict):
    """Where the texts of a collection are.

    Attributes:
        repository: Name of the data set, as it stands in results.
        revision: The commit (or version) of the files.
        empty_subsets: Subsets that the collection does not have, as none of their queries has an
            answer.
        known_faults: Rows that are left out, as the published data set is known to have them.
        leaves_out: The kinds of faults that this format can leave out.
        candidates: What a passage is.
        queries_are_passages: Whether every query is one of the passages, under the same id.
        files: The files that the card lists: one ``per language``, or ``none``.
        most_languages: How many languages a collection can have; None if there is no limit.
    """

    repository: Repository
    revision: Commit
    empty_subsets: tuple[str, ...] = ()
    known_faults: KnownFaults = KnownFaults()
    leaves_out: ClassVar[tuple[str, ...]] = ()
    queries_are_passages: ClassVar[bool] = False
    files: ClassVar[Literal["per language", "none"]] = "per language"
    most_languages: ClassVar[int | None] = None

    @model_validator(mode="after")
    def _faults_of_a_published_source(self) -> Self:
        listed = self.known_faults.listed
        if listed and self.origin == BESIDE_THE_CARD:
            raise ValueError(
                "known_faults: these files lie beside the card, so correct the files themselves "
                "and remove the table; it is for published data sets"
            )
        if wrong := [kind for kind in listed if kind not in self.leaves_out]:
            raise ValueError(
                f"known_faults.{wrong[0]}: this format leaves out "
                f"{', '.join(self.leaves_out) or 'nothing'}; remove the key"
            )
        return self

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """The settings that the collection's own queries and judgments serve.

        Translated queries can add cross-lingual subsets.
        """
        return ALL_SETTINGS

    @property
    def subsets(self) -> frozenset[str] | None:
        """The only subsets that the collection has in its settings; None if it has them all."""
        return None

    @property
    def parallel(self) -> bool:
        """Whether passages are translations of each other, each judged.

        Else measures between translations are left out.
        """
        return True

    @property
    def judged_across(self) -> bool:
        """Whether queries are judged on passages of all languages, or only of their own."""
        return self.parallel

    @property
    def same_queries(self) -> bool:
        """Whether all pools have the same queries of a language, so that their map compares."""
        return self.parallel or not self.judged_across

    @property
    def languages_detected(self) -> Detected | None:
        """What told the languages of texts, where a program did."""
        return None

    @property
    def limits(self) -> list[str]:
        """What limits results on it, a sentence each: rows left out, languages nobody named."""
        return [
            text for text in map(str, (self.known_faults, self.languages_detected or "")) if text
        ]

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        return BESIDE_THE_CARD

    def further_files(self) -> tuple[File, ...]:
        """The files that the source lists itself, beside those of the languages."""
        return ()

    def has_url(self) -> bool:
        """Whether files are downloaded from a public folder."""
        return False


class FileSource(AnySource):
    """Files in a folder.

    Attributes:
        path: Folder of the files: below the data folder and the cache for files that have a
            `url` or are `made_from` others, else beside the card.
        url: Public folder that the files are downloaded from.
        made_from: Public folder of what the user makes the files of, where none has them as they
            are read; they are looked for in the data folder alone.
    """

    path: FolderInside
    url: FolderAddress | None = None
    made_from: FolderAddress | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url and self.made_from:
            raise ValueError(
                "made_from is for files that cannot be downloaded as they are; remove it, or url"
            )
        return self

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        return self.url or self.made_from or super().origin

    def has_url(self) -> bool:
        """Whether files are downloaded from a public folder."""
        return self.url is not None
