"""Markdown in which every value is text: nothing that comes from data is read as markup."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# By CommonMark, a backslash before any of these gives the character itself.
SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$&!]")
STARTS_A_BLOCK = re.compile(r"^(\d*)([-+=.)])(?=[-=\s]|$)")


class Markdown(str):
    """Text that is Markdown already, and goes into a template as it is."""


def escape(value: object) -> Markdown:
    """A value as one line of Markdown that shows its characters."""
    if isinstance(value, Markdown):
        return value
    text = SPECIAL.sub(r"\\\g<0>", " ".join(str(value).split()))
    return Markdown(STARTS_A_BLOCK.sub(r"\1\\\2", text))


def link(text: object, url: str | None) -> Markdown:
    """A link to a web page; the text alone if that is no address of one."""
    if url is None or not re.fullmatch(r"https?://[^\s<>\\]+", url):
        return escape(text)
    return Markdown(f"[{escape(text)}](<{url}>)")


def fence(text: str, language: str) -> Markdown:
    """A code block, fenced with more backticks than the text has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return Markdown(f"{ticks}{language}\n{text.strip()}\n{ticks}")


def render(template: str, **values: Any) -> str:
    """Fill in one of the templates of this folder; values that are not `Markdown` are escaped."""
    environment = Environment(  # noqa: S701 - Markdown has no use for HTML's escapes
        loader=FileSystemLoader(Path(__file__).parent),
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
