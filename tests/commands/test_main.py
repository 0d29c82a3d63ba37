"""The command line as a user meets it."""

import contextlib
import errno
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import mteb
import pytest
import typer
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.commands.main import main
from mteb_hybrid.commands.new_task import SampleCreation
from mteb_hybrid.commands.options import OverwriteStrategy
from mteb_hybrid.commands.repair import Method
from mteb_hybrid.commands.terminal import again
from mteb_hybrid.repair import VECTOR_REPAIRS

runner = CliRunner()


def test_listing_tasks_needs_neither_torch_nor_mteb():
    code = """
import sys
from mteb_hybrid.commands.app import app
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
    assert "<bool>" not in result.output


def commands(command=None, path=()):
    command = command or get_command(app)
    if not hasattr(command, "commands"):
        yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def test_every_command_has_an_example_that_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("my-model", "runs/e5-small-offline-hybrid/model"):
        Path(name).mkdir(parents=True)
        Path(name, "config.json").write_text("{}")
    Path("results").mkdir()
    for name in ("pairs.jsonl", "with-negatives.jsonl"):
        Path(name).touch()
    for path, command in commands():
        examples = [part for part in command.help.split("\n\n") if part.startswith("Example: ")]
        assert examples, path
        for example in examples:
            words = shlex.split(example.removeprefix("Example: mteb-hybrid "))
            assert tuple(words[: len(path)]) == path
            with contextlib.suppress(typer.Exit):
                command.make_context("x", words[len(path) :])


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        ("tasks new x.jsonl", "human-translated, machine-translated, created, found"),
        ("export sample -o x", "beir, trec, hub, mteb"),
    ],
)
def test_a_choice_that_is_missing_is_told_in_words(arguments, choices):
    done = runner.invoke(app, arguments.split())
    assert done.exit_code == 2
    assert f"Choose from: {choices}" in " ".join(done.output.replace("│", "").split())


@pytest.mark.parametrize("option", [True, False])
def test_every_argument_and_option_is_explained(option):
    for path, command in commands():
        for parameter in command.params:
            if (parameter.param_type_name == "option") is option:
                assert parameter.help, (path, parameter.name)


def test_no_help_needs_anything_heavy():
    code = f"""
import sys
from mteb_hybrid.commands.app import app
for words in {[list(path) for path, _ in commands()]!r}:
    app([*words, "--help"], standalone_mode=False)
heavy = {{"torch", "mteb", "datasets", "transformers", "numpy", "scipy"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


@pytest.mark.parametrize("strategy", ["only-missing", "always"])
def test_a_stopped_run_says_how_to_go_on(tiny_model, monkeypatch, strategy):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("mteb_hybrid.evaluation.evaluate.evaluate", stop)
    monkeypatch.setattr("sys.argv", ["x", "run", "-m", "a b"])
    monkeypatch.setattr("shutil.which", lambda name: name)
    given = ["run", "-m", str(tiny_model), "sample", "--overwrite-strategy", strategy]
    result = runner.invoke(app, given)
    assert result.exit_code == 130
    said = "mteb-hybrid: stopped; the same command goes on from here: mteb-hybrid run -m 'a b'\n"
    assert result.stderr.endswith(said) is (strategy == "only-missing")


@pytest.mark.parametrize(
    "command",
    [
        "run -m {model} sample --output-folder",
        "run -m {model} sample --prediction-folder",
        "demo --output-folder",
    ],
)
def test_a_folder_that_cannot_be_made_is_told_before_the_model_is_loaded(
    tiny_model, tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mteb_hybrid.models.load.load_model", None)
    file = tmp_path / "file"
    file.touch()
    given = [*command.format(model=tiny_model).split(), str(file / "results")]
    error = runner.invoke(app, given).exception
    assert (type(error), error.filename) == (NotADirectoryError, str(file))
    assert list(tmp_path.iterdir()) == [file]


def test_several_processes_are_told_the_option_alone(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    assert again("--resume") == "the same command with --resume"


@pytest.mark.parametrize(
    "arguments",
    [
        "run -m no/such/folder sample",
        "run -m {here} sample",
        "mine sample -m ./none -o x.jsonl",
        "mine none.jsonl -m x/y -o x.jsonl",
        "teach none.jsonl -m x/y -l en -o x.parquet",
        "teach sample -m x/y -l en -o x.jsonl",
        "translate none --into de -m x/y",
        "translate scifact --into de -m ./none",
        "models add {here} -n a/b",
        "run -m x/y xquad-r --data {here}",
        "train e5-small-hybrid --data {here}",
    ],
)
def test_slips_are_told_before_anything_heavy_is_imported(tmp_path, arguments):
    code = f"""
import sys
from mteb_hybrid.commands.app import app
try:
    app({arguments.format(here=tmp_path).split()!r}, standalone_mode=False)
except ValueError as error:
    print(error)
assert not {{"torch", "mteb", "datasets", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any(
        said in done.stdout for said in ("expected", "neither", "vectors go to", "no such")
    ), done


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


def process(code: str, *arguments: str, **settings) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process, after some code."""
    code = f"{code}\nfrom mteb_hybrid.commands.main import main\nmain()"
    if hasattr(signal, "SIGHUP"):  # which nohup has ignored for all that it starts
        code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n{code}"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_stop_while_modules_are_imported_is_quiet(tmp_path, name, status):
    """Whatever the module that is being imported makes of it."""
    (tmp_path / "typer.py").write_text(
        "import os, signal, time\n"
        f"try:\n    os.kill(os.getpid(), signal.{name})\n    time.sleep(30)\n"
        "except BaseException as error:\n    raise ImportError('no') from error\n"
    )
    done = process(f"import sys; sys.path.insert(0, {str(tmp_path)!r})", "tasks", "list")
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_run_that_is_stopped_while_it_imports_says_how_to_go_on(tiny_model, tmp_path):
    (tmp_path / "mteb.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n"
    )
    command = ("run", "-m", str(tiny_model), "sample", "--output-folder", str(tmp_path / "new"))
    done = process(f"import sys; sys.path.insert(0, {str(tmp_path)!r})", *command)
    assert (done.returncode, done.stdout) == (130, "")
    first, last = done.stderr.splitlines()
    assert first == f"{tiny_model}: loading ..."
    assert last.startswith("mteb-hybrid: stopped; the same command goes on from here: ")
    assert last.endswith(shlex.join(command))


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_stop_while_something_is_written_is_quiet_and_leaves_nothing(tmp_path, name, status):
    code = f"""
import os, pathlib, signal, time
from mteb_hybrid.commands import app
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole
def write():
    place = pathlib.Path({str(tmp_path)!r}, "file")
    with lock(place), whole(place) as part:
        part.write_text("half")
        os.kill(os.getpid(), signal.{name})
        time.sleep(30)
app.app = write
"""
    done = process(code)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    assert not list(tmp_path.iterdir())


def test_a_second_signal_amid_the_end_is_quiet():
    code = """
import atexit, os, signal, time
from mteb_hybrid.commands import app
def end():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
atexit.register(end)
app.app = lambda: os.kill(os.getpid(), signal.SIGTERM)
"""
    done = process(code)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")


def test_a_signal_that_is_ignored_stays_ignored():
    code = """
import os, signal
from mteb_hybrid.commands import app
signal.signal(signal.SIGHUP, signal.SIG_IGN)
app.app = lambda: os.kill(os.getpid(), signal.SIGHUP) or print("done")
"""
    done = process(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


SHELL = [
    ("tasks list >&-", 1, "mteb-hybrid: standard output is closed; give it a place, such as "),
    ("tasks list 2>&- >/dev/null", 0, ""),
    ("tasks show nothing 2>&-", 1, ""),
    ("tasks show sample <&- >/dev/null", 0, ""),
    ("tasks list >/dev/full", 1, "mteb-hybrid: standard output: No space left on device\n"),
    ("table --help >/dev/full", 1, "mteb-hybrid: standard output: No space left on device\n"),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("arguments", "status", "said"), SHELL)
def test_closed_and_full_outputs(arguments, status, said):
    command = f"{shlex.quote(sys.executable)} -m mteb_hybrid {arguments}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == status
    assert done.stderr.startswith(said) and done.stderr.count("\n") == bool(said)


def test_a_pipe_that_nobody_reads_any_more_is_no_error():
    command = f"{shlex.quote(sys.executable)} -m mteb_hybrid tasks list | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert (len(done.stdout), done.stderr) == (10, "")


@pytest.fixture
def runs(tmp_path):
    for language in ("en", "de"):
        lines = (f"q{number} Q0 {language}{number} 1 2.0 x\n" for number in range(999))
        (tmp_path / language).write_text("".join(lines))
    places = [f"--run={language}={tmp_path / language}" for language in ("en", "de")]
    return ["merge", *places, "-o"]


def test_a_full_disk_is_one_sentence_with_the_path_and_nothing_is_left(runs, tmp_path):
    target = tmp_path / "out" / "merged.trec"
    # Python would cut the bytecode of what it imports, and others would read that.
    code = (
        "import resource, sys; sys.dont_write_bytecode = True; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (999, 999))"
    )
    done = process(code, *runs, str(target))
    assert done.returncode == 1
    assert done.stderr == f"mteb-hybrid: {target}: File too large\n"
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "change its permissions or its owner"),
        (errno.EROFS, "a place on another file system"),
        (errno.ENOSPC, "make room there"),
        (errno.ENOENT, "No such file or directory\n"),
    ],
)
def test_what_the_system_refuses_is_said_with_the_place_and_a_remedy(
    number, remedy, monkeypatch, capsys
):
    def refuse(*files):
        raise OSError(number, os.strerror(number), *files)

    monkeypatch.setattr("mteb_hybrid.commands.app.app", lambda: refuse("/some/file"))
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.startswith("mteb-hybrid: /some/file: ") and remedy in said
    monkeypatch.setattr("mteb_hybrid.commands.app.app", refuse)
    with pytest.raises(SystemExit):
        main()
    assert "; with MTEB_HYBRID_TRACEBACK=1 you see where" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_named(runs, tmp_path):
    """Also to root, who may write anywhere: here the folder is on a file system of the kernel."""
    done = process("", *runs, "/proc/merged.trec")
    assert done.returncode == 1
    assert re.fullmatch(r"mteb-hybrid: /proc/merged\.trec: [^:\n]+\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("tasks show xquadr", "did you mean 'xquad-r'?"),
        ("run -m x/y xquadr", "did you mean 'xquad-r'?"),
        ("run -m x/y xquad-r --query-language english", "did you mean 'en'?"),
        ("run -m x/y xquad-r --passage-language zh_CN", "did you mean 'zh'?"),
        ("train e5-small-hybird", "did you mean 'e5-small-hybrid'"),
        ("export smaple -f beir -o x", "did you mean 'sample'?"),
        ("translate scifct --into de -m x/y", "did you mean 'scifact'?"),
        ("translate scifact --into german -m x/y", "did you mean 'de'?"),
        ("models add {model} --name a/b --language english", "did you mean 'en'?"),
        ("mine {pairs}l -m x/y -o x", "did you mean '{pairs}'?"),
    ],
)
def test_near_misses_are_suggested(tiny_model, tmp_path, arguments, said):
    pairs = tmp_path / "pairs.jsonl"
    pairs.touch()
    places = {"model": tiny_model, "pairs": pairs}
    result = runner.invoke(app, arguments.format(**places).split())
    assert isinstance(result.exception, ValueError)
    assert said.format(**places) in str(result.exception)


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("tasks new", ["human-translated", "found"]),
        ("run", ["monolingual", "only-missing", "only-cache"]),
        ("repair", ["projection", "shift"]),
        ("export", ["beir", "mteb"]),
        ("mine", ["top", "random"]),
        ("compare", ["family", "latex"]),
    ],
)
def test_choices_stand_in_the_help(command, choices):
    output = runner.invoke(app, [*command.split(), "--help"], env={"COLUMNS": "300"}).output
    for choice in choices:
        assert choice in output


def test_choices_are_those_of_mteb_and_of_the_repairs():
    from mteb.abstasks.task_metadata import SampleCreationMethod

    assert set(get_args(SampleCreationMethod)) == set(SampleCreation)
    assert set(mteb.evaluate.__globals__["OverwriteStrategy"]) == set(OverwriteStrategy)
    assert list(VECTOR_REPAIRS) == list(Method)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--sample-creation human", "'--sample-creation'"),
        ("--sample-creation found --name my_faq", "'--name'"),
        ("--sample-creation found --reference x.org", "'--reference'"),
    ],
)
def test_a_bad_option_of_a_new_card_is_named_before_the_files_are_read(arguments, said):
    result = runner.invoke(app, ["tasks", "new", "none.jsonl", *arguments.split()])
    assert result.exit_code == 2
    assert said in result.output


def test_a_licence_that_mteb_does_not_know_is_named():
    result = runner.invoke(
        app, ["tasks", "new", "none.jsonl", "--sample-creation", "found", "--license", "cc-by"]
    )
    assert str(result.exception).startswith("--license cc-by: no licence that MTEB knows; did you")
