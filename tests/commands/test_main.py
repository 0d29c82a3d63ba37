"""The command line as a user meets it."""

import subprocess
import sys

import pytest
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner

from mteb_hybrid.commands.main import app

runner = CliRunner()


def test_listing_tasks_needs_neither_torch_nor_mteb():
    code = """
import sys
from mteb_hybrid.commands.main import app
app(["tasks", "list"], standalone_mode=False)
app(["tasks", "show", "xquad-r"], standalone_mode=False)
assert not {"torch", "mteb", "datasets", "transformers", "numpy", "scipy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "XQuADRMultilingualRetrieval  (11 subsets)" in done.stdout
    assert "licence: cc-by-sa-4.0" in done.stdout


@pytest.mark.parametrize("name", ["sample", "HybridSampleCrosslingualRetrieval"])
def test_show_a_task(name):
    result = runner.invoke(app, ["tasks", "show", name])
    assert result.exit_code == 0
    assert "not a benchmark" in result.output
    assert "zh Chinese (zho-Hans)" in result.output
    assert "en-ar en-de en-el en-es en-hi en-ru ... zh-vi" in result.output


def test_help_shows_every_word_of_every_help_text():
    """Rich takes what stands in brackets for markup, and drops it."""

    def texts(command):
        yield command.help
        yield from (getattr(parameter, "help", None) for parameter in command.params)
        for child in getattr(command, "commands", {}).values():
            yield from texts(child)

    for text in filter(None, texts(get_command(app))):
        assert Text.from_markup(text).plain == text.replace(r"\[", "["), text
    output = runner.invoke(app, ["table", "--help"]).output
    assert "as in [top 1000]." in " ".join(output.split())


@pytest.mark.parametrize(
    "command", ["demo", "run", "mine", "teach", "table", "tasks list", "tasks show"]
)
def test_help_teaches(command):
    result = runner.invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200


def test_run_a_folder_and_show_the_table(tiny_model, tmp_path):
    arguments = ["run", "-m", str(tiny_model), "-t", "sample", "--query-language", "en"]
    arguments += ["--passage-language", "en", "--passage-language", "de"]
    arguments += ["--output-folder", str(tmp_path)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "local/tiny" in result.output
    assert "(1/11)" in result.output and "(1/110)" in result.output
    result = runner.invoke(app, ["table", str(tmp_path), "--format", "markdown"])
    assert result.output.startswith("| Collection | Model | Mo. map |")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tasks", "show", "squad"], "no collection or task 'squad'"),
        (["run", "-m", "x/y"], "no tasks; name collections"),
        (["run", "-m", "x/y", "nothing"], "no collection or task 'nothing'"),
        (["table", "/nonexistent"], "/nonexistent: no such file or folder"),
    ],
)
def test_errors_are_one_line(arguments, said):
    command = [sys.executable, "-m", "mteb_hybrid", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("mteb-hybrid: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
