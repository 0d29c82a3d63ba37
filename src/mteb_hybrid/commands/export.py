"""The command ``mteb-hybrid export``."""

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.cards.rewritten import RewrittenCard
from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name, translated_views
from mteb_hybrid.commands.options import PassageLanguageOption, QueryLanguageOption, SettingOption
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.retrieval.views import Setting, View


class ExportFormat(StrEnum):
    """What to write."""

    BEIR = "beir"
    TREC = "trec"
    HUB = "hub"
    MTEB = "mteb"


def export(
    collection: Annotated[
        str, typer.Argument(help="A collection (xquad-r: all settings) or the name of a task.")
    ],
    format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            "-f",
            help="beir or trec: one folder per subset. hub: the whole collection as Parquet with "
            "a data set card. mteb: its tasks as a proposal to MTEB, see docs/upstream.md.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder; COLLECTION/SETTING/SUBSET is made in it."),
    ],
    setting: SettingOption = None,
    query_language: QueryLanguageOption = None,
    passage_language: PassageLanguageOption = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="MTEB predictions, to be written as TREC runs beside the subsets that they rank.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="ORG/NAME",
            help="For --format mteb: the data set on the Hugging Face hub that --format hub wrote.",
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="SHA", help="For --format mteb: its commit.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder that holds the collections' files; overrides {DATA_VARIABLE}.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace folders that hold other files, with all of them."
        ),
    ] = False,
) -> None:
    """Write a collection for other programs: beir, pyserini, ranx, ir_measures, the hub, MTEB.

    The same export twice gives the same bytes; folders that are already there are left alone.

    Example: mteb-hybrid export xquad-r -f beir -o exports --setting multilingual
    """
    from mteb_hybrid.evaluation.select import select_tasks
    from mteb_hybrid.files.errors import ExportError

    if data:  # first, as translated queries are there too
        os.environ[DATA_VARIABLE] = str(data)
    selected = select_tasks(
        [collection], setting or (), query_language or (), passage_language or ()
    )
    if run and format is not ExportFormat.TREC:
        raise ExportError("--run is for --format trec; leave one of them out")
    if format is ExportFormat.HUB and (
        setting or query_language or passage_language or collection in selected
    ):
        raise ExportError(
            "--format hub exports whole collections, so that texts are stored once; name a "
            "collection, such as xquad-r, and leave out --setting and the languages"
        )
    if format is not ExportFormat.MTEB and (dataset or revision):
        raise ExportError("--dataset and --revision are for --format mteb; leave them out")
    card, _ = tasks_by_name()[next(iter(selected))]
    if format in (ExportFormat.HUB, ExportFormat.MTEB) and isinstance(card, RewrittenCard):
        raise ExportError(
            f"{card.file.stem} has rewritten queries, which are made where they are used; --format "
            f"{format} is for {card.of.file.stem}, and beir and trec are for this one"
        )
    if format is ExportFormat.MTEB and (query_language or passage_language):
        raise ExportError("--format mteb proposes whole tasks; leave out the languages")
    if format is ExportFormat.MTEB:
        folder = _propose(list(selected), dataset, revision, output, overwrite)
        say(f"{folder}: {', '.join(selected)}; what is left to do: {folder / 'STEPS.md'}")
        return
    wanted = [
        (task_setting, task_views(card, task_setting)[subset])
        for task, subsets in selected.items()
        for card, task_setting in [tasks_by_name()[task]]
        for subset in subsets
        if format is not ExportFormat.HUB or subset not in translated_views(card)
    ]
    if not wanted:
        raise ExportError(
            f"{collection} has translated queries only, and --format hub leaves them out, as they "
            "are no part of the data set; write them with --format beir or trec"
        )
    folder = _write(next(iter(selected)), format, output, wanted, run, overwrite)
    say(f"{folder}: {len(wanted)} subset{'s' if len(wanted) > 1 else ''}")
    if format is ExportFormat.TREC:
        place = folder.joinpath(wanted[0][0], wanted[0][1].name)
        say(f"measure its bias with: {_bias_command(place, card.source.queries_are_passages)}")


def _bias_command(place: Path, queries_are_passages: bool) -> str:
    """The command that reads an exported folder as the task does."""
    options = {
        "--run": "run.txt",
        "--qrels": "qrels.txt",
        "--languages": "languages.tsv",
        "--query-languages": "query-languages.tsv",
        "--groups": "groups.tsv",
    }
    # A folder without rankings is for those of another program.
    given = [x for x in options.items() if x[0] == "--run" or (place / x[1]).exists()]
    own = ["--ignore-identical-ids"] if queries_are_passages else []
    words = ["mteb-hybrid", "bias", *(word for option in given for word in option), *own]
    return f"cd {shlex.quote(str(place))} && {shlex.join(words)}"


def _propose(
    tasks: list[str], dataset: str | None, revision: str | None, output: Path, overwrite: bool
) -> Path:
    from mteb_hybrid.export.upstream.proposal import export_upstream
    from mteb_hybrid.files.errors import ExportError

    if not dataset or not revision:
        raise ExportError(
            "--format mteb needs --dataset ORG/NAME and --revision SHA: write the data set with "
            "--format hub, upload it, and give its name and commit (see docs/upstream.md)"
        )
    card, _ = tasks_by_name()[tasks[0]]
    settings = [tasks_by_name()[task][1] for task in tasks]
    folder = output / card.file.stem
    export_upstream(card, settings, dataset, revision, folder, overwrite=overwrite)
    return folder


def _write(
    task: str,
    format: ExportFormat,
    output: Path,
    wanted: list[tuple[Setting, View]],
    predictions: Path | None,
    overwrite: bool,
) -> Path:
    from mteb_hybrid.export.beir import export_beir
    from mteb_hybrid.export.hub import export_hub
    from mteb_hybrid.export.trec import export_trec
    from mteb_hybrid.files.errors import ExportError
    from mteb_hybrid.files.predictions import read_predictions
    from mteb_hybrid.sources import load_collection
    from mteb_hybrid.sources.translated import with_translated_queries

    card, _ = tasks_by_name()[task]
    collection = load_collection(card)
    folder = output / card.file.stem
    if format is ExportFormat.HUB:
        export_hub(collection, card, folder, overwrite=overwrite)
        return folder
    runs = (
        read_predictions(
            predictions, card.split, {data_revision(card, setting) for setting, _ in wanted}
        )
        if predictions
        else {}
    )
    missing = [view.name for _, view in wanted if view.name not in runs] if predictions else []
    if missing:
        raise ExportError(
            f"{predictions}: ranks the subsets {', '.join(runs)}; expected {', '.join(missing)} "
            "too. Choose with --setting and --query-language, or name the task."
        )
    by_setting = dict.fromkeys((setting for setting, _ in wanted), collection)
    if Setting.CROSSLINGUAL in by_setting:  # translated queries are asked in no other
        by_setting[Setting.CROSSLINGUAL] = with_translated_queries(collection, card)
    for setting, view in wanted:
        place, source = folder / setting / view.name, by_setting[setting]
        match format:
            case ExportFormat.BEIR:
                export_beir(source, view, place, overwrite=overwrite)
            case ExportFormat.TREC:
                export_trec(source, view, place, runs.get(view.name), overwrite=overwrite)
            case _:
                raise NotImplementedError(f"no export as {format}")
    return folder
