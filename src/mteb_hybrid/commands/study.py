"""The commands ``mteb-hybrid study``: research questions, run and answered."""

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.commands.options import DataOption, terminal_width
from mteb_hybrid.commands.terminal import again, complain, goes_on, say, told_when_stopped
from mteb_hybrid.files.places import DATA_VARIABLE

if TYPE_CHECKING:
    from mteb_hybrid.studies.order import Work
    from mteb_hybrid.studies.plan import Run
    from mteb_hybrid.studies.store import Store
    from mteb_hybrid.studies.study import Study

study_app = typer.Typer(
    no_args_is_help=True,
    help="Run and answer research questions: models, trained and repaired in several ways, with "
    "several seeds, on several collections. What is trained and evaluated is kept in a store by "
    "what made it, and shared by all studies.",
)


STORE = Path("study-runs")


class BudgetName(StrEnum):
    """How much is run."""

    SMOKE = "smoke"
    SMALL = "small"
    PAPER = "paper"


class Models(StrEnum):
    """What becomes of weights."""

    KEEP = "keep"
    REMOVE = "remove"


StudyArgument = Annotated[
    str, typer.Argument(help="A TOML file, or one of `mteb-hybrid study list`.")
]
BudgetOption = Annotated[
    BudgetName,
    typer.Option(
        help="smoke tries it on the sample; small is for real data and two cores; paper, for the "
        "published models and data."
    ),
]
StoreOption = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Where models and results are kept.")
]
ConditionOption = Annotated[
    list[str] | None,
    typer.Option(help="Only this condition, as `study show` names it; may be repeated."),
]
SeedOption = Annotated[list[int] | None, typer.Option(help="Only this seed; may be repeated.")]


@study_app.command("list")
def list_studies() -> None:
    """List the studies that ship with the package.

    Example: mteb-hybrid study list
    """
    from mteb_hybrid.studies.catalogue import read_study, shipped_studies

    for name, file in shipped_studies().items():
        study = read_study(file)
        say(f"{name}: {study.title} ({', '.join(study.budgets)})")


@study_app.command("show")
def show_study(study: StudyArgument) -> None:
    """Describe a study: its question, conditions, claims and budgets.

    Example: mteb-hybrid study show monolingual-degradation
    """
    from mteb_hybrid.studies.catalogue import read_study
    from mteb_hybrid.studies.describe import described

    say(*described(read_study(study)))


@study_app.command("run")
def run_study(
    study: StudyArgument,
    budget: BudgetOption,
    store: StoreOption = STORE,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Runs side by side, in processes of one thread each; a single one uses all.",
        ),
    ] = 1,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show data, models, steps and hours, and neither train nor evaluate."
        ),
    ] = False,
    condition: ConditionOption = None,
    seed: SeedOption = None,
    models: Annotated[
        Models,
        typer.Option(
            help="Remove the weights of a run once this study has all of its results; whoever "
            "needs them later trains it again."
        ),
    ] = Models.KEEP,
    data: DataOption = None,
) -> None:
    """Train, repair and evaluate what a study compares, as far as it is not there yet.

    Can be stopped at any time, in any way: the same command goes on, and given again at the end it
    does nothing. Every run has a log, in logs/ of the store. Training needs the extra `train`.

    Example: mteb-hybrid study run monolingual-degradation --budget paper --dry-run

    Example: mteb-hybrid study run monolingual-degradation --budget small --jobs 2
    """
    from mteb_hybrid.studies.catalogue import find_study
    from mteb_hybrid.studies.order import works
    from mteb_hybrid.studies.progress import unfinished
    from mteb_hybrid.studies.store import Store

    read, runs = _runs(study, budget, data, condition, seed, planned=dry_run)
    kept, all_works = Store(store), works(runs)
    left = unfinished(all_works, kept)
    if dry_run:
        _dry_run(f"{read.title}, {budget}", all_works, left, kept, jobs)
        return
    kept.ask(_name(study), budget.value, runs)
    done = len(all_works) - len(left)
    if left:
        there = f", {done} of them complete" if done else ""
        say(f"{read.title}, {budget}: {len(all_works)} run{'s' * (len(all_works) > 1)}{there}")
        for work in left:
            if kept.is_removed(work.run):
                say(f"{work.label}: its weights are not kept here; they are made again")
        from mteb_hybrid.studies.told import Told

        with told_when_stopped(goes_on):
            failed = Told(find_study(study), budget.value, kept, jobs).run(
                all_works, left, remove=models is Models.REMOVE
            )
        if failed:
            complain(f"{failed} of {len(all_works)} runs failed; mend that, and go on: {again()}")
            raise typer.Exit(1)
    else:
        every = f"All {len(all_works)} runs are" if len(all_works) > 1 else "The run is"
        say(f"{every} complete; nothing to do.")
        if models is Models.REMOVE:
            for work in all_works:
                kept.remove_weights(work.run.key)
    say(f"Read the answer: {_command('report', study, budget, store, data)} -o REPORT")


@study_app.command("status")
def study_status(
    study: StudyArgument,
    budget: BudgetOption,
    store: StoreOption = STORE,
    condition: ConditionOption = None,
    seed: SeedOption = None,
    data: DataOption = None,
) -> None:
    """Show how far a study is: the runs, what they cost, what is missing, and how to go on.

    Example: mteb-hybrid study status monolingual-degradation --budget small
    """
    from mteb_hybrid.studies.plan import runs as all_runs
    from mteb_hybrid.studies.status import outdated, states, table
    from mteb_hybrid.studies.store import Store

    read, runs = _runs(study, budget, data, condition, seed)
    kept = Store(store)
    found = states(runs, kept)
    print(table(found, kept, terminal_width()))
    missing = [state for state in found if state.missing]
    say("", f"{len(found) - len(missing)} of {len(found)} runs are complete.")
    if any(kept.costs(run.key) for run in runs):
        say("Hours: of all trainings of a model and of its whole tasks, for other studies too.")
    old = outdated(_name(study), budget, all_runs(read, budget.value), kept)
    if old:
        more = ", ..." if len(old) > 5 else ""
        say(
            "Not used, as they are of another version of this study, its recipes or data: "
            f"{len(old)} ({', '.join(old[:5])}{more})."
        )
    if not store.exists():
        say(f"{store}: there is no store here yet; another is named by --store.")
    if missing:
        chosen = [f"--condition={name}" for name in condition or ()]
        chosen += [f"--seed={number}" for number in seed or ()]
        go_on = _command("run", study, budget, store, data, *chosen)
        say(f"{'Go on' if store.exists() else 'Begin'}: {go_on}")
    if any(kept.results_of(run).is_dir() for run in runs):
        say(f"Read the answer: {_command('report', study, budget, store, data)} -o REPORT")


@study_app.command("report")
def report_study(
    study: StudyArgument,
    budget: BudgetOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the report; an earlier one goes.")
    ],
    store: StoreOption = STORE,
    data: DataOption = None,
) -> None:
    """Answer a study from the results in its store: words, tables and figures, in one folder.

    It can be written before all runs are complete, and says what is missing. The same results give
    the same bytes. Needs the extra `report`.

    Example: mteb-hybrid study report monolingual-degradation --budget small -o answer
    """
    from mteb_hybrid.studies.report import write_report

    read, _ = _runs(study, budget, data)
    say(f"{write_report(read, study, budget.value, store, output)}: {read.title}")


@study_app.command("pack")
def pack_study(
    study: StudyArgument,
    budget: BudgetOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the archives.")
    ],
    store: StoreOption = STORE,
    data: DataOption = None,
) -> None:
    """Pack the results of a study without its models, to publish them beside its report.

    Each run is an archive of its own, KEY.zip, so studies that share runs share archives. Whoever
    takes them in with `study unpack` can write the report, and go on with what is missing.

    Example: mteb-hybrid study pack monolingual-degradation --budget small -o packed
    """
    from mteb_hybrid.studies.catalogue import read_study, shipped_studies
    from mteb_hybrid.studies.pack import pack
    from mteb_hybrid.studies.store import Store

    read, runs = _runs(study, budget, data)
    studies = [read, *map(read_study, shipped_studies().values())]
    measures = {"map", *(claim.measure for one in studies for claim in one.claims)}
    packed = pack(runs, Store(store), output, measures)
    size = sum(file.stat().st_size for file in packed)
    of = len({run.key for run in runs})
    say(f"{output}: results of {len(packed)} of {of} runs, {size:,} bytes")


@study_app.command("unpack")
def unpack_study(
    folder: Annotated[Path, typer.Argument(help="What `study pack` wrote.", metavar="FOLDER")],
    store: StoreOption = STORE,
) -> None:
    """Take packed results into a store, for reports, and to go on with what is missing.

    Runs of which the store has results stay as they are.

    Example: mteb-hybrid study unpack packed --store study-runs
    """
    from mteb_hybrid.studies.pack import unpack
    from mteb_hybrid.studies.store import Store

    taken, lacking = unpack(folder, Store(store))
    say(f"{store}: took in the results of {len(taken)} runs")
    for results, tasks in lacking.items():
        say(
            f"{results}: stays as it is, and its archive has more: {', '.join(tasks)}. To have "
            "that, move this folder away, and unpack again"
        )


def _dry_run(
    title: str, works: "list[Work]", left: "list[Work]", store: "Store", jobs: int
) -> None:
    from mteb_hybrid.studies.dry_run import DryRun

    if jobs > 1:
        import torch

        torch.set_num_threads(1)
    say(title)
    for what, how in DryRun(works, left, store, jobs).lines():
        say(f"  {what:<12} {how}")


def _name(study: str) -> str:
    return Path(study).stem


def _command(
    name: str, study: str, budget: BudgetName, store: Path, data: Path | None, *chosen: str
) -> str:
    words = ["mteb-hybrid", "study", name, study, "--budget", budget.value]
    if store != STORE:
        words += ["--store", str(store)]
    if data:
        words += ["--data", str(data)]
    return shlex.join([*words, *chosen])


def _runs(
    study: str,
    budget: BudgetName,
    data: Path | None,
    conditions: list[str] | None = None,
    seeds: list[int] | None = None,
    *,
    planned: bool = False,
) -> "tuple[Study, list[Run]]":
    """A study, and the runs of it that were asked for."""
    if data:
        os.environ[DATA_VARIABLE] = str(data.absolute())
    from mteb_hybrid.languages.near import did_you_mean
    from mteb_hybrid.studies.catalogue import read_study
    from mteb_hybrid.studies.plan import runs

    read = read_study(study, budget.value, planned=planned)
    found = runs(read, budget.value, planned=planned)
    names = dict.fromkeys(name for one in read.conditions for name in one.names)
    for name in conditions or ():
        if name not in names:
            raise ValueError(
                f"--condition {name}: the study has none of that name{did_you_mean(name, names)} "
                f"It has {', '.join(names)}"
            )
    known = read.budgets[budget.value].seeds
    for seed in seeds or ():
        if seed not in known:
            raise ValueError(f"--seed {seed}: the budget has the seeds {known}")
    return read, [
        run
        for run in found
        if (not conditions or run.condition in conditions)
        and (not seeds or run.seed in (None, *seeds))
    ]
