"""The command line, as a page: read from the program itself."""

from collections.abc import Iterator
from typing import Any

import typer
from escape import escaped
from rich.text import Text

from mteb_hybrid.commands.app import app

NAME = "mteb-hybrid"


def command_reference() -> str:
    """Every command with its arguments and options, in the order of ``--help``."""
    root = typer.main.get_command(app)
    return "\n\n".join(_described(root, typer.Context(root, info_name=NAME), NAME))


def _described(command: Any, context: Any, path: str) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    if path != NAME and not subcommands:
        yield f"## {path.removeprefix(NAME).strip()}"
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{path} {usage}\n```"
        for paragraph in _plain(command.help).split("\n\n"):
            yield _example(paragraph) or escaped(paragraph)
        rows = [parameter.get_help_record(context) for parameter in command.params]
        yield "\n\n".join(f"`{name}`\n:   {escaped(text)}" for name, text in filter(None, rows))
    for name, child in subcommands.items():
        yield from _described(child, typer.Context(child, info_name=name), f"{path} {name}")


def _plain(help: str | None) -> str:
    """A help text as the terminal shows it: a bracket that is no markup has a backslash there."""
    return Text.from_markup(help or "").plain


def _example(paragraph: str) -> str:
    """The paragraph as code, if it is an example."""
    start = "Example: "
    code = paragraph.removeprefix(start)
    return f"```bash\n{code}\n```" if paragraph.startswith(start) else ""
