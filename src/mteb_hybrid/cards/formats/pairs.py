"""``format = "pairs"``: line-aligned text of pairs of languages."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from mteb_hybrid.cards.source import FileSource, SettingName
from mteb_hybrid.cards.tables import EachLanguageOnce, File, ShortCode

Pair = Annotated[dict[ShortCode, File], EachLanguageOnce, Field(min_length=2, max_length=2)]


def _each_once(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    seen: set[frozenset[str]] = set()
    for pair in pairs:
        if frozenset(pair) in seen:
            raise ValueError(f"the pair of {' and '.join(pair)} is there twice; remove one of them")
        seen.add(frozenset(pair))
    return pairs


class PairsSource(FileSource):
    """Two line-aligned files for each pair of languages; read by `mteb_hybrid.sources.pairs`.

    Attributes:
        pairs: The two files of each pair, by their language.
    """

    format: Literal["pairs"]
    pairs: Annotated[tuple[Pair, ...], Field(min_length=1), AfterValidator(_each_once)]
    candidates: ClassVar[str] = "line"
    queries_are_passages: ClassVar[bool] = True
    files: ClassVar[Literal["per language", "none"]] = "none"

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """The cross-lingual one alone: the texts of different pairs make no pool."""
        return ("crosslingual",)

    @property
    def subsets(self) -> frozenset[str]:
        """Both directions of every pair."""
        return frozenset(f"{x}-{y}" for pair in self.pairs for x in pair for y in pair if x != y)

    def further_files(self) -> tuple[File, ...]:
        """The files of all pairs."""
        return tuple(file for pair in self.pairs for file in pair.values())
