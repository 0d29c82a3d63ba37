"""``format = "lines"``: line-aligned text."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mteb_hybrid.cards.source import FileSource, SettingName
from mteb_hybrid.cards.tables import File


class LinesSource(FileSource):
    """Line-aligned text, one file per language; read by `mteb_hybrid.sources.lines`.

    Attributes:
        groups: A file with one group per line: lines of a group say the same. By default the
            lines of one number are a group.
        lines: How many lines of every file are read, from the first; all if None.
    """

    format: Literal["lines"]
    groups: File | None = None
    lines: Annotated[int, Field(ge=1)] | None = None
    candidates: ClassVar[str] = "line"
    leaves_out: ClassVar[tuple[str, ...]] = ("blank_texts",)
    queries_are_passages: ClassVar[bool] = True

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """Without the monolingual one, in which a query would look for its own text."""
        return ("crosslingual", "multilingual")

    def further_files(self) -> tuple[File, ...]:
        """The file of groups, if there is one."""
        return (self.groups,) if self.groups else ()
