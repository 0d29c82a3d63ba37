"""The commands ``mteb-hybrid store``: what an embedding store holds, and what of it is to go."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import DataOption, terminal_width
from mteb_hybrid.commands.terminal import say

store_app = typer.Typer(
    no_args_is_help=True,
    help="Look after an embedding store: vectors that `mteb-hybrid run --store FOLDER`, or any "
    "`mteb run` where MTEB_HYBRID_STORE names the folder, encodes once and finds again.",
)

Folder = Annotated[Path, typer.Argument(help="The store.")]


@store_app.command("list")
def list_spaces(store: Folder) -> None:
    """List the models whose vectors are kept: revision, prompt, texts, width, type, size.

    A model stands there several times if it encoded in several ways: with other prompts or options,
    after it was changed, or on a machine that rounds otherwise. What is damaged is named below, and
    the status is 1; only `verify` reads everything.

    Example: mteb-hybrid store list vectors
    """
    from mteb_hybrid.results.text_table import Format, write_table
    from mteb_hybrid.scale.shard import StoreError
    from mteb_hybrid.scale.store import opened

    rows, damaged = [], []
    for space in opened(store).spaces:
        try:
            about, size = space.about, space.size
        except (StoreError, OSError) as error:
            damaged.append(error)
            continue
        shown = [about[key] for key in ("model", "revision", "prompt_type", "dimensions", "dtype")]
        rows.append(
            [space.folder.name[:8], *map(str, shown), f"{size.texts:,}", f"{size.bytes / 1e6:,.1f}"]
        )
    rows.sort(key=lambda row: (row[1:4], row[0]))
    head = ["space", "model", "revision", "prompt", "width", "type", "texts", "MB"]
    print(write_table(head, rows, Format.TEXT, terminal_width(), labels=4))
    for why in damaged:
        say(str(why), err=True)
    if damaged:
        raise typer.Exit(1)


@store_app.command()
def verify(store: Folder) -> None:
    """Read everything, and compare it with its checksums; status 1 if anything is damaged.

    Example: mteb-hybrid store verify vectors
    """
    from mteb_hybrid.scale.store import opened

    found = opened(store)
    damaged = list(found.damaged())
    for _, why in damaged:
        say(str(why), err=True)
    count = sum(len(space.shards) for space in found.spaces)
    say(f"{count:,} files, {len(damaged):,} damaged")
    if damaged:
        raise typer.Exit(1)


@store_app.command()
def prune(
    store: Folder,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Remove the vectors of this model, as `list` names it."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Of --model: remove only those of this revision.")
    ] = None,
    damaged: Annotated[
        bool,
        typer.Option(
            "--damaged",
            help="Remove the files that `verify` calls damaged; where that is space.json, all "
            "vectors beside it, as nothing says what made them.",
        ),
    ] = False,
) -> None:
    """Remove vectors: of a model, of one of its revisions, or damaged ones.

    Example: mteb-hybrid store prune vectors --model intfloat/multilingual-e5-small
    """
    from mteb_hybrid.scale.shard import StoreError
    from mteb_hybrid.scale.store import SPACE, opened

    if (model is None) == (not damaged) or (revision and not model):
        raise ValueError("name what is to go: --model, with --revision if you like, or --damaged")
    found = opened(store)
    if damaged:
        bad = list(found.damaged())
        files = [file for file, why in bad if isinstance(why, StoreError)]
        unsaid = [file.parent for file in files if file.name == SPACE]
        _remove(unsaid)
        for file in files:
            file.unlink(missing_ok=True)
        for _, why in bad:
            if not isinstance(why, StoreError):
                say(f"{why}: kept, as it may be whole", err=True)
        say(
            f"{len(files):,} files removed" + f", {len(unsaid):,} with all beside it" * bool(unsaid)
        )
        return
    spaces = [
        space
        for space in found.spaces
        if space.about["model"] == model and revision in (None, space.about["revision"])
    ]
    if not spaces:
        there = ", ".join(sorted({s.about["model"] for s in found.spaces})) or "nothing"
        what = f"{model}, revision {revision}" if revision else model
        raise ValueError(f"{store}: nothing of {what}; it has vectors of {there}")
    _remove([space.folder for space in spaces])
    say(f"{len(spaces):,} spaces removed")


def _remove(folders: list[Path]) -> None:
    if links := [folder for folder in folders if folder.is_symlink()]:
        raise ValueError(
            f"{links[0]}: is a link to {links[0].readlink()}; remove it, and what it leads to if "
            "nothing else needs that"
        )
    for folder in folders:
        shutil.rmtree(folder)


@store_app.command("export")
def export_vectors(
    store: Folder,
    collection: Annotated[str, typer.Argument(help="A collection, such as xquad-r.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A model, as `list` names it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    revision: Annotated[str | None, typer.Option(help="A revision of it.")] = None,
    data: DataOption = None,
) -> None:
    """Write a collection's vectors with their ids: NumPy files, and Parquet.

    `queries.npy` and `passages.npy` hold a row for each id of `queries.parquet` and
    `passages.parquet`, which have the language and the vector too, for FAISS, Qdrant and Lance.

    Example: mteb-hybrid store export vectors xquad-r -m intfloat/multilingual-e5-small -o e5
    """
    import os

    from mteb_hybrid.cards.catalogue import collection_card
    from mteb_hybrid.files.places import DATA_VARIABLE
    from mteb_hybrid.scale.export import export_collection
    from mteb_hybrid.scale.store import opened
    from mteb_hybrid.sources import load_collection

    if data:
        os.environ[DATA_VARIABLE] = str(data)
    texts = load_collection(collection_card(collection))
    for file in export_collection(opened(store), texts, model, revision, output):
        say(str(file))
