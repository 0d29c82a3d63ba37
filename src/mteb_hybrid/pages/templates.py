"""The HTML of pages. Every value is escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mteb_hybrid.files.safe_text import prose


def _shown(value: Any) -> Any:
    return prose(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render(folder: Path, template: str, **values: Any) -> str:
    """Fill in a template.

    Args:
        folder: Where it lies. It may include files of this room too, such as ``style.css``.
        template: Its name.
        **values: What it speaks of; a name that is not given is an error.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
