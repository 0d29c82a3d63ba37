"""The rooms of the package, drawn from the contracts that ``make lint`` checks."""

import ast
import html
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mteb_hybrid"
CODE = re.compile(r"`+([^`]+)`+")
SENTENCE = re.compile(r".*?\.(?=\s|$)", re.DOTALL)


def house() -> str:
    """All floors from the top down, as HTML: each room with what its docstring says first."""
    floors = "".join(f"<li>{''.join(map(_room, floor))}</li>" for floor in floors_of_rooms())
    return f'<ol class="house">{floors}</ol>'


def floors_of_rooms() -> list[list[str]]:
    """The layers of the contract ``rooms`` in pyproject.toml, without rooms to come."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["id"] == "rooms"]
    floors = [re.findall(r"\w+", layer) for layer in layers]
    built = [[room for room in floor if _file(room).is_file()] for floor in floors]
    return [floor for floor in built if floor]


def first_sentence(room: str) -> str:
    """The first sentence of a room's docstring.

    Raises:
        ValueError: If it has none.
    """
    file = _file(room)
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    sentence = SENTENCE.match(doc)
    if sentence is None:
        raise ValueError(
            f"{file.relative_to(ROOT)}: no docstring; say in a sentence what the room is, for "
            "docs/house.md"
        )
    return " ".join(sentence[0].split())


def _file(room: str) -> Path:
    module = PACKAGE / f"{room}.py"
    return module if module.is_file() else PACKAGE / room / "__init__.py"


def _room(room: str) -> str:
    name = f"{room}/" if _file(room).name == "__init__.py" else f"{room}.py"
    text = CODE.sub(r"<code>\1</code>", html.escape(first_sentence(room), quote=False))
    return f"<div><strong>{name}</strong><br>{text}</div>"
