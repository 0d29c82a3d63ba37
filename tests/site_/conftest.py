"""Sites of the made-up results that the tests of `results` have."""

from pathlib import Path

import pytest

from mteb_hybrid.site.publish import write_site
from results.conftest import made

__all__ = ["made"]


@pytest.fixture(scope="session")
def built(made, tmp_path_factory) -> Path:
    """The site of all of them."""
    folder = tmp_path_factory.mktemp("site") / "built"
    write_site([made.folder], folder)
    return folder
