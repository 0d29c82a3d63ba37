"""Archives are unpacked whole or not at all, and nothing of them lies elsewhere."""

import stat
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

from mteb_hybrid.files.archives import unpack
from mteb_hybrid.files.errors import DataError


def zipped(tmp_path, *members):
    """A zip file with these members: a name, or a name and the file type of Unix."""
    file = tmp_path / "toy.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = (kind | 0o644) << 16
            archive.writestr(member, f"{name}\n" * 100)
    return file


FILE = stat.S_IFREG


def test_unpacked(tmp_path):
    members = ("toy/a.txt", FILE), ("toy/b/c.txt", 0)
    target = tmp_path / "cache" / "target"
    unpack(zipped(tmp_path, *members), target)
    assert (target / "toy" / "b" / "c.txt").read_text() == "toy/b/c.txt\n" * 100
    assert list(target.parent.iterdir()) == [target]
    unpack(zipped(tmp_path, *members), target)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (("../out.txt", FILE), r"'\.\./out\.txt' lies outside of the folder"),
        (("toy/../../out.txt", FILE), "lies outside of the folder"),
        (("/out.txt", FILE), "'/out.txt' lies outside of the folder"),
        (("C:\\out.txt", FILE), "lies outside of the folder"),
        (("..\\out.txt", FILE), "lies outside of the folder"),
        (("toy/link", stat.S_IFLNK), "'toy/link' is a link or a device"),
        (("toy/pipe", stat.S_IFIFO), "'toy/pipe' is a link or a device"),
    ],
)
def test_what_does_not_stay_inside_is_refused(tmp_path, member, said):
    archive = zipped(tmp_path, ("toy/a.txt", FILE), member)
    with pytest.raises(DataError, match=rf"toy\.zip: .*{said}"):
        unpack(archive, tmp_path / "cache" / "target")
    assert left(tmp_path) == []


@pytest.mark.parametrize("cut", [10, -30, None], ids=["start", "directory", "content"])
def test_damaged_archives_are_refused(tmp_path, cut):
    archive = zipped(tmp_path, ("toy/a.txt", FILE))
    whole = archive.read_bytes()
    if cut is None:
        archive.write_bytes(whole[:45] + b"XXXX" + whole[49:])
    else:
        archive.write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"toy\.zip: cannot be unpacked: "):
        unpack(archive, tmp_path / "cache" / "target")
    assert left(tmp_path) == []


def left(tmp_path):
    """What lies beside the archive, but for the folder of the cache."""
    return [path for path in tmp_path.rglob("*") if path.suffix != ".zip" and path.name != "cache"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.txt", "A.txt"], "'a.txt' and 'A.txt' are one file"),
        (["toy/a", "Toy/b"], "'toy' and 'Toy' are one file"),
        (["é", "e\u0301"], "are one file"),
        (["a", "a/b"], "'a' and 'a/b' are one file, or one in the other"),
        (["a/b", "a"], "'a' and 'a/b' are one file, or one in the other"),
        (["a\nb"], r"has '\\n', a character that file names do not have"),
        (["nul.txt"], "has a name that Windows reserves"),
        ([f"{number}" for number in range(10_001)], "holds 10,001 files; expected 10,000 at most"),
    ],
    ids=range(8),
)
def test_names_that_are_not_one_file_everywhere(tmp_path, names, said):
    archive = zipped(tmp_path, *((name, FILE) for name in names))
    with pytest.raises(DataError, match=rf"toy\.zip: .*{said}.*Do not use this archive"):
        unpack(archive, tmp_path / "cache" / "target")
    assert left(tmp_path) == []


def test_a_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(tmp_path, ("toy/a.txt", FILE), ("toy/a.txt", FILE))
    with pytest.raises(DataError, match=r"'toy/a.txt' and 'toy/a.txt' are one file"):
        unpack(archive, tmp_path / "cache" / "target")


def changed(archive, at, new):
    """An archive with bytes put over those at a place of each header of the directory."""
    content = bytearray(archive.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + at : place + at + len(new)] = new
    archive.write_bytes(content)
    return archive


@pytest.mark.parametrize(
    ("at", "new", "said"),
    [
        (8, b"\x01\x00", "is encrypted; expected an archive without a password"),
        (8, b"\x20\x00", "is a change of another file"),
        (10, b"\x0e\x00", "is compressed by another method"),
        (10, b"\x63\x00", "is compressed by another method"),
        (46, b"a\x00b", "a character that"),
        (24, struct.pack("<L", 2**32 - 2), "more than 50 times its size"),
        (20, struct.pack("<L", 2**31), "shares its content"),
        (42, struct.pack("<L", 2**31), "shares its content"),
    ],
    ids=range(8),
)
def test_headers_that_lie(tmp_path, at, new, said):
    archive = changed(zipped(tmp_path, ("toy.txt", FILE)), at, new)
    with pytest.raises(DataError, match=rf"toy\.zip: .*{said}"):
        unpack(archive, tmp_path / "cache" / "target")
    assert left(tmp_path) == []


def test_a_bomb_of_one_kernel(tmp_path):
    """Members that share their content, as in bamsoftware.com/hacks/zipbomb."""
    archive = zipped(tmp_path, ("a", FILE), ("b", FILE))
    content = bytearray(archive.read_bytes())
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 1)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"toy\.zip: '.' shares its content with another member"):
        unpack(archive, tmp_path / "cache" / "target")
    assert left(tmp_path) == []


def test_a_bomb_of_zeros(tmp_path):
    file = tmp_path / "toy.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(70_000_000))
    with pytest.raises(DataError, match="unpacks to more than 50 times its size"):
        unpack(file, tmp_path / "target")
    with pytest.raises(DataError, match=r"unpacks to 70 MB; expected 60 MB at most"):
        unpack(file, tmp_path / "target", 60_000_000)
    with (
        mock.patch("shutil.disk_usage", return_value=mock.Mock(free=10**6)),
        pytest.raises(DataError, match=r"toy\.zip: unpacks to 70 MB, and .* has 1 MB left"),
    ):
        unpack(file, tmp_path / "target", 80_000_000)
    assert left(tmp_path) == []
    unpack(file, tmp_path / "target", 80_000_000)
    assert (tmp_path / "target" / "zeros").stat().st_size == 70_000_000


def test_several_at_once(tmp_path):
    archive = zipped(tmp_path, *((f"toy/{number}.txt", FILE) for number in range(50)))
    target = tmp_path / "cache" / "target"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: unpack(archive, target), range(8)))
    assert len(list((target / "toy").iterdir())) == 50
    assert list(target.parent.iterdir()) == [target]
