import pytest
from pydantic import BaseModel, ValidationError, field_validator

from mteb_hybrid.files.errors import in_words


class Row(BaseModel):
    counts: list[int]
    name: str = ""

    @field_validator("name")
    @classmethod
    def _not_blank(cls, name):
        if not name.strip():
            raise ValueError("is blank")
        return name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"counts": [1], "name": " "}, "key 'name': is blank"),
        ({"counts": [1, "a"]}, "key 'counts.1': Input should be a valid integer"),
        ("a", "Input should be a valid dictionary"),
    ],
)
def test_a_problem_is_told_with_its_key_if_it_has_one(given, said):
    with pytest.raises(ValidationError) as caught:
        Row.model_validate(given)
    assert in_words(caught.value.errors()[0]).startswith(said)


def test_what_is_no_json_is_called_so():
    with pytest.raises(ValidationError) as caught:
        Row.model_validate_json("{")
    assert in_words(caught.value.errors()[0]).startswith("Invalid JSON: EOF")
