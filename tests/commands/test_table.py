"""`mteb-hybrid table --watch`: follows a run until it is whole."""

import pytest
from typer.testing import CliRunner

from commands.test_tasks import on_terminal
from mteb_hybrid.commands import table as command
from mteb_hybrid.commands.app import app
from results.conftest import write_task

TASKS = [f"MLQAR{setting}Retrieval" for setting in ("Monolingual", "Crosslingual", "Multilingual")]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """What a run writes while the command waits: one step each time."""

    def begin(*steps):
        left = iter(steps)
        monkeypatch.setattr(command.time, "sleep", lambda seconds: next(left)())
        return CliRunner().invoke(app, ["table", str(tmp_path), "--watch"])

    return begin


def test_it_follows_a_run_to_its_end(run, tmp_path):
    def write(task, **options):
        return lambda: write_task(tmp_path, "org/first", task, 0.6, per_query=False, **options)

    def tear():
        (tmp_path / "org__first" / "r1" / f"{TASKS[1]}.json").write_text('{"task_name": "MLQ')

    done = run(
        write(TASKS[0]),
        lambda: None,
        write(TASKS[1], left_out=("en-de", "en-zh")),
        tear,
        write(TASKS[1]),
        write(TASKS[2]),
    )
    assert done.exit_code == 0, done.exception
    shown = [line for line in done.output.splitlines() if line.startswith("Waiting")] + [
        line for line in done.output.splitlines() if line.endswith(("to come", "complete"))
    ]
    assert shown[0].startswith("Waiting for results: no results of our tasks below")
    assert shown[-4:] == [
        *("49 subsets to come", "9 subsets to come", "7 subsets to come", "complete")
    ]
    assert "(40/42)" in done.output, "what is there already is shown"
    assert done.output.count("org/first") == 4, "and shown anew only where it changed"


def test_ctrl_c_ends_it_without_a_fault(run):
    def interrupt():
        raise KeyboardInterrupt

    done = run(interrupt)
    assert done.exit_code == 0 and done.output.startswith("Waiting for results: ")


def test_it_says_once_which_folder_it_waits_for(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = iter([0, 0, 1])

    def pause(seconds):
        if next(left):
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", pause)
    done = CliRunner().invoke(app, ["table", "none", "--watch"])
    said = "Waiting for results: there is no none yet (Ctrl-C ends it)\n"
    assert (done.exit_code, done.output) == (0, said)


def test_it_shows_text_alone(tmp_path):
    done = CliRunner().invoke(app, ["table", str(tmp_path), "--watch", "--format", "csv"])
    assert "--watch shows text, not csv" in str(done.exception)


def test_a_terminal_gets_it_in_one_place(tmp_path):
    for task in TASKS:
        write_task(tmp_path, "org/first", task, 0.6, per_query=False)
    shown = on_terminal("table", tmp_path, "--watch", width=120)
    assert "org/first" in shown and "complete" in shown
    _, first, last = shown.split("Collection")
    assert "\x1b[1A" in first, "what was there is written over"
    assert last.rstrip("\n\x1b[?25h").endswith("complete")
