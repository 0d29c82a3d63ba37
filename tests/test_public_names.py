"""What `mteb_hybrid` itself offers: loaded when asked for, and extras that lack are named."""

import os
import subprocess
import sys

import pytest

import mteb_hybrid

# As if accelerate was not installed: a name set to None in sys.modules fails in another way.
WITHOUT_ACCELERATE = """
import importlib.machinery, importlib.metadata, sys
find = importlib.machinery.PathFinder.find_spec
def without(cls, name, *rest):
    return None if name.partition(".")[0] == "accelerate" else find(name, *rest)
importlib.machinery.PathFinder.find_spec = classmethod(without)
version = importlib.metadata.version
def none(name):
    if name == "accelerate":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = none
"""


def run(code, *options):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    return done.stdout, done.stderr


def test_importing_the_package_imports_nothing():
    code = "import sys; before = set(sys.modules); import mteb_hybrid; "
    # Without site, whose hook has imported it already.
    assert run(code + "print(*set(sys.modules) - before)", "-S") == ("mteb_hybrid\n", "")


def test_every_public_name_is_there():
    assert set(mteb_hybrid.__all__) == set(mteb_hybrid._MODULES)
    for name in mteb_hybrid._MODULES:
        assert getattr(mteb_hybrid, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'HybridBatch'"):
        mteb_hybrid.HybridBatch  # noqa: B018


def test_names_without_the_extra_name_it():
    code = """
import mteb_hybrid
for name in mteb_hybrid._MODULES:
    try:
        getattr(mteb_hybrid, name)
    except ImportError as error:
        print(error)
"""
    said, _ = run(WITHOUT_ACCELERATE + code)
    assert said.splitlines() == [
        f'{name} needs accelerate, of an extra: pip install "mteb-hybrid[train]"'
        for name in ("HybridBatchCallback", "HybridBatchSampler")
    ]


def test_the_command_without_the_extra_names_it():
    code = """
from mteb_hybrid.commands.main import main
sys.argv = ["mteb-hybrid", "train", "e5-small-hybrid", "--dry-run"]
main()
"""
    _, said = run(WITHOUT_ACCELERATE + code)
    assert said.endswith(
        'mteb-hybrid: training needs accelerate, of an extra: pip install "mteb-hybrid[train]"\n'
    )
