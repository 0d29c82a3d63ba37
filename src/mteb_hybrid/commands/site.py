"""``mteb-hybrid site``."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.terminal import say


def site(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of MTEB results of any number of models; on each collection the first is "
            "the baseline of all others."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder, as GitHub Pages takes it.")
    ] = Path("site"),
    title: Annotated[
        str | None, typer.Option(help="Heading of the site; kept for the next call.")
    ] = None,
) -> None:
    """Write a site of results: a table of all models, pages for each, data and a feed.

    It asks nothing of any server, and works from a file too. The same command with further results
    adds to what is there; what the folder holds beside the site stays. Needs the extra `report`.

    Example: mteb-hybrid site results -o site --title "Our models"
    """
    try:
        from mteb_hybrid.site.publish import write_site
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(
            f'a site needs {missing}, of an extra: pip install "mteb-hybrid[report]"'
        ) from error
    shown = write_site(results, output, title)
    say(f"Site: {output / 'index.html'} (models on it: {len(shown.models)})")
