"""Figures as SVG that a page can hold, or as files."""

import io
import re
from hashlib import sha256
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from mteb_hybrid.files.safe_text import prose
from mteb_hybrid.report.style import GRID, INK, MUTED, PAPER, SERIES, STYLE

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES, 1)
}
# Text stays text and ids follow from the content, so that the same results give the same bytes.
OUTPUT = STYLE | {"svg.fonttype": "none", "svg.hashsalt": "mteb-hybrid"}


def inline(figure: Figure, key: str, title: str, description: str) -> str:
    """A figure as an ``<svg>`` element that takes colours and fonts from its page.

    Args:
        figure: One of ours.
        key: Prefix of its ids, unlike that of any other figure of the page.
        title: What it is, for those who cannot see it.
        description: What it shows.

    Returns:
        The element, without metadata, declarations or references to anything outside.
    """
    # The bytes come from matplotlib a line earlier, not from a user.
    root = ElementTree.fromstring(file_bytes(figure, "svg", "none"))  # noqa: S314
    # The page has matplotlib's one style rule, and needs no second licence statement.
    for child in list(root):
        if child.tag == f"{SVG}metadata" or child.find(f"{SVG}style") is not None:
            root.remove(child)
    root.attrib.pop("version", None)
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    # CSS pixels: 96 to the inch, where matplotlib has 72 points.
    root.set("width", f"{width * 4 / 3:.0f}")
    root.set("height", f"{height * 4 / 3:.0f}")
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-title {key}-desc")
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', ElementTree.tostring(root, "unicode")))
    for element in root.iter():
        if "id" in element.attrib:
            old = element.attrib.pop("id")
            if old in used:
                element.set("id", f"{key}-{old}")
        if LINK in element.attrib:
            element.set("href", "#" + f"{key}-" + element.attrib.pop(LINK).removeprefix("#"))
        for name, value in element.attrib.items():
            if name in ("style", "clip-path", "fill"):
                element.set(name, _themed(value, key))
            elif name in ("d", "x", "y", "transform"):
                # Hundredths of a point: a third of the page would be digits that nobody sees.
                element.set(name, re.sub(r"-?\d+\.\d{3,}", _rounded, " ".join(value.split())))
    for name, text in (("desc", description), ("title", title)):
        child = ElementTree.Element(f"{SVG}{name}", id=f"{key}-{name}")
        child.text = prose(text)
        root.insert(0, child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.tail = None
        if not (element.text or "").strip():
            element.text = None
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
    return ElementTree.tostring(root, "unicode")


def file_bytes(figure: Figure, format: str, background: str = "white") -> bytes:
    """A figure as a file: ``svg`` or ``png`` (200 dots to the inch)."""
    out = io.BytesIO()
    metadata = {"Date": None} if format == "svg" else {"Software": None}
    with mpl.rc_context(OUTPUT):
        figure.savefig(out, format=format, dpi=200, facecolor=background, metadata=metadata)
    return out.getvalue()


def key_of(*parts: str) -> str:
    """An id for a figure of these parts; names of models may hold anything."""
    return "f" + sha256("\0".join(parts).encode()).hexdigest()[:8]


def _themed(style: str, key: str) -> str:
    style = re.sub(r"font(-family)?:[^;]*;?", _font_size, style)
    style = style.replace("url(#", f"url(#{key}-")
    return re.sub(r"#[0-9a-f]{6}", _variable, style)


def _font_size(match: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", match[0])
    return f"font-size:{size[0]};" if size else ""


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}"


def _variable(match: re.Match[str]) -> str:
    return f"var({VARIABLES[match[0]]})" if match[0] in VARIABLES else match[0]
