"""The report: one HTML page that needs nothing else, and its figures and tables as files."""

import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mteb_hybrid.files.whole import whole
from mteb_hybrid.pages.templates import render
from mteb_hybrid.repair.record import Record
from mteb_hybrid.report import svg, tables
from mteb_hybrid.report.chapters import Chapter, chapters
from mteb_hybrid.report.glossary import GROUPS, words
from mteb_hybrid.report.repairs import RepairChapter, fitted_on, repair_chapters
from mteb_hybrid.results.summary import Summary
from mteb_hybrid.results.text_table import Format


def write_report(
    summary: Summary,
    output: Path,
    figure_folder: Path | None = None,
    table_folder: Path | None = None,
    repairs: Sequence[Record] = (),
    command: str = "",
    explorer: str = "",
) -> None:
    """Write a report; every file is put in place only when it is whole.

    Its footer has the day, UTC: that of ``SOURCE_DATE_EPOCH`` where it is set, so that the same
    results give the same bytes.

    Args:
        summary: What `summarise` returned.
        output: The HTML page.
        figure_folder: Where to write the figures as SVG and PNG too.
        table_folder: Where to write the tables as Markdown and LaTeX too.
        repairs: What the folders of repaired models tell of their repairs.
        command: What the footer says that the page was made with.
        explorer: Address of an explorer of the same results, relative to the page, to link to.

    Raises:
        ValueError: If ``SOURCE_DATE_EPOCH`` is no number of seconds.
    """
    found = [
        replace(chapter, notes=[*fitted_on(repairs, chapter.card), *chapter.notes])
        for chapter in chapters(summary)
    ]
    repaired = repair_chapters(repairs)
    html = page(summary, found, repaired, command, _today(), explorer)
    with whole(output, follow=True) as part:
        part.write_bytes(html.encode())
    parts: list[Chapter | RepairChapter] = [*found, *repaired]
    for chapter in parts:
        for picture in chapter.pictures if figure_folder else ():
            for format in ("svg", "png"):
                file = Path(figure_folder or "", f"{picture.file}.{format}")
                _write(file, svg.file_bytes(picture.figure, format))
        for name, table in chapter.tables if table_folder else ():
            for suffix, kind in (("md", Format.MARKDOWN), ("tex", Format.LATEX)):
                file = Path(table_folder or "", f"{name}.{suffix}")
                _write(file, table.text(kind).encode())


def page(
    summary: Summary,
    found: list[Chapter],
    repaired: Sequence[RepairChapter] = (),
    command: str = "",
    day: str = "",
    explorer: str = "",
) -> str:
    """The HTML page. It refers to nothing outside itself, and runs no script."""
    names: set[str] = set().union(*(chapter.measures for chapter in found))
    shown = [about for about in words().values() if about.name in names]
    return render(
        Path(__file__).parent,
        "page.html.jinja",
        chapters=found,
        # The first of them is what the page begins with.
        messages=sorted((chapter.message for chapter in found), key=lambda m: m.picture is None),
        repairs=repaired,
        measures=[
            (title, [about for about in shown if about.group == group])
            for group, (title, _) in GROUPS.items()
        ],
        titles={about.name: about.title for about in shown},
        commands=tables.commands(summary),
        environment=tables.environment(summary),
        languages=tables.languages(summary),
        version=importlib.metadata.version("mteb-hybrid"),
        command=command,
        day=day,
        explorer=explorer,
    )


def _today() -> str:
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not seconds:
        return f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"SOURCE_DATE_EPOCH is {seconds!r}; expected seconds since 1970, such as 1795234295. "
            "Set it to a number, or unset it."
        ) from None


def _write(file: Path, content: bytes) -> None:
    with whole(file) as part:
        part.write_bytes(content)
