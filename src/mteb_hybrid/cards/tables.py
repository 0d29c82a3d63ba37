"""What tables of cards are made of: strict models, codes of languages, files with checksums."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from mteb_hybrid.files.addresses import checked_folder_address
from mteb_hybrid.files.inside import checked_folder, checked_path
from mteb_hybrid.languages.codes import check_language_code, short_code

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|\d+\.\d+\.\d+)$")]
LanguageCode = Annotated[str, AfterValidator(check_language_code)]
ShortCode = Annotated[str, AfterValidator(short_code)]
SubsetName = Annotated[str, Field(pattern=r"^([\w.-]|\{short\}|\{code\})+$")]
FileInside = Annotated[str, AfterValidator(checked_path)]
FolderInside = Annotated[
    str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$"), AfterValidator(checked_folder)
]
PublicPath = Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$"), AfterValidator(checked_path)]
FolderAddress = Annotated[str, AfterValidator(checked_folder_address)]
Split = Annotated[str, Field(pattern=r"^\w[\w.-]*$"), AfterValidator(checked_path)]
"""Part of the names of files."""
Repository = Annotated[
    str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$"), AfterValidator(checked_path)
]
"""Part of addresses."""


def _each_once(languages: Any) -> Any:
    """Refuse keys that are written in two ways and mean one language."""
    first: dict[str, str] = {}
    for key in languages if isinstance(languages, dict) else ():
        try:
            short = short_code(key)
        except (TypeError, ValueError):
            continue  # refused with its key later on
        if first.setdefault(short, key) != key:
            raise ValueError(f"{first[short]!r} and {key!r} are both {short!r}; keep one")
    return languages


EachLanguageOnce = BeforeValidator(_each_once)
"""For tables with a key for each language."""


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

    file: FileInside
    sha256: Sha256
    published_as: PublicPath | None = None


class Archive(File):
    """A zip file of a source.

    Attributes:
        unpacked_bytes: How many bytes it may unpack to, where that is more than
            `mteb_hybrid.files.archives` takes without being told.
    """

    unpacked_bytes: Annotated[int, Field(ge=1)] | None = None


class Detected(File):
    """Languages that a program told: JSON lines, one for every passage and query.

    Attributes:
        by: The program, with its version.
        texts: How many texts it was given.
        certainty: The mean of what it gives its own answers, 0 to 1.
        doubtful: How many answers have less than one half.
    """

    by: Annotated[str, Field(min_length=1)]
    texts: Annotated[int, Field(ge=1)]
    certainty: Annotated[float, Field(ge=0, le=1)]
    doubtful: Annotated[int, Field(ge=0)]

    def __str__(self) -> str:
        return (
            f"Languages were detected by {self.by}: mean certainty {self.certainty:.2f}, "
            f"{self.doubtful:,} of {self.texts:,} texts below 0.5."
        )


class Language(Strict):
    """One language of a collection, and its file where the format has one per language.

    Attributes:
        code: ISO 639-3 language and ISO 15924 script, such as ``zho-Hans``.
        file: As for `File`.
        sha256: As for `File`.
        published_as: As for `File`.
    """

    code: LanguageCode
    file: FileInside | None = None
    sha256: Sha256 | None = None
    published_as: PublicPath | None = None
