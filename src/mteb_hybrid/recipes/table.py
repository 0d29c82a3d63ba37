"""What the tables of a recipe have in common: no unknown keys, and no value of another type."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from mteb_hybrid.languages.codes import iso_language, short_code


def _check_short_code(text: str) -> str:
    iso_language(text)
    return short_code(text)


ShortCode = Annotated[str, AfterValidator(_check_short_code)]


class Table(BaseModel):
    """One table of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
