"""``format = "miracl"``: topics, judgments and passages of MIRACL."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mteb_hybrid.cards.source import FileSource, SettingName
from mteb_hybrid.cards.tables import Commit, EachLanguageOnce, Repository, ShortCode, Strict


class HubPassages(Strict):
    """Where the passages of MIRACL are on the Hugging Face hub.

    Attributes:
        repository: The dataset repository.
        revision: Its commit.
        files: How many files ``docs-0.jsonl.gz``, … each language has there.
    """

    repository: Repository
    revision: Commit
    files: Annotated[dict[ShortCode, Annotated[int, Field(ge=1)]], EachLanguageOnce]


class MiraclSource(FileSource):
    """Topics, judgments and passages of MIRACL; read by `mteb_hybrid.sources.miracl`.

    Attributes:
        path: Folder of the files: below the data folder, else beside the card if there is no
            `passages`.
        passages: Where passages come from if no data folder is named; topics and judgments come
            from `repository`.
    """

    format: Literal["miracl"]
    url: None = None
    passages: HubPassages | None = None
    candidates: ClassVar[str] = "passage"
    leaves_out: ClassVar[tuple[str, ...]] = ("judged_unknown", "judged_twice", "repeated_ids")
    files: ClassVar[Literal["per language", "none"]] = "none"

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """Without the cross-lingual one: no query is judged in another language."""
        return ("monolingual", "multilingual")

    @property
    def parallel(self) -> bool:
        """The passages of each language are its own."""
        return False

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        hub = "https://huggingface.co/datasets/"
        return f"{hub}{self.passages.repository}" if self.passages else super().origin
