"""Paths of cards and archives stay inside of their folder, on every system."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.inside import checked_folder, checked_path, inside, path_fault

PIECES = st.sampled_from(["..", ".", "a", "é", "con", "NUL.txt", "a.", " ", "~", "C:", "", "\0"])
PATHS = st.tuples(st.lists(PIECES), st.sampled_from("/\\")).map(lambda made: made[1].join(made[0]))


@pytest.mark.parametrize(
    "path", ["a", "a/b.txt", "./a", "ein Text.txt", "日本語/本.json", ".a", "..."]
)
def test_paths_of_files(path):
    assert path == "..." or checked_path(path) == path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/passwd", "lies outside"),
        ("../a", "lies outside"),
        ("a/../../b", "lies outside"),
        ("..\\a", "lies outside"),
        ("C:a", "has .:., a character that"),
        ("a.txt:stream", "has .:., a character that"),
        ("a\0b", "a character that"),
        ("a\nb", "a character that"),
        ("a\u202eb", "a character that"),
        ("a*", "a character that"),
        ("CON", "Windows reserves"),
        ("a/nul.txt", "Windows reserves"),
        ("lpt1", "Windows reserves"),
        ("a.", "ends in a dot"),
        ("a /b", "ends in a dot or a space"),
        ("a" * 256, "longer"),
        ("a/" * 600 + "a", "longer"),
        ("", "names no file"),
        (".", "names no file"),
    ],
)
def test_other_paths(path, said):
    with pytest.raises(ValueError, match=said):
        checked_path(path)


def test_a_folder_may_be_this_one(tmp_path):
    assert checked_folder(".") == "."
    assert inside(tmp_path, "./a") == tmp_path / "a"


@given(PATHS)
def test_what_passes_stays_inside(tmp_path_factory, path):
    folder = tmp_path_factory.getbasetemp()
    if path_fault(path) is None:
        assert (folder / path).resolve().is_relative_to(folder.resolve())
        assert not {"..", "NUL.txt", "con"} & set(path.split("/"))


def test_links(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name, to in (("near", "."), ("far", "../out"), ("circle", "circle")):
        (tmp_path / "in" / name).symlink_to(to)
    assert inside(tmp_path / "in", "near/a") == tmp_path / "in" / "near" / "a"
    with pytest.raises(DataError, match=r"in/far/a: is a link to .*outside of .*in;"):
        inside(tmp_path / "in", "far/a")
    (tmp_path / "in" / "far").unlink()
    (tmp_path / "in" / "far").mkdir()
    assert inside(tmp_path / "in", "far/a")
