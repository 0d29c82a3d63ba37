"""Where files lie."""

from pathlib import Path

import platformdirs
import pytest

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import cache_folder, data_folder


@pytest.mark.parametrize(
    ("folder", "of", "variable"),
    [
        (cache_folder, "user_cache_path", "XDG_CACHE_HOME"),
        (data_folder, "user_data_path", "XDG_DATA_HOME"),
    ],
)
def test_without_a_home_no_folder_called_tilde_is_made(monkeypatch, folder, of, variable):
    """As where a container runs as a user that it does not know."""
    monkeypatch.setattr(platformdirs, of, lambda name: Path("~/.local") / name)
    with pytest.raises(DataError, match=f"there is no home folder; set HOME, or {variable}"):
        folder()
