"""The tables ``[[data]]`` of a recipe: what is trained on."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.tasks import collection_tasks
from mteb_hybrid.recipes.table import ShortCode, Table


class Data(Table):
    """One training corpus.

    Attributes:
        name: Its name in logs.
        format: ``collection`` (of `tasks/`), ``json`` (parallel JSON lines), ``parquet`` (a column
            per language, ``query_en``, ``passage_de``, …) or ``mmarco`` (its layout on the hub).
        path: The collection's name, as in ``mlqa-r``; else the file or folder, absolute,
            below the data folder, or beside the recipe.
        languages: Read only these of the recipe's languages. Not for collections, of which those
            of the recipe's languages are used that they have.
        weight: Share of the batches, for all corpora or for none (then by their rows).
        negatives: Hard negatives per example.
        mteb_tasks: MTEB tasks on the same data, for MTEB's contamination flags; by default those
            of the collection or of mMARCO, and unknown for other files.
    """

    name: str
    format: Literal["collection", "json", "parquet", "mmarco"]
    path: Annotated[str, Field(min_length=1)]
    languages: Annotated[list[ShortCode], Field(min_length=1)] | None = None
    weight: PositiveFloat | None = None
    negatives: NonNegativeInt = 0
    mteb_tasks: list[str] | None = None

    @model_validator(mode="after")
    def _fits_format(self) -> "Data":
        if self.format == "collection":
            collection_card(self.path)
            for key in ("languages", "negatives"):
                if getattr(self, key):
                    raise ValueError(f"a collection takes no {key}: remove that key")
        return self

    def tasks(self) -> list[str] | None:
        """Names of the MTEB tasks that this corpus is, or is made of; None if unknown."""
        if self.mteb_tasks is not None:
            return self.mteb_tasks
        if self.format == "mmarco":
            return ["MSMARCO", "mMARCO-NL", *collection_tasks("mmarco")]
        return collection_tasks(self.path) if self.format == "collection" else None
