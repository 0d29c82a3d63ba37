"""Markdown in which every value is text: nothing that comes from data is read as markup."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mteb_hybrid.files import safe_text


class Markdown(str):
    """Text that is Markdown already, and goes into a template as it is."""


def escape(value: object) -> Markdown:
    """A value as one line of Markdown that shows its characters."""
    if isinstance(value, Markdown):
        return value
    return Markdown(safe_text.markdown(str(value)))


def link(text: str, url: str | None) -> Markdown:
    """A link to a web page; the text alone if that is no address of one."""
    return Markdown(safe_text.link(text, url))


def fence(text: str, language: str) -> Markdown:
    """A code block that the text cannot end."""
    return Markdown(safe_text.code_block(text, language))


def render(template: Path, **values: Any) -> str:
    """Fill in a template; values that are not `Markdown` are escaped."""
    environment = Environment(  # noqa: S701 - Markdown has no use for HTML's escapes
        loader=FileSystemLoader(template.parent),
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(**values)
