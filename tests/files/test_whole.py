"""Folders are whole or not there; what is there is not lost."""

import pytest

from export.conftest import files
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.whole import whole_folder


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
