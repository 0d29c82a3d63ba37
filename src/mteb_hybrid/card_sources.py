"""The ``[source]`` table of a task card: what each data format needs to know, a closed set.

A format is read by the adapter of its name in `mteb_hybrid.sources`.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mteb_hybrid.languages import check_language_code

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|\d+\.\d+\.\d+)$")]
LanguageCode = Annotated[str, AfterValidator(check_language_code)]
PublicPath = Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")]

ALL_SETTINGS = ("monolingual", "crosslingual", "multilingual")


class Strict(BaseModel):
    """A table of a card: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class File(Strict):
    """One file of a source.

    Attributes:
        file: Its name in the source's folder.
        sha256: Its checksum; a file with another one is refused.
        published_as: Where it lies below the source's `url`, if not under its name.
    """

    file: str
    sha256: Sha256
    published_as: PublicPath | None = None


class Language(Strict):
    """One language of a collection, and its file where the format has one per language.

    Attributes:
        code: ISO 639-3 language and ISO 15924 script, such as ``zho-Hans``.
        file: As for `File`.
        sha256: As for `File`.
        published_as: As for `File`.
    """

    code: LanguageCode
    file: str | None = None
    sha256: Sha256 | None = None
    published_as: PublicPath | None = None


class _Source(Strict):
    """Where the texts of a collection are.

    Attributes:
        repository: Name of the data set, as it stands in results.
        revision: The commit (or version) of the files.
        candidates: What a passage is.
        settings: The settings that the collection's own queries and judgments serve. Translated
            queries can add cross-lingual subsets.
        parallel: Whether passages are translations of each other, each judged: else a query is
            judged in its own language only, and measures between translations are left out.
        queries_are_passages: Whether every query is one of the passages, under the same id.
        files: The files that the card lists: one ``per language``, or ``none``.
    """

    repository: str
    revision: Commit
    settings: ClassVar[tuple[str, ...]] = ALL_SETTINGS
    parallel: ClassVar[bool] = True
    queries_are_passages: ClassVar[bool] = False
    files: ClassVar[Literal["per language", "none"]] = "per language"

    def further_files(self) -> tuple[File, ...]:
        """The files that the source lists itself, beside those of the languages."""
        return ()

    def has_url(self) -> bool:
        """Whether files are downloaded from a public folder."""
        return False


class FileSource(_Source):
    """Files in a folder.

    Attributes:
        path: Folder of the files: below the data folder and the cache for files that have a
            `url`, else beside the card.
        url: Public folder that the files are downloaded from.
    """

    path: PublicPath
    url: Annotated[str, Field(pattern=r"^https?://.*/$")] | None = None

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        if ".." in self.path.split("/"):
            raise ValueError("path may not contain '..'")
        return self

    def has_url(self) -> bool:
        """Whether files are downloaded from a public folder."""
        return self.url is not None


class LareqaSource(FileSource):
    """Questions, and paragraphs cut into sentences; read by `mteb_hybrid.sources.lareqa`.

    Attributes:
        candidates: What a passage is: a ``sentence``, or a ``sentence-with-context`` (the
            sentence followed by its paragraph, as LAReQA encodes its candidates).
    """

    format: Literal["lareqa"]
    candidates: Literal["sentence", "sentence-with-context"] = "sentence"


class LinesSource(FileSource):
    """Line-aligned text, one file per language; read by `mteb_hybrid.sources.lines`.

    There is no monolingual setting: a query would look for its own text.

    Attributes:
        groups: A file with one group per line: lines of a group say the same. By default the
            lines of one number are a group.
    """

    format: Literal["lines"]
    groups: File | None = None
    candidates: ClassVar[str] = "line"
    settings: ClassVar[tuple[str, ...]] = ("crosslingual", "multilingual")
    queries_are_passages: ClassVar[bool] = True

    def further_files(self) -> tuple[File, ...]:
        """The file of groups, if there is one."""
        return (self.groups,) if self.groups else ()


Source = Annotated[LareqaSource | LinesSource, Field(discriminator="format")]
