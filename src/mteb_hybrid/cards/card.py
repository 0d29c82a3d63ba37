"""A task card: the TOML file that declares a collection, read and checked.

A card declares one collection: where its files come from, its languages, and what MTEB wants to
know about it. It holds no code, and the three settings are derived from it, never written in it.
This module imports neither mteb nor torch, so that listing tasks stays fast.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from mteb_hybrid.cards.formats import Source
from mteb_hybrid.cards.tables import EachLanguageOnce, Language, ShortCode, Split, Strict
from mteb_hybrid.files.addresses import without_user
from mteb_hybrid.files.documents import read_toml
from mteb_hybrid.files.errors import DataError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
"""Of a collection, with which those of its tasks begin."""


_FAULTS, _LONGEST = 20, 200
"""How many faults are told at once, and how much of a value."""


class CardError(ValueError):
    """A card that cannot be used. The message names the file, the key and the remedy."""


class Prompt(Strict):
    """The instruction that instruction models get with a query."""

    query: str


class Metadata(Strict):
    """What MTEB's ``TaskMetadata`` wants, in its vocabulary (MTEB checks the values).

    A collection that is described nowhere has no `reference`; MTEB takes that as not filled in.
    """

    reference: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    date: tuple[str, str]
    domains: list[str]
    task_subtypes: list[str]
    license: str
    annotations_creators: str
    dialect: list[str]
    sample_creation: str
    bibtex_citation: str
    prompt: Prompt
    adapted_from: list[str] = Field(default_factory=list)


class TaskCard(Strict):
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

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    title: str
    kind: Literal["benchmark", "sample"]
    description: str
    split: Split = "test"
    source: Source
    languages: Annotated[dict[ShortCode, Language], EachLanguageOnce]
    metadata: Metadata
    _file: Path = PrivateAttr()

    @model_validator(mode="after")
    def _enough_languages(self) -> "TaskCard":
        if len(self.languages) < 2 and self.source.judged_across:
            raise ValueError(
                "a collection needs at least two languages, so that it has cross-lingual subsets; "
                "add a [languages.XX] table"
            )
        if not self.languages:
            raise ValueError("a collection needs a language; add a [languages.XX] table")
        most = self.source.most_languages
        if most is not None and len(self.languages) > most:
            raise ValueError(
                f"format {self.source.format!r} takes at most {most} language(s), found "
                f"{len(self.languages)}; make a card for each"
            )
        return self

    @model_validator(mode="after")
    def _files_as_the_source_has_them(self) -> "TaskCard":
        expected = self.source.files == "per language"
        for short, language in self.languages.items():
            for key in ("file", "sha256"):
                if expected is (getattr(language, key) is None):
                    remedy = (
                        "missing key; add it" if expected else "this format has none; remove it"
                    )
                    raise ValueError(f"languages.{short}.{key}: {remedy} (see tasks/README.md)")
        published = [language.published_as for language in self.languages.values()]
        published += [file.published_as for file in self.source.further_files()]
        if any(published) and not self.source.has_url():
            raise ValueError(
                "published_as is a place below source.url, and there is none; add url, or remove "
                "published_as"
            )
        return self

    @model_validator(mode="after")
    def _empty_subsets_exist(self) -> "TaskCard":
        known = {f"{x}-{y}" for x in self.languages for y in (*self.languages, "multi")}
        if unknown := [name for name in self.source.empty_subsets if name not in known]:
            raise ValueError(
                f"source.empty_subsets: there is no subset {unknown[0]!r}; expected names such as "
                f"{min(known)!r}. Correct or remove it."
            )
        return self

    @model_validator(mode="after")
    def _languages_of_its_subsets(self) -> "TaskCard":
        subsets = self.source.subsets
        if subsets is None:
            return self
        found = {f"{x}-{y}": (x, y) for x in self.languages for y in self.languages if x != y}
        if unknown := sorted(subsets - found.keys()):
            raise ValueError(
                f"source.pairs: there is no language of {unknown[0]!r} in the card; add a "
                "[languages.XX] table, or remove the pair"
            )
        used = {x for subset in subsets for x in found[subset]}
        if idle := [x for x in self.languages if x not in used]:
            raise ValueError(
                f"languages.{idle[0]}: no pair of source.pairs is in this language; add one, or "
                "remove the language"
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
        card = TaskCard.model_validate(read_toml(file))
    except ValidationError as error:
        problems = _causes(error.errors())
        lines = [f"{file}: {_explain(problem)}" for problem in problems[:_FAULTS]]
        if len(problems) > _FAULTS:
            lines.append(f"{file}: and {len(problems) - _FAULTS} more")
        raise CardError(without_user("\n".join(lines))) from None
    except DataError as error:
        raise CardError(str(error)) from None
    card._file = file
    return card


def _causes(problems: list["ErrorDetails"]) -> list["ErrorDetails"]:
    """Without lists that are too short as what is in them is faulty."""
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(place[:-1][: len(problem["loc"])] == problem["loc"] for place in places)
    ]


def _cut(value: object) -> str:
    text = repr(value)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text


def _explain(problem: "ErrorDetails") -> str:
    parts = [str(part) for part in problem["loc"] if part != "[key]"]
    if parts[:1] == ["source"]:
        del parts[1:2]  # pydantic names the format here, which is no key
    if problem["type"].startswith("union_tag"):
        parts.append("format")
    key = ".".join(parts)[:_LONGEST] or "(whole card)"
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
        said = str(problem.get("ctx", {}).get("error") or problem["msg"])
        if repr(problem["input"]) not in said:
            said += f"; found {_cut(problem['input'])}"
        said += f"{'' if said.endswith('?') else '.'} Correct the value."
    return f"key {key!r}: {said}"
