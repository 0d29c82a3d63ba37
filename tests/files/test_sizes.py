"""Sizes as people write them."""

import pytest

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import MEMORY_VARIABLE
from mteb_hybrid.files.sizes import check_memory, memory_limit, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("512 MiB", 2**29), ("1.5tb", 15 * 10**11), (" 7 B ", 7), ("2kB", 2000)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "4", "GB", "-4GB", "4 pints", "4GBs", "1e9B", "4iB", "٤GB", "9" * 400 + "B"]
)
def test_what_is_no_size(text):
    with pytest.raises(DataError, match="no size; write a number and a unit, as 4GB"):
        parse_size(text)


def test_too_little_is_refused_by_name(monkeypatch):
    with pytest.raises(DataError, match=r"--memory: 100MB is too little.*256MiB"):
        check_memory("100MB", "--memory")
    monkeypatch.setenv(MEMORY_VARIABLE, "much")
    with pytest.raises(DataError, match=f"{MEMORY_VARIABLE}: 'much' is no size"):
        memory_limit()
    monkeypatch.setenv(MEMORY_VARIABLE, "")
    assert memory_limit() is None
