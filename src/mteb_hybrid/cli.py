"""The command line: ``mteb-hybrid`` and ``python -m mteb_hybrid``."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid import __version__
from mteb_hybrid.export.command import export
from mteb_hybrid.files import DATA_VARIABLE
from mteb_hybrid.languages import By
from mteb_hybrid.registry_command import models_app
from mteb_hybrid.settings import Setting
from mteb_hybrid.submit_command import submit
from mteb_hybrid.table import legend, render, result_rows
from mteb_hybrid.table_format import Format, write_table
from mteb_hybrid.tasks_command import tasks_app
from mteb_hybrid.training.command import train
from mteb_hybrid.translation.command import translate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Evaluate embedding models within a language, across languages, and from a pool of all "
    "languages at once, and measure how biased they are towards some languages. "
    "The tasks are MTEB tasks: `mteb run -t XQuADRMultilingualRetrieval` works as well.",
)
app.add_typer(tasks_app, name="tasks")
app.add_typer(models_app, name="models")

DataOption = Annotated[
    Path | None,
    typer.Option(
        help=f"Folder that holds the collections' files; overrides {DATA_VARIABLE}. Without "
        "either, files are downloaded once into the user's cache.",
        exists=True,
        file_okay=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mteb-hybrid {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    output_folder: Annotated[
        Path, typer.Option(help="Where to keep the results; a second demo there resumes.")
    ] = Path("demo-results"),
) -> None:
    """Evaluate a real multilingual encoder on the embedded sample, in all three settings.

    Needs no network: the encoder comes with the extra `offline`.
    """
    from mteb_hybrid.demo import run_demo

    typer.echo("Evaluating on the sample: 528 + 1,056 short texts, 132 subsets ...", err=True)
    typer.echo(run_demo(output_folder, _width()))


@app.command()
def run(
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="A model that MTEB knows, one on the hub, or a local folder."
        ),
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Argument(help="Collections (xquad-r: all settings) or names of tasks."),
    ] = None,
    task_option: Annotated[
        list[str] | None, typer.Option("--tasks", "-t", help="The same, as `mteb run` takes them.")
    ] = None,
    setting: Annotated[
        list[Setting] | None, typer.Option(help="Only this setting; may be repeated.")
    ] = None,
    query_language: Annotated[
        list[str] | None, typer.Option(help="Only queries in this language; may be repeated.")
    ] = None,
    passage_language: Annotated[
        list[str] | None,
        typer.Option(help="Only pools within these languages; may be repeated."),
    ] = None,
    data: DataOption = None,
    output_folder: Annotated[Path, typer.Option(help="Where MTEB keeps results.")] = Path(
        "results"
    ),
    model_revision: Annotated[str | None, typer.Option(help="Revision on the hub.")] = None,
    device: Annotated[str | None, typer.Option(help="Torch device, such as cuda:0.")] = None,
    batch_size: Annotated[int, typer.Option(help="Texts per batch.", min=1)] = 32,
    overwrite_strategy: Annotated[
        str, typer.Option(help="MTEB's: only-missing (resumes), always, never, only-cache.")
    ] = "only-missing",
    prediction_folder: Annotated[
        Path | None,
        typer.Option(help="Save rankings there; takes MTEB's own path, which encodes per subset."),
    ] = None,
) -> None:
    """Evaluate a model: what `mteb run` does, plus local folders and a choice of subsets.

    MTEB saves after every subset; the same command again goes on where it stopped.

    Example: mteb-hybrid run -m intfloat/multilingual-e5-small xquad-r --query-language en
    """
    from mteb_hybrid.run import evaluate, select_tasks

    names = [*(task_option or ()), *(tasks or ())]
    if not names:
        raise ValueError("no tasks; name collections, as in `mteb-hybrid run -m MODEL xquad-r`")
    if data:  # first, as translated queries are there too
        os.environ[DATA_VARIABLE] = str(data)
    selected = select_tasks(names, setting or (), query_language or (), passage_language or ())

    from mteb_hybrid import plugin
    from mteb_hybrid.models import load_model

    plugin.register()
    loaded = load_model(model, model_revision, device)
    results = evaluate(
        loaded, selected, output_folder, batch_size, overwrite_strategy, prediction_folder
    )
    rows = result_rows([results])
    typer.echo(render(rows, width=_width()))
    typer.echo(f"\n{legend(rows)}\n\nResults: {results}")


app.command()(train)
app.command()(translate)
app.command()(export)
app.command()(submit)


@app.command()
def table(
    results: Annotated[
        list[Path], typer.Argument(help="Folders of MTEB results (of any models), or files.")
    ],
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
) -> None:
    """Show the table of one or more models: three settings and the bias.

    A mean over some of a setting's subsets only is followed by how many there are, as in (4/11);
    one from rankings that a search model cut by where, as in [top 1000].
    """
    rows = result_rows(results)
    typer.echo(render(rows, format, _width()))
    if format is Format.TEXT:
        typer.echo(f"\n{legend(rows)}")


@app.command()
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Results folders (MODEL/REVISION) of two models or more; the first is "
            "the baseline of all others."
        ),
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated. By default those of `mteb-hybrid table`."),
    ] = None,
    by: Annotated[By, typer.Option(help="What to break the results down by.")] = By.QUERY_LANGUAGE,
    trained_on: Annotated[
        list[str] | None,
        typer.Option(help="For `--by seen`: a language in training, such as deu; repeat it."),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.", min=0)] = 0,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap samples, and random sign flips.", min=100)
    ] = 10_000,
) -> None:
    """Compare models query by query: difference, interval, p-values, queries won and lost.

    Needs the per-query values that `mteb-hybrid run` keeps beside MTEB's results. Tasks that only
    one of two models was evaluated on are left out; within a task, subsets and queries must agree.

    Example, in the results folder of `mteb-hybrid run`: mteb-hybrid compare results/org__base/abc
    results/org__new/def --by family
    """
    from mteb_hybrid import compare_table

    models = compare_table.read_models(results)
    for name, tasks in compare_table.left_out(models).items():
        typer.echo(f"{name}: left out, as only one of the two has it: {', '.join(tasks)}", err=True)
    measures = measure or compare_table.default_measures(models)
    typer.echo(
        compare_table.tables(
            models, measures, by, trained_on or (), format, resamples, seed, _width()
        )
    )
    if format is Format.TEXT:
        typer.echo(f"\n{compare_table.LEGEND}")


@app.command()
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
) -> None:
    """Write a report as one HTML page that needs nothing else: tables, heat maps, tests.

    It has what the results have: the bias measures need results of this version, intervals and
    tests values per query, which `mteb-hybrid run` keeps. Needs the extra `report`.

    Example: mteb-hybrid report results -o report.html --figures figures
    """
    from mteb_hybrid.report import load_results

    loaded = load_results(results)
    try:
        from mteb_hybrid.report.page import write_report
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(
            f'a report needs {missing}, of an extra: pip install "mteb-hybrid[report]"'
        ) from error
    write_report(loaded, output, figures, tables)
    typer.echo(f"Report: {output}")


@app.command()
def bias(
    run: Annotated[
        Path, typer.Option(help="TREC run, BEIR run (JSON) or MTEB predictions.", dir_okay=False)
    ],
    qrels: Annotated[Path, typer.Option(help="TREC or BEIR qrels, or JSON.", dir_okay=False)],
    languages: Annotated[
        Path,
        typer.Option(
            help="Language of every document of the pool: two columns, JSON, or a BEIR corpus "
            "(JSON lines) with a column 'language'.",
            dir_okay=False,
        ),
    ],
    query_languages: Annotated[
        Path | None,
        typer.Option(help="Language of every query, likewise; for measures that need it."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="The content that each document translates, likewise (column 'group'). Then "
            "translations of a relevant document are relevant too, and the measures for parallel "
            "pools are added."
        ),
    ] = None,
    subset: Annotated[str | None, typer.Option(help="Which subset of MTEB predictions.")] = None,
    ignore_identical_ids: Annotated[
        bool,
        typer.Option(
            "--ignore-identical-ids",
            help="Leave the document with a query's own id out of its ranking, as MTEB does where "
            "queries are documents (line-aligned collections: xtd10, ntrex).",
        ),
    ] = False,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
) -> None:
    """Measure the language bias of any ranking, made by any program.

    Example: mteb-hybrid bias --run bm25.trec --qrels qrels.txt --languages corpus.jsonl
    """
    from mteb_hybrid.runs import bias_of_run, read_mapping, read_qrels, read_run

    found = bias_of_run(
        read_run(run, subset),
        read_qrels(qrels),
        read_mapping(languages, "language"),
        read_mapping(query_languages, "language") if query_languages else None,
        read_mapping(groups, "group") if groups else None,
        ignore_identical_ids,
    )
    if format is Format.CSV:
        typer.echo(found.write_csv().rstrip("\n"))
        return
    wide = found.pivot("query_language", index="measure", values="value")
    body = [[str(row[0]), *(f"{value:.4f}" for value in row[1:])] for row in wide.iter_rows()]
    typer.echo(write_table(wide.columns, body, format, _width(), labels=1))


def main() -> None:
    """Run the command line; expected errors become one line and exit status 1."""
    try:
        app()
    except (ValueError, ImportError, OSError) as error:
        if os.environ.get("MTEB_HYBRID_TRACEBACK"):
            raise
        typer.echo(f"mteb-hybrid: {error}", err=True)
        raise SystemExit(1) from None


def _width() -> int | None:
    if not sys.stdout.isatty():
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns
