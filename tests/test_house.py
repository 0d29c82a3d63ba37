"""The order of the rooms, where the contracts of ``make lint`` do not see it: at run time."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_pure_rooms_load_neither_mteb_nor_torch():
    """Imports of other packages, and those by name, are no part of the contracts' graph."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["id"] == "pure"]
    rooms, forbidden = pure["source_modules"], pure["forbidden_modules"]
    assert {"mteb_hybrid.retrieval", "mteb_hybrid.measures"} <= set(rooms)
    assert {"mteb", "torch"} <= set(forbidden)
    code = f"""
import importlib, pkgutil, sys
for room in {rooms}:
    module = importlib.import_module(room)
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), room + "."):
        importlib.import_module(found.name)
print(*sorted(set({forbidden}) & set(sys.modules)))
print(*sorted(name for name in sys.modules if name.startswith("mteb_hybrid.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded, modules = done.stdout.splitlines()
    assert loaded == ""
    assert {"mteb_hybrid.retrieval.embeddings", "mteb_hybrid.measures.peer"} <= set(modules.split())
