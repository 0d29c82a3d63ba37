"""The commands ``mteb-hybrid models`` and ``mteb-hybrid submit``: own models, own results."""

from pathlib import Path
from typing import Annotated, Any

import typer

models_app = typer.Typer(
    no_args_is_help=True,
    help="Make MTEB know your models by name: `mteb run -m org/name` in any process.",
)


@models_app.command("list")
def list_models() -> None:
    """List the registered models and their folders."""
    from mteb_hybrid.registry import read_entry, registered

    for name in registered():
        folder, meta = read_entry(name)
        gone = "" if folder.is_dir() else "  (gone)"
        typer.echo(f"{name}  {meta.revision}  {folder}{gone}")


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument(help="org/name")]) -> None:
    """Show what MTEB is told of a model."""
    from mteb_hybrid.registry import read_entry

    folder, meta = read_entry(name)
    typer.echo(f"folder: {folder}")
    for key, value in sorted(meta.to_dict().items()):
        if value not in (None, [], {}):
            typer.echo(f"{key}: {value}")


@models_app.command("add")
def add_model(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a model.", exists=True, file_okay=False)
    ],
    name: Annotated[str, typer.Option("--name", "-n", help="org/name")],
    languages: Annotated[
        list[str] | None,
        typer.Option("--language", help="Such as deu-Latn; may be repeated."),
    ] = None,
    trained_on: Annotated[
        list[str] | None,
        typer.Option(
            "--trained-on",
            help="MTEB's name of a task on whose texts it was trained, for the zero-shot flags; "
            "may be repeated. 'none' if there is none; left out, it stays unknown.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Model that it was fine-tuned from, as MTEB names it.")
    ] = None,
    license: Annotated[str | None, typer.Option(help="Such as apache-2.0.")] = None,
    replace: Annotated[bool, typer.Option(help="Replace an entry of that name.")] = False,
) -> None:
    """Register a model folder as org/name, at a revision that is a hash of its files.

    For a model that `mteb-hybrid train` made, everything is known from its run.

    Example: mteb-hybrid models add runs/e5-small-offline-hybrid/model --name me/e5-hybrid
    """
    from mteb_hybrid.registry import add_model as add

    fields: dict[str, Any] = {"languages": languages, "adapted_from": base, "license": license}
    fields = {key: value for key, value in fields.items() if value}
    if trained_on:
        fields["training_datasets"] = set() if trained_on == ["none"] else set(trained_on)
    meta = add(folder, name, fields, replace=replace)
    typer.echo(f"{name} at revision {meta.revision}: mteb run -m {name} -t ...")


@models_app.command("remove")
def remove_model(name: Annotated[str, typer.Argument(help="org/name")]) -> None:
    """Forget a model; its folder stays."""
    from mteb_hybrid.registry import remove_model as remove

    remove(name)
    typer.echo(f"{name} is no longer registered")


def submit(
    results: Annotated[
        Path, typer.Argument(help="Results folder, as in --output-folder.", exists=True)
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
    from mteb_hybrid.submit import check_results
    from mteb_hybrid.submit import prepare as copy

    found = check_results(results)
    for finding in found:
        typer.echo(f"{'fault' if finding.is_fault else 'note '}  {finding.file}: {finding.problem}")
    faults = sum(finding.is_fault for finding in found)
    if faults:
        raise ValueError(f"{faults} fault(s) stand in the way of a submission")
    typer.echo("nothing stands in the way")
    if prepare:
        count = copy(results, prepare)
        typer.echo(f"{count} result file(s) in {prepare}; next: mteb submit-results "
                   f"--output-folder {prepare}")  # fmt: skip
