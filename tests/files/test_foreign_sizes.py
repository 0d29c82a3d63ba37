"""A megabyte of anything costs no reader more than its length: no hang, and half a gigabyte.

Every reader of foreign files gets large hostile ones: an error of ours, or a value, within limits.
``MTEB_HYBRID_SOAK`` runs all shapes with all readers; without it, each reader gets some.
"""

import gzip
import os
import re
import time
from itertools import count
from pathlib import Path

import pytest

from files.test_foreign_files import SIMPLE, SOURCES
from files.test_foreign_tables import ERRORS, READ
from mteb_hybrid.sources import READERS
from mteb_hybrid.training.readers.json import read_json

# Work that is quadratic in a megabyte takes hours; a reader takes a second or two, by processor.
SECONDS, MEGABYTES = 60, 500
SIZE = 10**6


def filled(part):
    return (part * (SIZE // len(part) + 1))[:SIZE]


SHAPES = {
    "itself": filled,
    "one line": lambda content: filled(content.replace(b"\n", b" ")),
    "end": lambda content: (content + filled(b" "))[:SIZE],
    "nested": lambda _: filled(b"["),
    "objects": lambda _: filled(b'{"a":'),
    "empty lists": lambda _: b"[" + filled(b"[],")[:-3] + b"0]",
    "escapes": lambda _: filled(b'"\\'),
    "digits": lambda _: filled(b"1"),
    "numbers": lambda _: filled(b"1.0 "),
    "lines": lambda _: filled(b"\n"),
    "columns": lambda _: filled(b"\t"),
    "commas": lambda _: filled(b","),
    "quotes": lambda _: filled(b'"'),
    "zeros": lambda _: filled(b"\0"),
    "parts": lambda _: filled(b"a."),
    "tables": lambda _: filled(b"[[a]]\n"),
    "keys": lambda _: b"".join(b"k%d = 1\n" % number for number in range(80_000)),
    "objects of keys": lambda _: b"{" + b",".join(b'"%d": {}' % n for n in range(80_000)) + b"}",
    "spaces": lambda content: content[:20] + filled(b" \r\v"),
}


def training(file):
    return read_json(file, cache_folder=file.with_name("cache"))


def plain(kind):
    name, read, content = kind
    return (name, content, lambda folder, written: read(put(folder / name, written)))


def put(file, content):
    file.write_bytes(content)
    return file


def source(kind):
    make, content = SOURCES[kind]

    def read(folder, written):
        card, _ = make(folder, written)
        return READERS[card.source.format](card)

    return kind, content, read


CASES = [
    *(plain((f"{name}.toml", *SIMPLE[name])) for name in SIMPLE),
    *(plain((name, *READ[name])) for name in READ),
    plain(("rows.jsonl", training, SOURCES["parallel"][1])),
    *map(source, SOURCES),
]
SOAK = "MTEB_HYBRID_SOAK" in os.environ


def memory(key):
    """Megabytes that this process has, or had at most since `reset`; None off Linux."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024


@pytest.mark.parametrize(("number", "case"), enumerate(CASES), ids=[case[0] for case in CASES])
def test_a_megabyte(number, case, tmp_path):
    name, content, read = case
    shapes = list(SHAPES)
    chosen = shapes if SOAK else [shapes[(3 * number + some) % len(shapes)] for some in range(3)]
    folders = (tmp_path / str(place) for place in count())
    for shape in chosen:
        written = SHAPES[shape](content)
        folder = next(folders)
        folder.mkdir()
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")
        before, start = memory("VmRSS"), time.process_time()
        try:
            read(folder, written)
        except ERRORS as error:
            assert str(folder) in str(error), shape
            assert len(str(error)) < 10_000, shape
        assert time.process_time() - start < SECONDS, (name, shape)
        assert memory("VmHWM") - before < MEGABYTES, (name, shape)


@pytest.mark.parametrize("name", ["columns", "whole json", "trec run", "json lines"])
def test_a_compressed_text_that_is_none(name, tmp_path):
    """A megabyte that unpacks to a thousand of them."""
    read, _ = SIMPLE[name]
    file = tmp_path / "bomb.gz"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        for _ in range(150):
            stream.write(b"[" + b" " * 10**6)
    with pytest.raises(ERRORS, match=r"bomb\.gz.*unpacks to more than 50 times its size"):
        read(file)
