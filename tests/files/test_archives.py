"""Archives are unpacked whole or not at all, and nothing of them lies elsewhere."""

import stat
import zipfile

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
    assert list((tmp_path / "cache").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"toy.zip", "cache"}


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
    assert list((tmp_path / "cache").iterdir()) == []
