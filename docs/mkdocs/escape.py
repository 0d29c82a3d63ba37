"""Text from docstrings, as Markdown that holds no HTML of its own."""

import html
import re

CODE = re.compile(r"(`+[^`]+`+)")


def escaped(text: str) -> str:
    r"""The text with ``<``, ``>``, ``&`` and ``\`` escaped, but not in code."""
    return "".join(part if CODE.fullmatch(part) else _plain(part) for part in CODE.split(text))


def _plain(text: str) -> str:
    return html.escape(text, quote=False).replace("\\", "&#92;")
