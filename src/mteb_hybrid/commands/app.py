"""All commands, as one program."""

import importlib.metadata
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mteb_hybrid.commands.bias import bias
from mteb_hybrid.commands.compare import compare
from mteb_hybrid.commands.demo import demo
from mteb_hybrid.commands.explore import explore
from mteb_hybrid.commands.export import export
from mteb_hybrid.commands.merge import merge
from mteb_hybrid.commands.mine import mine
from mteb_hybrid.commands.models import models_app
from mteb_hybrid.commands.probe import probe
from mteb_hybrid.commands.repair import repair
from mteb_hybrid.commands.report import report
from mteb_hybrid.commands.rewrite import rewrite
from mteb_hybrid.commands.robustness import robustness
from mteb_hybrid.commands.run import run
from mteb_hybrid.commands.site import site
from mteb_hybrid.commands.store import store_app
from mteb_hybrid.commands.study import study_app
from mteb_hybrid.commands.submit import submit
from mteb_hybrid.commands.table import table
from mteb_hybrid.commands.tasks import tasks_app
from mteb_hybrid.commands.teach import teach
from mteb_hybrid.commands.train import train
from mteb_hybrid.commands.translate import translate
from mteb_hybrid.files.safe_text import line


def _flags_alone(params: list[Any]) -> list[Any]:
    """In help a flag takes no value, though newer versions of typer write <bool> after it."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


class _Command(TyperCommand):
    def get_params(self, *args: Any) -> list[Any]:
        return _flags_alone(super().get_params(*args))


class _Commands(TyperGroup):
    """Commands whose usage errors quote what was given without its escapes."""

    def get_params(self, *args: Any) -> list[Any]:
        return _flags_alone(super().get_params(*args))

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _quoted_safely():
            return super().make_context(*args, **options)

    def invoke(self, *args: Any) -> Any:
        with _quoted_safely():
            return super().invoke(*args)


@contextmanager
def _quoted_safely() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # click's, which some versions of typer bring along
            said = line(error.format_message().replace("\n\t", " "))  # before each choice
            error.format_message = lambda: said
        raise


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Evaluate embedding models within a language, across languages, and from a pool of all "
    "languages at once, and measure how biased they are towards some languages. "
    "The tasks are MTEB tasks: `mteb run -t XQuADRMultilingualRetrieval` works as well.\n\n"
    "Begin with `mteb-hybrid demo`; then `mteb-hybrid run -m MODEL xquad-r`, and "
    "`mteb-hybrid report results`.",
)
app.add_typer(tasks_app, name="tasks", cls=_Commands)
app.add_typer(models_app, name="models", cls=_Commands)
app.add_typer(study_app, name="study", cls=_Commands)
app.add_typer(store_app, name="store", cls=_Commands)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mteb-hybrid {importlib.metadata.version('mteb-hybrid')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


for command in (
    demo,
    run,
    train,
    mine,
    teach,
    translate,
    rewrite,
    export,
    submit,
    table,
    compare,
    robustness,
    report,
    explore,
    site,
    bias,
    probe,
    repair,
    merge,
):
    app.command()(command)
for group in (app, tasks_app, models_app, study_app, store_app):
    for info in group.registered_commands:
        info.cls = _Command
        # Where a docstring breaks its lines, a terminal need not.
        paragraphs = inspect.getdoc(info.callback) or ""
        info.help = re.sub(r"(?<!\n)\n(?!\n)", " ", paragraphs)
