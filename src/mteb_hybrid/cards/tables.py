"""What tables of cards are made of: strict models, codes of languages, files with checksums."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mteb_hybrid.languages.codes import check_language_code

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|\d+\.\d+\.\d+)$")]
LanguageCode = Annotated[str, AfterValidator(check_language_code)]
ShortCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]+)?$")]
SubsetName = Annotated[str, Field(pattern=r"^([\w.-]|\{short\}|\{code\})+$")]
PublicPath = Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")]


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
