"""The commands ``mteb-hybrid models``: own models that MTEB knows by name, and their cards."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mteb_hybrid.commands.options import checked_folder
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.languages.codes import check_language_code

models_app = typer.Typer(
    no_args_is_help=True,
    help="Make MTEB know your models by name: `mteb run -m org/name` in any process.",
)


@models_app.command("list")
def list_models() -> None:
    """List the registered models: name, revision and folder.

    Example: mteb-hybrid models list
    """
    from mteb_hybrid.models.registry import Entry, read_entries

    for name, entry in read_entries():
        if isinstance(entry, Entry):
            gone = "" if entry.folder.is_dir() else "  (gone)"
            say(f"{name}  {entry.meta.revision}  {entry.folder}{gone}")
        else:
            say(f"{name}  {entry}")


@models_app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="org/name, as `mteb-hybrid models list` has it.")],
) -> None:
    """Show what MTEB is told of a registered model.

    Example: mteb-hybrid models show me/e5-hybrid
    """
    from mteb_hybrid.models.registry import read_entry

    entry = read_entry(name)
    say(f"folder: {entry.folder}")
    for key, value in sorted(entry.meta.to_dict().items()):
        if value not in (None, [], {}):
            say(f"{key}: {value}")


@models_app.command("add")
def add_model(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder of a model, as save_pretrained wrote it.",
            exists=True,
            file_okay=False,
            callback=checked_folder,
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", "-n", help="org/name, by which MTEB is to know it.")
    ],
    languages: Annotated[
        list[str] | None,
        typer.Option(
            "--language",
            "-l",
            help="Language that it is for, such as deu-Latn; may be repeated.",
        ),
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
    license: Annotated[
        str | None, typer.Option(help="Licence of the model, such as apache-2.0.")
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="The commit of these files on the hub, 40 hex digits, which results need that "
            "are to be submitted; by default a hash of the files."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an entry of that name.")
    ] = False,
) -> None:
    """Register a model folder as org/name, at a revision that is a hash of its files or given.

    For a model that `mteb-hybrid train` made, everything is known from its run.

    Example: mteb-hybrid models add runs/e5-small-offline-hybrid/model --name me/e5-hybrid
    """
    codes = [check_language_code(code) for code in languages] if languages else None

    from mteb_hybrid.models.registry import add_model as add

    fields: dict[str, Any] = {"languages": codes, "adapted_from": base, "license": license}
    fields = {key: value for key, value in fields.items() if value}
    if trained_on:
        fields["training_datasets"] = set() if trained_on == ["none"] else set(trained_on)
    meta = add(folder, name, fields, revision=revision, replace=replace)
    say(f"{name} at revision {meta.revision}: mteb run -m {name} -t ...")


@models_app.command("remove")
def remove_model(
    name: Annotated[str, typer.Argument(help="org/name, as `mteb-hybrid models list` has it.")],
) -> None:
    """Forget a model; its folder stays.

    Example: mteb-hybrid models remove me/e5-hybrid
    """
    from mteb_hybrid.models.registry import remove_model as remove

    remove(name)
    say(f"{name} is no longer registered")


@models_app.command("card")
def write_card(
    model: Annotated[
        str, typer.Argument(help="A registered name, a model folder, or a model that MTEB has.")
    ],
    results: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of MTEB results, to show this model's; may be repeated."),
    ] = None,
    output_folder: Annotated[
        Path | None,
        typer.Option(
            "--output-folder",
            "-o",
            help="Where to write the card of a model that is no folder of yours.",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Write a model's card, README.md, with its recipe, its results and their pictures.

    `mteb-hybrid train` writes one without results. Only our part of a card and the hub's metadata
    are written anew, and the model's revision stays as it is. Needs the extra `report`.

    Example: mteb-hybrid models card me/e5-hybrid --results results
    """
    from mteb_hybrid import plugin
    from mteb_hybrid.models.registry import find_model

    plugin.register()
    folder, meta = find_model(model)
    target = folder or output_folder
    if target is None or (folder and output_folder):
        raise ValueError(
            f"{model} has a folder, {folder}, and its card belongs there; leave out --output-folder"
            if folder
            else f"{model} is no folder of yours; name one for its card with --output-folder"
        )
    try:
        from mteb_hybrid.model_card.card import write_card as write
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(
            f'a model card needs {missing}, of an extra: pip install "mteb-hybrid[report]"'
        ) from error
    say(f"Card: {write(target, meta, results or ())}")
