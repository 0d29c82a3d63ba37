"""``mteb-hybrid report``."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from mteb_hybrid.commands.terminal import say
from mteb_hybrid.files.command_line import publishable


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of MTEB results, of one to about eight models; others are compared with "
            "the first."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML page.")] = Path(
        "report.html"
    ),
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the figures, as SVG and PNG.")
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Folder for the tables, as Markdown and LaTeX.")
    ] = None,
    repair: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder that `mteb-hybrid repair` wrote: adds where the bias sits in the vectors, "
            "before and after, and how the strength was chosen. May be repeated."
        ),
    ] = None,
    explorer: Annotated[
        Path | None,
        typer.Option(help="Folder that `mteb-hybrid explore` wrote of these results: links to it."),
    ] = None,
) -> None:
    """Write a report as one HTML page that needs nothing else: tables, heat maps, tests.

    It has what the results have: the bias measures need results of this version, intervals and
    tests values per query, which `mteb-hybrid run` keeps. It begins with each model's way from a
    search in one language to one in all. With two models or more it shows what each gains in the
    pool and loses within languages, and an arrow from a model to the one that was repaired, trained
    or merged from it. SOURCE_DATE_EPOCH sets the day in its footer. Needs the extra `report`.

    Example: mteb-hybrid report results -o report.html --repair repaired
    """
    from mteb_hybrid.repair.record import read_record
    from mteb_hybrid.results.results import load_results
    from mteb_hybrid.results.summary import summarise

    if explorer and not (explorer / "index.html").is_file():
        raise ValueError(
            f"{explorer}: has no index.html; make it with `mteb-hybrid explore RESULTS -o "
            f"{explorer}`"
        )
    records = [read_record(folder) for folder in repair or ()]
    summary = summarise(load_results(results))
    try:
        from mteb_hybrid.report.page import write_report
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(
            f'a report needs {missing}, of an extra: pip install "mteb-hybrid[report]"'
        ) from error
    given = {
        "--figures": [figures],
        "--tables": [tables],
        "--repair": repair or (),
        "--explorer": [explorer],
    }
    options = [
        str(x) for name, paths in given.items() for path in paths if path for x in (name, path)
    ]
    command = ["mteb-hybrid", "report", *map(str, results), "-o", str(output), *options]
    link = ""
    if explorer:
        place = os.path.relpath(explorer.resolve() / "index.html", output.resolve().parent)
        link = quote(Path(place).as_posix())
    write_report(summary, output, figures, tables, records, publishable(command), link)
    say(f"Report: {output}")
