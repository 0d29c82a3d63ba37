"""What the tests of proposals to MTEB share: exporting, importing, and MTEB's linter."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from mteb.abstasks.retrieval import AbsTaskRetrieval

from mteb_hybrid.cards.tasks import card_settings
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.export.upstream.module import module_source
from mteb_hybrid.export.upstream.proposal import export_upstream
from mteb_hybrid.retrieval.views import Setting

DATASET, REVISION = "some-org/some-name", "0123456789abcdef" * 2 + "01234567"
TASKS = Path("mteb/tasks/retrieval/multilingual")

# mteb 2.26's pyproject.toml: what it selects, and what it ignores everywhere or in its tasks.
MTEB_RUFF = """
target-version = "py311"
[lint]
preview = true
future-annotations = true
select = [
  "F", "I", "E", "W", "D", "UP", "FA", "C4", "NPY", "N", "RUF008", "RUF009", "RUF012", "RUF013",
  "RUF015", "RUF022", "RUF100", "PTH", "TID", "PGH", "LOG", "TC", "T20", "PL", "S", "ICN", "PIE",
  "PD", "DTZ", "SLOT", "RSE", "YTT", "EXE", "INT", "ASYNC", "ISC", "B", "PT", "A", "RET", "SIM",
  "ANN",
]
ignore = ["E501", "E741", "D", "C408", "PLR2004", "ISC001", "F403"]
[lint.flake8-type-checking]
strict = true
runtime-evaluated-base-classes = ["mteb.abstasks.task_metadata.TaskMetadata"]
"""


def ruff(folder, *arguments):
    (folder / "ruff.toml").write_text(MTEB_RUFF)
    return subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def export_card(card, folder, chosen=None):
    export_upstream(card, chosen or card_settings(card), DATASET, REVISION, folder)
    (module,) = (folder / TASKS).glob("*_retrieval.py")
    return module


def classes(module):
    """The task classes of a module, by setting, as MTEB would import them."""
    spec = importlib.util.spec_from_file_location(f"proposed_{module.stem}", module)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    found = [made for made in vars(loaded).values() if isinstance(made, type)]
    return {
        Setting(setting): made
        for made in found
        if issubclass(made, AbsTaskRetrieval)
        for setting in Setting
        if made.__name__.endswith(f"{setting.title()}Retrieval")
    }


def source_of(card):
    tasks = {task.setting: task.metadata for task in task_classes({card.name: card})}
    return module_source(card, tasks, DATASET, REVISION)
