"""Task cards: find, read and validate the TOML files that declare collections.

A card declares one collection: where its files come from, its languages, and what MTEB wants to
know about it. It holds no code, and the three settings are derived from it, never written in it.
This module imports neither mteb nor torch, so that listing tasks stays fast.
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from mteb_hybrid.languages import check_language_code

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PACKAGE = Path(__file__).parent

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|\d+\.\d+\.\d+)$")]
LanguageCode = Annotated[str, AfterValidator(check_language_code)]


class CardError(ValueError):
    """A card that cannot be used. The message names the file, the key and the remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Strict):
    """One file of a source.

    Attributes:
        file: Its name in the source's folder.
        sha256: Its checksum; a file with another one is refused.
        published_as: Where it lies below the source's `url`, if not under its name.
    """

    file: str
    sha256: Sha256
    published_as: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")] | None = None


class Language(File):
    """One language of a collection, and its file.

    Attributes:
        code: ISO 639-3 language and ISO 15924 script, such as ``zho-Hans``.
    """

    code: LanguageCode


class _Source(_Strict):
    """Where the files of a collection are.

    Attributes:
        path: Folder of the files: below the data folder and the cache for files that have a
            `url`, else beside the card.
        url: Public folder that the files are downloaded from.
        repository: Name of the data set, as it stands in results.
        revision: The commit (or version) of the files.
    """

    path: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")]
    url: Annotated[str, Field(pattern=r"^https?://.*/$")] | None = None
    repository: str
    revision: Commit

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        if ".." in self.path.split("/"):
            raise ValueError("path may not contain '..'")
        return self


class LareqaSource(_Source):
    """Questions, and paragraphs cut into sentences; read by `mteb_hybrid.sources.lareqa`.

    Attributes:
        candidates: What a passage is: a ``sentence``, or a ``sentence-with-context`` (the
            sentence followed by its paragraph, as LAReQA encodes its candidates).
        queries_are_passages: Whether every query is one of the passages, under the same id.
    """

    format: Literal["lareqa"]
    candidates: Literal["sentence", "sentence-with-context"] = "sentence"
    queries_are_passages: ClassVar[bool] = False


class LinesSource(_Source):
    """Line-aligned text, one file per language; read by `mteb_hybrid.sources.lines`.

    Attributes:
        groups: A file with one group per line: lines of a group say the same. By default the
            lines of one number are a group.
        candidates: What a passage is.
        queries_are_passages: Whether every query is one of the passages, under the same id.
    """

    format: Literal["lines"]
    groups: File | None = None
    candidates: ClassVar[str] = "line"
    queries_are_passages: ClassVar[bool] = True


Source = Annotated[LareqaSource | LinesSource, Field(discriminator="format")]


class Prompt(_Strict):
    """The instruction that instruction models get with a query."""

    query: str


class Metadata(_Strict):
    """What MTEB's ``TaskMetadata`` wants, in its vocabulary (MTEB checks the values)."""

    reference: str
    date: tuple[str, str]
    domains: list[str]
    task_subtypes: list[str]
    license: str
    annotations_creators: str
    dialect: list[str]
    sample_creation: str
    bibtex_citation: str
    prompt: Prompt
    adapted_from: list[str] = []


class TaskCard(_Strict):
    """One collection, declared in ``tasks/NAME.toml``.

    Attributes:
        name: Prefix of its MTEB task names: ``XQuADR`` gives ``XQuADRMonolingualRetrieval``, …
        title: Its name in tables.
        kind: ``benchmark``, or ``sample`` for text that is only good for trying things out.
        description: One or two sentences.
        source: Where its files come from.
        languages: Its languages by their short code, in the order of tables.
        split: MTEB's name for the split that is evaluated.
        metadata: What MTEB wants to know.
    """

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]
    title: str
    kind: Literal["benchmark", "sample"]
    description: str
    split: str = "test"
    source: Source
    languages: dict[Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]+)?$")], Language]
    metadata: Metadata
    _file: Path = PrivateAttr()

    @model_validator(mode="after")
    def _several_languages(self) -> "TaskCard":
        if len(self.languages) < 2:
            raise ValueError(
                "a collection needs at least two languages, so that it has cross-lingual subsets; "
                "add a [languages.XX] table"
            )
        return self

    @model_validator(mode="after")
    def _published_below_a_url(self) -> "TaskCard":
        files: list[File] = [*self.languages.values()]
        if isinstance(self.source, LinesSource) and self.source.groups:
            files.append(self.source.groups)
        if self.source.url is None and any(file.published_as for file in files):
            raise ValueError(
                "published_as is a place below source.url, and there is none; add url, or remove "
                "published_as"
            )
        return self

    @property
    def file(self) -> Path:
        """The card's own file."""
        return self._file


def read_card(file: Path) -> TaskCard:
    """Read and check one card.

    Args:
        file: A TOML file.

    Returns:
        The card.

    Raises:
        CardError: If it is not TOML, lacks a key, has an unknown one or a bad value.
    """
    try:
        card = TaskCard.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        lines = [f"{file}: {_explain(problem)}" for problem in error.errors()]
        raise CardError("\n".join(lines)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{file}: not a TOML file in UTF-8: {error}. Correct that line.") from None
    card._file = file
    return card


def _explain(problem: "ErrorDetails") -> str:
    parts = [str(part) for part in problem["loc"] if part != "[key]"]
    if parts[:1] == ["source"]:
        del parts[1:2]  # pydantic names the format here, which is no key
    if problem["type"].startswith("union_tag"):
        parts.append("format")
    key = ".".join(parts) or "(whole card)"
    missing = "missing key; add it (see tasks/README.md)"
    remedies = {
        "extra_forbidden": "unknown key; remove it, or correct its spelling (see tasks/README.md)",
        "missing": missing,
        "union_tag_not_found": missing,
    }
    if problem["type"] == "union_tag_invalid":
        expected, found = problem["ctx"]["expected_tags"], problem["ctx"]["tag"]
        return f"key {key!r}: expected one of {expected}; found {found!r}. Correct the value."
    said = remedies.get(problem["type"])
    if said is None:
        said = f"{problem['msg']}; found {problem['input']!r}. Correct the value."
    return f"key {key!r}: {said}"


def card_folder(kind: Literal["tasks", "models"] = "tasks") -> Path:
    """Folder of the cards: inside an installed package, else at the root of the checkout.

    Raises:
        CardError: If there is neither.
    """
    for folder in (PACKAGE / "_cards" / kind, PACKAGE.parents[1] / kind):
        if folder.is_dir():
            return folder
    raise CardError(f"no {kind} cards beside {PACKAGE}; the installation is incomplete, reinstall")


@cache
def task_cards(folder: Path | None = None) -> dict[str, TaskCard]:
    """All task cards by name, in the order of their file names.

    Args:
        folder: Where to look; by default the cards that ship with the package.

    Raises:
        CardError: If any card is bad (it is never skipped), or if two have the same name.
    """
    cards: dict[str, TaskCard] = {}
    for card in map(read_card, _toml_files(folder or card_folder())):
        if card.name in cards:
            raise CardError(
                f"{card.file}: key 'name': {card.name!r} is the name of {cards[card.name].file} "
                "too; choose another"
            )
        cards[card.name] = card
    return cards


def _toml_files(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*.toml"))
