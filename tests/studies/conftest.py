"""A minute study: a tiny model, trained for two steps on the sample."""

import re
from pathlib import Path

import pytest

from conftest import write_tiny_model

RECIPE = """
name = "tiny"
title = "Tiny"
description = "For tests."

[languages]
en = "eng-Latn"
de = "deu-Latn"

[model]
name = "./tiny"
query_prompt = "q: "
passage_prompt = "p: "

[[data]]
name = "sample"
format = "collection"
path = "sample"

[batches]
size = 8

[training]
learning_rate = 1e-2
max_steps = 3
save_steps = 1
"""

STUDY = """
title = "A question"
question = "Does it?"

[[conditions]]
name = "untrained"

[[conditions]]
name = "repaired"
repair = "projection"

[[conditions]]
name = "hybrid"
trained = true

[[conditions]]
name = "mended"
trained = true
repair = "projection"

[[claims]]
text = "It does."
condition = "hybrid"
than = "untrained"
setting = "monolingual"

[budgets.smoke]
recipes = { tiny = "tiny.toml" }
seeds = [1, 2]
texts = "sample"
tests = [{ tasks = ["sample"], settings = ["monolingual"], query_languages = ["en", "de"] }]
"""


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory) -> Path:
    """A folder with the tiny model and its recipe."""
    folder = tmp_path_factory.mktemp("studies")
    write_tiny_model(folder)
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "tiny-study.toml").write_text(STUDY, encoding="utf-8")
    return folder


@pytest.fixture
def study_file(study_folder, tmp_path):
    """Writes a variant of the minute study, beside its recipe's link."""

    def write(old: str = "", new: str = "", name: str = "variant") -> Path:
        assert old in STUDY
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        for beside in ("tiny", "tiny.toml"):
            if not (folder / beside).exists():
                (folder / beside).symlink_to(study_folder / beside)
        file = folder / f"{name}.toml"
        file.write_text(STUDY.replace(old, new, 1), encoding="utf-8")
        return file

    return write


def with_tiny_recipes(card: Path, folder: Path) -> Path:
    """A shipped study, whose smoke budget trains the tiny model."""
    text = card.read_text(encoding="utf-8")
    start = text.index("[budgets.smoke]")
    end = text.find("\n[budgets.", start + 1)
    end = len(text) if end < 0 else end
    smoke = re.sub(
        r"recipes = \{[^}]*\}",
        lambda found: re.sub(r'= ?"[^"]*"', '= "tiny.toml"', found[0]),
        text[start:end],
    )
    file = folder / card.name
    file.write_text(text[:start] + smoke + text[end:], encoding="utf-8")
    return file
