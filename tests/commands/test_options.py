"""Options are called alike in all commands."""

from collections import defaultdict

import typer

from mteb_hybrid.commands.app import app

OUTPUTS = {"--output", "--output-folder"}


def commands(command, name=""):
    """All commands, by what is typed to call them."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, sub in command.commands.items():
        yield from commands(sub, f"{name} {word}".strip())


def options():
    for name, command in commands(typer.main.get_command(app)):
        yield name, [one.opts for one in command.params if one.opts[0].startswith("-")]


def test_an_option_has_the_same_letter_everywhere():
    letters = defaultdict(lambda: defaultdict(list))
    for name, found in options():
        for long, *short in found:
            letters[long][tuple(short)].append(name)
    differ = {long: dict(kinds) for long, kinds in letters.items() if len(kinds) > 1}
    assert differ == {}


def test_what_is_written_to_is_named_by_o_everywhere():
    writes = {
        name: opts
        for name, found in options()
        for opts in found
        if OUTPUTS & {*opts} or "-o" in opts
    }
    assert {"run", "demo", "train", "report", "site", "export"} <= writes.keys()
    assert all("-o" in opts for opts in writes.values())
