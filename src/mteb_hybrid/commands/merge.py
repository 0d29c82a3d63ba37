"""The command ``mteb-hybrid merge``."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import IgnoreIdenticalIdsOption, SubsetOption
from mteb_hybrid.commands.terminal import say


def merge(
    run: Annotated[
        list[str],
        typer.Option(
            help="A ranking: TREC run, BEIR run (JSON) or MTEB predictions. One of all languages, "
            "or LANGUAGE=FILE for each language."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="TREC run, or BEIR run if it ends in .json.")
    ],
    languages: Annotated[
        Path | None,
        typer.Option(
            help="Language of every document, for one run of all languages: two columns, JSON, or "
            "a BEIR corpus (JSON lines) with a column 'language'.",
            dir_okay=False,
        ),
    ] = None,
    how: Annotated[
        str,
        typer.Option(
            "--how",
            help="best-M (as best-10), z-score, round-robin, or none (scores stay as they are).",
        ),
    ] = "best-10",
    subset: SubsetOption = None,
    ignore_identical_ids: IgnoreIdenticalIdsOption = False,
) -> None:
    """Merge results of several languages into one ranking, with scores made comparable.

    best-10 subtracts, from each score, the mean of the query's ten best in that language. No
    judgments are used.

    Example: mteb-hybrid merge --run de=de.trec --run en=en.trec -o merged.trec
    """
    from mteb_hybrid.repair.merge_files import check_output, read_and_merge, write_run

    check_output(output, run, languages)
    merged = read_and_merge(run, languages, how, subset, ignore_identical_ids)
    write_run(merged, output, how)
    documents = sum(map(len, merged.values()))
    say(f"{output}: {len(merged)} queries, {documents} documents, merged by {how}")
