import hashlib
import tomllib
from pathlib import Path

from mteb_hybrid import pages

FOLDER = Path(pages.__file__).parent / "vendor"


def test_files_are_those_of_the_package_and_no_others():
    named = tomllib.loads((FOLDER / "vendored.toml").read_text(encoding="utf-8"))
    assert {folder.name for folder in FOLDER.iterdir() if folder.is_dir()} == set(named)
    for name, library in named.items():
        found = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (FOLDER / name).iterdir()
        }
        assert found == library["files"]
        assert library["licence"].split("-")[0] in (FOLDER / name / "LICENSE").read_text(
            encoding="utf-8"
        )
