"""Text from docstrings, as Markdown that holds no HTML of its own."""

import html
import re

CODE = re.compile(r"(`+[^`]+`+)")


def escaped(text: str) -> str:
    """The text with ``<``, ``>`` and ``&`` escaped, but not in code, where Markdown does it."""
    parts = CODE.split(text)
    return "".join(p if CODE.fullmatch(p) else html.escape(p, quote=False) for p in parts)
