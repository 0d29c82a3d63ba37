"""What a repaired model's folder keeps of its fit, ``model_card/repair.json``: written and read."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from mteb_hybrid.files.errors import in_words
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.models.contents import CARD_FOLDER, REPAIR_RECORD
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.where import Share, Where

Count = Annotated[int, Field(ge=0, le=10**6)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Row(_Part):
    """Held-out figures; see `mteb_hybrid.repair.held_out.Figures`. None was not measured."""

    repair: str
    merging: str
    directions: Count | None
    monolingual: Share
    pool: Share | None
    rank_distance: Annotated[FiniteFloat, Field(ge=0)] | None


class Sides(_Part):
    """Where the bias sits in held-out vectors, without the repair and with it.

    Attributes:
        texts: How many these are, by language.
    """

    texts: dict[str, Annotated[Count, Field(ge=2)]] = Field(min_length=2, max_length=10_000)
    before: Where
    after: Where


class Record(_Part):
    """A repair, and what it was fitted on.

    Attributes:
        repair: Its name.
        formula: What becomes of a vector x.
        citation: Where it is from.
        directions: How many it removes; None if it has no such choice.
        length: The usual length of the vectors that it was fitted on; None if it is not known.
        base_model: Which model was repaired.
        base_revision: At which revision.
        texts: Where the texts come from.
        languages: How many texts of each language were fitted on.
        tasks: MTEB tasks to which they belong; None if unknown.
        where: Where the bias sits.
        curve: Figures without a repair, then with each number of directions.
        chosen: Place in the curve.
        mergings: Figures of each merging, without the repair and with it.
        warnings: What the user should look at.
        mteb_hybrid: Version of this package.
        command: The command that was given; empty if it was not recorded.
    """

    repair: str
    formula: str
    citation: str
    directions: Count | None
    length: Annotated[FiniteFloat, Field(gt=0)] | None = None
    base_model: str
    base_revision: str | None
    texts: str
    languages: dict[str, Count] = Field(min_length=2, max_length=10_000)
    tasks: list[str] | None
    where: Sides
    curve: list[Row] = Field(min_length=1, max_length=1000)
    chosen: int
    mergings: list[Row] = Field(max_length=1000)
    warnings: list[str]
    mteb_hybrid: str
    command: str = ""

    @model_validator(mode="after")
    def _in_curve(self) -> Self:
        if not 0 <= self.chosen < len(self.curve):
            raise ValueError(f"chosen is {self.chosen}; the curve has {len(self.curve)} rows")
        return self

    @property
    def label(self) -> str:
        """The repair, and how many directions it removes: ``projection 10``."""
        return self.curve[self.chosen].repair


def read_record(folder: Path) -> Record:
    """What the folder of a repaired model tells of its repair.

    Raises:
        RepairError: If it is no such folder, or a key is missing or holds what cannot be.
        TextError: If the file is not JSON.
    """
    file = folder / CARD_FOLDER / REPAIR_RECORD
    if not file.is_file():
        raise RepairError(
            f"{file}: no such file; name the folder of a model that `mteb-hybrid repair` wrote"
        )
    return record_in(file)


def record_in(file: Path) -> Record:
    """What a file tells of a repair.

    Raises:
        RepairError: If a key is missing or holds what cannot be.
        TextError: If it is not JSON.
    """
    found: dict[str, Any] = json_file(file, dict)
    try:
        return Record.model_validate(found)
    except ValidationError as error:
        raise RepairError(
            f"{file}: {in_words(error.errors()[0])}; expected what `mteb-hybrid repair` of "
            "this version writes. Repair the model again"
        ) from None
