"""``format = "mixed"``: passages in several languages, judged across them, not parallel."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mteb_hybrid.cards.source import FileSource
from mteb_hybrid.cards.tables import Detected, File, ShortCode


class MixedFile(File):
    """A file of rows.

    Attributes:
        language: The language of all of its rows, where they do not name it.
    """

    language: ShortCode | None = None


class MixedSource(FileSource):
    """A corpus in several languages, judged across them; read by `mteb_hybrid.sources.mixed`.

    Attributes:
        corpus: The files of passages, read one after another.
        queries: The files of queries.
        qrels: The files of judgments.
        language: The key of a row that names its language, unless its file does.
        topic: The key of a query that is the same in all of its translations; by default its id.
        detected: Languages of texts whose rows and files do not name them.
    """

    format: Literal["mixed"]
    corpus: Annotated[tuple[MixedFile, ...], Field(min_length=1)]
    queries: Annotated[tuple[MixedFile, ...], Field(min_length=1)]
    qrels: Annotated[tuple[File, ...], Field(min_length=1)]
    language: Annotated[str, Field(min_length=1)] | None = None
    topic: Annotated[str, Field(min_length=1)] | None = None
    detected: Detected | None = None
    candidates: ClassVar[str] = "passage"
    leaves_out: ClassVar[tuple[str, ...]] = ("judged_unknown",)
    files: ClassVar[Literal["per language", "none"]] = "none"

    @property
    def parallel(self) -> bool:
        """Its passages are no translations of each other."""
        return False

    @property
    def judged_across(self) -> bool:
        """Queries are judged on passages of all languages."""
        return True

    @property
    def languages_detected(self) -> Detected | None:
        """What told the languages, if they are nobody's word."""
        return self.detected

    @model_validator(mode="after")
    def _one_way_to_tell_languages(self) -> Self:
        if self.language and self.detected:
            raise ValueError(
                "language names a key of the rows, and detected a file with their languages; "
                "remove one of them"
            )
        if self.language or self.detected:
            return self
        for key in ("corpus", "queries"):
            if silent := [entry.file for entry in getattr(self, key) if entry.language is None]:
                raise ValueError(
                    f"nothing tells the languages in {silent[0]!r}; add 'language', the key of its "
                    f"rows that does, or to its [[source.{key}]] table the language of them all"
                )
        return self

    def further_files(self) -> tuple[File, ...]:
        """All of its files."""
        told = (self.detected,) if self.detected else ()
        return (*self.corpus, *self.queries, *self.qrels, *told)
