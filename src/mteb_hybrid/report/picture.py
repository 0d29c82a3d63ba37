"""A figure of a report, with what belongs to it."""

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from mteb_hybrid.report import svg
from mteb_hybrid.report.style import WIDTH
from mteb_hybrid.report.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure with its caption and its numbers.

    Attributes:
        file: Its name among files, without suffix.
        caption: What it shows.
        figure: The figure.
        numbers: The same as a table.
        about: How to read it, and what stands out.
    """

    file: str
    caption: str
    figure: Figure
    numbers: Table
    about: str = ""

    @property
    def wide(self) -> int:
        """CSS pixels of a figure that a telephone cannot show whole; 0 of all others."""
        width = self.figure.get_figwidth()
        return round(96 * width) if width > WIDTH else 0

    @property
    def svg(self) -> Markup:
        """The figure as an element of the page; made here, with every text escaped."""
        text = svg.inline(
            *(self.figure, svg.key_of(self.file), self.caption),
            f"{self.about} The numbers are in the table below the figure.".strip(),
        )
        return Markup(text)  # noqa: S704
