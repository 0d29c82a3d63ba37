"""The command ``mteb-hybrid submit``: check results before they go to MTEB's repository."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.terminal import say


def submit(
    results: Annotated[
        Path,
        typer.Argument(help="Folder that `mteb-hybrid run --output-folder` names.", exists=True),
    ],
    prepare: Annotated[
        Path | None,
        typer.Option(
            help="If nothing stands in the way, copy results and metadata to this new folder, "
            "for `mteb submit-results --output-folder`."
        ),
    ] = None,
) -> None:
    """Check results for MTEB's results repository: names, revisions, subsets, metadata, paths.

    Sends nothing anywhere. Lists faults (exit status 1) and what is worth knowing.

    Example: mteb-hybrid submit results --prepare to-submit
    """
    from mteb_hybrid.export.upstream.submission import check_results
    from mteb_hybrid.export.upstream.submission import prepare as copy

    found = check_results(results)
    for finding in found:
        say(f"{'fault' if finding.is_fault else 'note '}  {finding.file}: {finding.problem}")
    faults = sum(finding.is_fault for finding in found)
    if faults:
        raise ValueError(f"{faults} fault(s) stand in the way of a submission")
    say("nothing stands in the way")
    if prepare:
        count = copy(results, prepare)
        say(f"{count} result file(s) in {prepare}; next: mteb submit-results "
                   f"--output-folder {prepare}")  # fmt: skip
