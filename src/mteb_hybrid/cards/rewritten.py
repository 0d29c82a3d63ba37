"""Rewritten queries: an overlay that gives a collection further collections, one per kind.

Queries that say the same in another way (a paraphrase, a typing error, a name that leads astray)
keep their judgments and search the same passages. The overlay of a collection is a folder,
``adversarial-queries/COLLECTION`` below the folder that ``MTEB_HYBRID_DATA`` names, else in the
user's data folder. It holds JSON lines, one file per language, ``{"id": id of the query, KIND: its
rewrite, …}``, and ``provenance.json``. `mteb-hybrid rewrite` writes it.

Every kind is a collection of its own, with tasks of its own names: ``mlqa-r-paraphrase`` has
``MLQARParaphraseMonolingualRetrieval``, …. So no result of a rewritten query is ever filed with
those of the collection. ``mlqa-r-original`` has the queries that some kind rewrites, unchanged: a
model is compared with itself on the same questions.
"""

import hashlib
import json
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from mteb_hybrid.cards.card import CardError, TaskCard
from mteb_hybrid.cards.tables import Sha256, ShortCode, Strict
from mteb_hybrid.cards.translations import PROVENANCE, overlays
from mteb_hybrid.files.errors import DataError, in_words
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.retrieval.views import View

FOLDER = "adversarial-queries"
ORIGINAL = "original"
"""What the queries that have rewrites are called where they stand unchanged."""

Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]


class InLanguage(Strict):
    """The queries of one kind in one language, without those that are left out.

    Attributes:
        queries: How many.
        sha256: Checksum of their ids and texts, see `checksum`.
        of_sha256: That of the same queries as the collection had them; None if it was not kept.
        passages: Short codes of the languages in which at least one has a relevant passage.
    """

    queries: Annotated[int, Field(ge=1)]
    sha256: Sha256
    of_sha256: Sha256 | None = None
    passages: list[ShortCode]


class Rewrites(Strict):
    """The rewrites of one kind.

    Attributes:
        by: What made them: a model, a perturbation of this package, or people.
        options: How, such as its prompt, seed and temperature.
        date: When.
        languages: What there is in each language.
        rejected: By language, how many queries have no rewrite, by reason.
    """

    by: Annotated[str, Field(min_length=1)]
    options: dict[str, str | int | float] = Field(default_factory=dict)
    date: date
    languages: dict[ShortCode, InLanguage]
    rejected: dict[ShortCode, dict[str, int]] = Field(default_factory=dict)


class RewriteProvenance(Strict):
    """Where the rewritten queries of a collection come from: ``provenance.json``.

    Attributes:
        kinds: The kinds of rewrites.
        original: The queries that some kind rewrites, as the collection has them.
        excluded: Ids of queries that are left out of all kinds, by language: known to be weak.
    """

    kinds: dict[Kind, Rewrites]
    original: dict[ShortCode, InLanguage]
    excluded: dict[ShortCode, list[str]] = Field(default_factory=dict)

    def kinds_in(self, language: str) -> list[str]:
        """The kinds of rewrites that a language has."""
        return [kind for kind, rewrites in self.kinds.items() if language in rewrites.languages]

    @model_validator(mode="after")
    def _no_kind_is_called_original(self) -> "RewriteProvenance":
        if ORIGINAL in self.kinds:
            raise ValueError(f"kinds: {ORIGINAL!r} stands for the queries themselves; rename it")
        return self


class RewrittenCard(TaskCard):
    """The queries of one kind, and the passages and judgments of the collection.

    Attributes:
        rewrite: The kind, or `ORIGINAL`.
        rewrites: What there is of it in each language.
        kinds: The kinds of rewrites in each language; of `ORIGINAL`, a query is here for having
            one of them.
        excluded: As in the provenance.
    """

    rewrite: str
    rewrites: dict[str, InLanguage]
    kinds: dict[str, list[str]]
    excluded: dict[str, list[str]]
    _of: TaskCard = PrivateAttr()

    @property
    def of(self) -> TaskCard:
        """The card of the collection."""
        return self._of

    @property
    def digest(self) -> str:
        """Twelve hex digits that stand for the queries in a revision."""
        entries = sorted((language, found.sha256) for language, found in self.rewrites.items())
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:12]

    def has(self, view: View) -> bool:
        """Whether any of the queries has an answer in a view."""
        found = self.rewrites.get(view.query_language)
        return found is not None and not set(found.passages).isdisjoint(view.passage_languages)


def rewrites_folder(collection: str) -> Path:
    """Where the rewritten queries of a collection are.

    Args:
        collection: Name of its card's file, such as ``mlqa-r``.
    """
    return overlays(FOLDER) / collection


def not_taken_over(card: TaskCard) -> Path | None:
    """The folder of files of which no provenance is told, so that they count for nothing."""
    folder = rewrites_folder(card.file.stem)
    told = (folder / PROVENANCE).is_file()
    return folder if not told and any(folder.glob("*.jsonl")) else None


def checksum(rows: dict[str, str]) -> str:
    """Checksum of queries, whatever their order and the kinds beside them.

    Args:
        rows: Texts by id; the ids stand for the texts of what is unchanged.
    """
    return hashlib.sha256(json.dumps(sorted(rows.items())).encode()).hexdigest()


def rewrite_provenance(card: TaskCard) -> RewriteProvenance | None:
    """What is said of a collection's rewritten queries; None if it has none.

    Raises:
        DataError: If ``provenance.json`` is malformed, or names a language that the collection
            has not.
    """
    file = rewrites_folder(card.file.stem) / PROVENANCE
    if not file.is_file():
        return None
    remedy = "Correct it, or remove the folder and rewrite anew with `mteb-hybrid rewrite`."
    try:
        found = RewriteProvenance.model_validate(json_file(file))
    except ValidationError as error:
        raise DataError(f"{file}: {in_words(error.errors()[0])}. {remedy}") from None
    languages = (kind.languages for kind in found.kinds.values())
    for language in chain(found.original, found.excluded, *languages):
        if language not in card.languages:
            raise DataError(
                f"{file}: language {language!r}: {card.title} is in {', '.join(card.languages)}. "
                f"{remedy}"
            )
    return found


_made: dict[tuple[str, ...], list[RewrittenCard]] = {}


def with_rewritten(cards: dict[str, TaskCard]) -> dict[str, TaskCard]:
    """Cards, and those of their rewritten queries.

    Args:
        cards: Cards of collections by name.

    Raises:
        DataError: If what is said of rewritten queries is malformed.
        CardError: If one of them is called as another card.
    """
    found, folder = dict(cards), overlays(FOLDER)
    for card in cards.values():
        for rewritten in _rewritten(card, folder):
            files = {other.file.name for other in found.values()}
            if rewritten.name in found or rewritten.file.name in files:
                raise CardError(
                    f"{rewrites_folder(card.file.stem)}: the rewrites {rewritten.rewrite!r} would "
                    f"be the collection {rewritten.file.stem}, {rewritten.name}, and there is "
                    "another; rename the kind, or that card"
                )
            found[rewritten.name] = rewritten
    return found


def _rewritten(card: TaskCard, folder: Path) -> list[RewrittenCard]:
    file = folder / card.file.stem / PROVENANCE
    try:
        about = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return []
    # Cards are asked for all the time, and are compared by what they are.
    key = (str(card.file), str(file), str(about.st_mtime_ns), str(about.st_size), str(id(card)))
    if key not in _made:
        found = rewrite_provenance(card)
        _made[key] = (
            [_card(card, kind, found) for kind in (ORIGINAL, *found.kinds)]
            if found and found.kinds  # what is left out may be all that is said
            else []
        )
    return _made[key]


def _card(card: TaskCard, kind: str, about: RewriteProvenance) -> RewrittenCard:
    rewrites = about.original if kind == ORIGINAL else about.kinds[kind].languages
    queries = sum(found.queries for found in rewrites.values())
    what = (
        f"The {queries} queries of it that were rewritten, unchanged."
        if kind == ORIGINAL
        else f"Its queries were rewritten ({kind}): {queries} of them."
    )
    if left_out := sum(map(len, about.excluded.values())):
        what += f" {left_out} that are known to be weak are left out."
    made = RewrittenCard.model_construct(
        **{name: getattr(card, name) for name in TaskCard.model_fields}
        | {
            "name": card.name + "".join(part.title() for part in kind.split("-")),
            "title": f"{card.title} ({kind})",
            "description": f"{card.description} {what}",
            "rewrite": kind,
            "rewrites": rewrites,
            "kinds": {language: about.kinds_in(language) for language in rewrites},
            "excluded": about.excluded,
        }
    )
    made._file = card.file.with_name(f"{card.file.stem}-{kind}.toml")
    made._of = card
    return made
