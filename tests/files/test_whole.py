"""Files and folders are whole or not there; what is there is not lost."""

import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch

from export.conftest import files
from files.dead import of_the_dead
from mteb_hybrid.commands.main import _sentence
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.leftovers import clean, unfinished
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import UNNAMED, whole, whole_folder, write_json, write_text


def write(target, content="new", **options):
    with whole_folder(target, **options) as part:
        (part / "below").mkdir()
        (part / "below" / "file").write_text(content)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "some" / "target"


def alone(target):
    return [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("empty", [False, True])
def test_new_and_empty_folders(target, empty):
    if empty:
        target.mkdir(parents=True)
    write(target)
    assert files(target) == {"below/file": b"new"}
    assert alone(target)


def test_the_same_export_again_leaves_the_files_alone(target):
    write(target)
    before = (target / "below" / "file").stat()
    write(target)
    write(target, overwrite=True)
    after = (target / "below" / "file").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert alone(target)


@pytest.mark.parametrize("name", ["mine", "below/file"])
def test_other_files_are_kept_unless_told(target, name):
    write(target)
    (target / name).write_text("old")
    with pytest.raises(ExportError, match=r"target: holds other files .* --overwrite"):
        write(target)
    assert (target / name).read_text() == "old"
    write(target, overwrite=True)
    assert files(target) == {"below/file": b"new"}
    assert alone(target)


def test_a_file_is_not_replaced(target):
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(ExportError, match="is a file; expected a folder"):
        write(target, overwrite=True)
    assert target.read_text() == "old"


@pytest.mark.parametrize("before", [None, "old"])
def test_nothing_half_written(target, before):
    if before:
        write(target, before)
    with pytest.raises(KeyboardInterrupt), whole_folder(target, overwrite=True) as part:
        (part / "half").write_text("")
        raise KeyboardInterrupt
    assert target.exists() == bool(before)
    assert files(target) == ({"below/file": b"old"} if before else {})
    assert not [path for path in target.parent.iterdir() if path != target]


KILLED = """
import os, pathlib, shutil, sys
from mteb_hybrid.files import whole as module
target = pathlib.Path(sys.argv[1])
at = sys.argv[2]

def die(*_):
    os.kill(os.getpid(), 9)

if at == "exchanging":  # after the old folder has left its place
    rename = pathlib.Path.rename
    pathlib.Path.rename = lambda self, to: die() if self.suffix == ".part" else rename(self, to)
elif at == "removing":
    module._remove = die
with module.whole_folder(target, overwrite=True) as part:
    (part / "file").write_text("new")
    if at == "writing":
        die()
"""


@pytest.mark.parametrize(
    ("at", "kept"), [("writing", "old"), ("exchanging", "old"), ("removing", "new")]
)
def test_killed_at_any_place_and_cleared_away(target, at, kept):
    with whole(target) as part:
        part.mkdir()
        (part / "file").write_text("old")
    run = subprocess.run([sys.executable, "-c", KILLED, str(target), at])
    assert run.returncode == -signal.SIGKILL
    assert not alone(target)
    clean(target)
    assert files(target) == {"file": kept.encode()}
    assert not [path for path in target.parent.iterdir() if path.suffix in (".part", ".old")]
    write(target, overwrite=True)
    assert alone(target)


def test_a_folder_written_whole_replaces_another_without_a_gap(target):
    for content in ("old", "new"):
        with whole(target) as part:
            part.mkdir()
            (part / "file").write_text(content)
    assert files(target) == {"file": b"new"}
    assert alone(target)


def test_what_a_living_process_writes_is_left_to_it(target):
    with whole(target) as part:
        part.write_text("first")
        write_text(target, "second")
        assert part.exists()
    assert target.read_text() == "first"
    assert alone(target)


def test_what_another_machine_left_is_abandoned_after_a_day(target):
    write_text(target, "here")
    stranger = target.with_name(f".{target.name}-00000000-1-01234567.part")
    stranger.write_text("there")
    clean(target)
    assert stranger.exists()
    os.utime(stranger, (0, 0))
    clean(target)
    assert alone(target)


def test_files_of_like_names_are_nobodys_leftovers(target):
    names = [f".{target.name}-1.part", ".x-00000000-1-0123456.part", ".part", ".x.lock"]
    names.append(f".x-00000000-{'9' * 30}-01234567.part")
    target.parent.mkdir()
    for name in names:
        file = target.with_name(name)
        file.touch()
        os.utime(file, (0, 0))
    write_text(target, "")
    assert {path.name for path in target.parent.iterdir()} == {target.name, *names}


def test_what_was_left_of_others_goes_too(target):
    """A cache's names change with what is in it: nobody may write that one again."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    assert dead.wait(10) == 0
    name = unfinished("other").replace(str(os.getpid()), str(dead.pid))
    target.parent.mkdir()
    for kind in ("part", "old"):
        target.with_name(f"{name}01234567.{kind}").mkdir()
    write_text(target, "")
    assert {path.name for path in target.parent.iterdir()} == {target.name, "other"}


@pytest.mark.parametrize("there", ["file", "folder"])
def test_a_folder_is_no_place_for_a_file_nor_a_file_for_a_folder(target, there):
    if there == "folder":
        write(target, "kept")
    else:
        write_text(target, "kept")
    refused = pytest.raises(FileExistsError, match=f"is a {there}; move it away")
    with refused as raised, whole(target) as part:
        (part.write_text if there == "folder" else lambda _: part.mkdir())("new")
    assert raised.value.filename == str(target)
    assert files(target) == {"below/file": b"kept"} if there == "folder" else target.read_text()
    assert alone(target)


EXPORT = """
import pathlib, sys, time
from mteb_hybrid.files.whole import UNNAMED, whole, whole_folder
target, name = pathlib.Path(sys.argv[1]), sys.argv[2]
for turn in range(16):
    content = str(turn) if name == "same" else f"{sys.argv[3]} {turn}"
    with whole_folder(target, overwrite=True) if turn % 2 else whole(target) as part:
        part.mkdir(exist_ok=True)
        for file in "ab":
            (part / file).write_text(content)
"""


@pytest.mark.parametrize("name", ["same", "other"])
def test_two_processes_that_make_one_folder_both_end(target, name):
    making = [
        subprocess.Popen([sys.executable, "-c", EXPORT, str(target), name, each])
        for each in ("first", "second")
    ]
    assert [process.wait(60) for process in making] == [0, 0]
    found = files(target)
    assert found["a"] == found["b"] and found["a"].endswith(b"15")
    assert alone(target)


def test_files_without_write_permission_are_flushed_too(target):
    with whole(target) as part:
        part.write_text("kept")
        part.chmod(0o400)
    assert target.read_text() == "kept"


def test_json_holds_paths_that_are_not_utf8(tmp_path):
    content = {"folder": "caf\udce9", "text": "דגם"}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    assert "דגם" in (tmp_path / "a.json").read_text(encoding="utf-8")


NUMBERS = np.random.default_rng(0).random(100_000)
WRITERS = {
    "numpy": lambda file: np.save(file.open("wb"), NUMBERS),
    "polars": lambda file: pl.DataFrame({"a": NUMBERS}).write_parquet(file),
    "pyarrow": lambda file: pq.write_table(pa.table({"a": NUMBERS}), file),
    "safetensors": lambda file: safetensors.numpy.save_file({"a": NUMBERS}, file),
    "torch": lambda file: torch.save({"a": torch.from_numpy(NUMBERS)}, file),
    "python": lambda file: file.write_bytes(NUMBERS.tobytes()),
}


@pytest.mark.skipif(os.name == "nt", reason="no limits there")
@pytest.mark.parametrize("writer", WRITERS)
def test_no_room_is_told_in_one_way_whichever_library_writes(target, writer, monkeypatch):
    import resource

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would be cut, and others read it
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError) as failed, whole(target) as part:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
            WRITERS[writer](part)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.errno in UNNAMED and failed.value.filename == str(target)
    assert _sentence(failed.value) in (
        f"{target}: File too large",
        f"{target}: No space left on device; make room there, or name a place on another disk",
    )
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize(
    "error", [OSError("no model there"), RuntimeError("(os error 2)"), ValueError("is wrong")]
)
def test_other_errors_pass_as_they_are(target, error):
    with pytest.raises(type(error)) as failed, whole(target):
        raise error
    assert failed.value is error


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")  # noqa: PTH110
def test_content_is_flushed_before_it_has_its_name_and_the_name_after(target, monkeypatch):
    done = []

    def sync(descriptor):
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115

    replace = type(target).replace
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(
        type(target), "replace", lambda part, to: (done.append("renamed"), replace(part, to))
    )
    write_text(target, "new")
    (part, *after) = done
    assert part.endswith(".part")
    assert after == ["renamed", str(target.parent)]


def test_a_link_is_replaced_unless_the_user_named_it(tmp_path):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "here" / "link"
    elsewhere.mkdir()
    link.parent.mkdir()
    link.symlink_to(elsewhere / "file")
    with pytest.raises(FileNotFoundError), whole(link, follow=True) as part:
        elsewhere.rmdir()
        part.write_text("a disk that is gone")
    assert link.is_symlink() and not elsewhere.exists()
    elsewhere.mkdir()
    for text in ("through a dangling link", "through a link"):
        write_text(link, text, follow=True)
        assert link.is_symlink() and (elsewhere / "file").read_text() == text
    write_text(link, "in a folder that others filled")
    assert not link.is_symlink() and (elsewhere / "file").read_text() == "through a link"
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    with pytest.raises(OSError, match="circle") as raised:
        write_text(circle, "", follow=True)
    assert raised.value.errno == errno.ELOOP


def test_a_folder_behind_a_link_is_written_there(tmp_path):
    disk, link = tmp_path / "disk" / "target", tmp_path / "link"
    disk.parent.mkdir()
    link.symlink_to(disk)
    write(link)
    write(link, "newer", overwrite=True)
    assert link.is_symlink() and files(disk) == {"below/file": b"newer"}
    assert alone(disk)
    disk.rename(of_the_dead(disk, "old"))
    clean(link)
    assert files(link) == {"below/file": b"newer"}, "put back by whoever reads through the link"
    assert alone(disk)


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "a" * 219 + "éé"])
def test_the_longest_names_can_be_written_locked_and_cleared(tmp_path, name):
    target = tmp_path / name
    with lock(target):
        pass
    write(target)
    write(target, "newer", overwrite=True)
    assert alone(target)
    left = of_the_dead(target, "part")
    left.write_text("half")
    target.rename(of_the_dead(target, "old"))
    clean(tmp_path / "another")
    assert not left.exists() and len(list(tmp_path.iterdir())) == 1, "only its place can name it"
    clean(target)
    assert files(target) == {"below/file": b"newer"}
    assert alone(target)
    write_text(tmp_path / ("b" * 255), "whole")


def test_a_pipe_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1
