"""``mteb-hybrid explore``."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import DataOption
from mteb_hybrid.commands.terminal import say


def explore(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders of MTEB results, of one model or more, on one collection."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the page.")] = Path(
        "explore"
    ),
    task: Annotated[
        str | None,
        typer.Option(
            "--task", "-t", help="A collection or task, where there are results of several."
        ),
    ] = None,
    with_text: Annotated[
        bool | None,
        typer.Option(
            "--with-text/--without-text",
            help="Whether texts are on the page; by default if the collection's licence lets "
            "them be passed on.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a folder that holds anything but an explorer."),
    ] = False,
) -> None:
    """Write a page to look at every query with: its answers' ranks, and what stands above them.

    It shows the multilingual setting, of which `mteb-hybrid run` keeps the first passages of each
    ranking. Open index.html in the folder; it needs no server and no network. Needs the extra
    `report`.

    Example: mteb-hybrid explore results -o explore
    """
    import os

    from mteb_hybrid.explore.shown import shown
    from mteb_hybrid.explore.texts import texts_of
    from mteb_hybrid.files.places import DATA_VARIABLE
    from mteb_hybrid.results.results import load_results

    if data:
        os.environ[DATA_VARIABLE] = str(data)
    found = shown(load_results(results), task)
    texts = texts_of(next(iter(found.evaluations.values())), with_text)
    try:
        from mteb_hybrid.explore.page import write_explorer
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(
            f'the page needs {missing}, of an extra: pip install "mteb-hybrid[report]"'
        ) from error
    write_explorer(found, texts, output, overwrite=overwrite)
    for note in filter(None, [*found.lacking, texts.why_none]):
        say(note, err=True)
    say(f"Page: {output / 'index.html'}")
