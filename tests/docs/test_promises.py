"""Every promise names tests, and they exist."""

import ast
import re

import pytest

from docs.conftest import ROOT

TEXT = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| (?!of \||--- )", line)]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def is_there(file, name):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return any(isinstance(part, ast.FunctionDef) and part.name == name for part in tree.body)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_promise_says_what_holds_and_is_shown(row):
    _, of, holds, _, tests, _ = (cell.strip() for cell in row.split("|"))
    assert of and holds
    named = TEST.findall(tests)
    assert named and TEST.sub("", tests).strip(", ") == ""
    assert [test for test in named if not is_there(*test)] == []


def test_every_kind_of_harm_has_promises():
    assert len(ROWS) > 40
    for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        assert "| of | holds | does not hold | shown by |" in part
    assert not is_there("tests/docs/test_promises.py", "test_that_is_not_there")
