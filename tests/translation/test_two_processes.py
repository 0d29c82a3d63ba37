"""Translated queries of processes that run at the same time, or are killed."""

import signal
import subprocess
import sys

import pytest

from cards.test_translations import TOY
from mteb_hybrid.cards.translations import overlay_folder, provenance
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.translated import with_translated_queries

TRANSLATE = """
import os, sys
from types import SimpleNamespace
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.files import whole
from mteb_hybrid.translation.cache import Translated
from mteb_hybrid.translation.queries import translate_queries
from mteb_hybrid.translation.translator import Options

said, kill, *codes = sys.argv[1:]
renamed = 0

def flush(path):
    global renamed
    renamed += 1
    if renamed == int(kill):
        os.kill(os.getpid(), 9)

if kill.endswith("0"):  # before the file has its name, not after
    kill = kill[:-1]
    whole._flush = flush
else:
    whole._flush_folder = flush
translator = SimpleNamespace(
    system="local/stub",
    revision="1",
    options=Options(),
    check=lambda *codes: None,
    translate=lambda texts, *_, batch_size: {x: Translated(f"{said} {x}", False) for x in texts},
)
card = collections()["toy"]
print("ready", flush=True)
sys.stdin.readline()
for code in codes:
    short, _, code = code.partition("=")
    translate_queries(card, translator, {short: code})
"""

FIRST = ["de=deu-Latn", "zh=zho-Hans", "ar=arb-Arab", "sv=swe-Latn"]
SECOND = ["fr=fra-Latn", "es=spa-Latn", "fi=fin-Latn", "ja=jpn-Jpan"]


@pytest.fixture
def toy(beir_card):
    return beir_card(TOY)


def start(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", TRANSLATE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def finish(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    return [process.returncode for process in processes]


def subsets(card):
    """The translated subsets, all of which must be whole."""
    found = with_translated_queries(load_collection(card), card)
    return set(found.languages) - {"en"}


def files():
    return {path.name for path in overlay_folder("toy").parent.rglob("*")} - {"toy"}


def test_two_processes_keep_the_translations_of_both(toy):
    assert finish(start("first", "-1", *FIRST), start("second", "-1", *SECOND)) == [0, 0]
    expected = {code.partition("=")[0] for code in FIRST + SECOND}
    assert subsets(toy) == expected
    assert {entry.into for entry in provenance(toy).translations} == expected
    assert files() == {f"{short}-en.jsonl" for short in expected} | {"provenance.json"}


# Which rename of a run that translates German anew, and adds Chinese, and whether it has been.
@pytest.mark.parametrize(
    ("kill", "left"),
    [("10", {"de", "ar"}), ("1", {"ar"}), ("20", {"ar"}), ("2", {"ar"}), ("3", {"de", "ar"}),
     ("4", {"de", "ar"})],
)  # fmt: skip
def test_killed_at_any_place_nothing_named_is_missing(toy, kill, left):
    assert finish(start("old", "-1", "de=deu-Latn", "ar=arb-Arab")) == [0]
    assert finish(start("new", kill, "de=deu-Latn", "zh=zho-Hans")) == [-signal.SIGKILL]
    assert subsets(toy) == left
    assert finish(start("new", "-1", "de=deu-Latn", "zh=zho-Hans")) == [0]
    assert subsets(toy) == {"de", "zh", "ar"}
    assert files() == {"de-en.jsonl", "zh-en.jsonl", "ar-en.jsonl", "provenance.json"}
