"""A collection as a proposal to MTEB: what a pull request to its repository consists of.

Made for mteb 2.26, after its ``docs/contributing/adding_a_dataset.md`` and
``.github/instructions/dataset-pr.instructions.md``. Below ``mteb`` and ``scripts`` the files lie
where the repository has them; beside them are the text of the pull request and the steps that are
left to a person.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.export.upstream.module import module_source
from mteb_hybrid.export.upstream.text import Proposal, pull_request, script, steps
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.lines import TextError, json_file
from mteb_hybrid.files.whole import whole_folder
from mteb_hybrid.retrieval.views import Setting, views


def export_upstream(
    card: TaskCard,
    settings: Sequence[Setting],
    dataset: str,
    revision: str,
    folder: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write a collection as MTEB's own tasks, which read the data set of ``--format hub``.

    The same card always gives the same bytes. The collection itself is not read.

    Args:
        card: The collection's card.
        settings: The settings to propose, each a task.
        dataset: ``ORG/NAME`` of the data set on the Hugging Face hub.
        revision: Its commit.
        folder: Where it goes.
        overwrite: Whether to replace a folder that holds anything else.

    Raises:
        ExportError: If the data set or the revision cannot be one, the collection has subsets that
            its data set on the hub has not, its statistics are missing or of other subsets, or the
            folder holds anything else.
    """
    _check_dataset(dataset, revision)
    tasks = {setting: _metadata(card, setting) for setting in Setting if setting in settings}
    name = re.sub(r"[^a-z0-9]+", "_", card.file.stem.lower())
    module = f"{name}_retrieval"
    if not module.isidentifier():
        raise ExportError(
            f"{card.file}: the name of the file becomes that of a Python module, {module}, which "
            "may not start with a digit; rename the card"
        )
    statistics = {setting: _statistics(task) for setting, task in tasks.items()}
    proposal = Proposal(
        card,
        {tasks[setting].name: (setting, found) for setting, (_, found) in statistics.items()},
        module,
        dataset,
        revision,
    )
    files = {
        f"mteb/tasks/retrieval/multilingual/{module}.py": module_source(
            card, tasks, dataset, revision
        ),
        **{
            f"mteb/descriptive_stats/{task.type}/{task.name}.json": statistics[setting][0]
            for setting, task in tasks.items()
        },
        f"scripts/data/{name}/create_data.py": script(proposal),
        "PR.md": pull_request(proposal),
        "STEPS.md": steps(proposal),
    }
    with whole_folder(folder, overwrite=overwrite) as part:
        for place, text in files.items():
            (part / place).parent.mkdir(parents=True, exist_ok=True)
            (part / place).write_text(text, encoding="utf-8", newline="\n")


def _check_dataset(dataset: str, revision: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", dataset, re.ASCII):
        raise ExportError(
            f"data set {dataset!r}: expected ORG/NAME: the user or organisation that it was "
            "uploaded to, and its name there"
        )
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ExportError(
            f"revision {revision!r}: expected a commit of 40 hex digits, since a branch or a tag "
            f'can move; HfApi().dataset_info("{dataset}").sha of huggingface_hub tells it'
        )


def _metadata(card: TaskCard, setting: Setting) -> TaskMetadata:
    further = set(task_views(card, setting)) - set(views(setting, tuple(card.languages)))
    if further:
        raise ExportError(
            f"{card.title}: has translated queries ({', '.join(sorted(further))}), which are not "
            "in its data set, and MTEB wants no machine translations that nobody checked. Move "
            "its translated-queries folder away, or leave this setting out with --setting."
        )
    (found,) = (task for task in task_classes({card.name: card}) if task.setting is setting)
    return found.metadata


def _statistics(task: TaskMetadata) -> tuple[str, dict[str, Any]]:
    """What ``calculate_descriptive_statistics`` wrote beside the card: as it is, and read."""
    file = task.descriptive_stat_path
    remedy = (
        f'Write it with mteb.get_task("{task.name}")'
        ".calculate_descriptive_statistics(overwrite_results=True)."
    )
    if not file.is_file():
        raise ExportError(f"{file}: no such file, and MTEB wants these statistics. {remedy}")
    try:
        found: dict[str, Any] = json_file(file, dict)
        subsets = {
            split: list(of_split["hf_subset_descriptive_stats"])
            for split, of_split in found.items()
        }
    except TextError as error:
        raise ExportError(f"{error}. {remedy}") from None
    except (KeyError, TypeError):
        subsets = {}
    if subsets != dict.fromkeys(task.eval_splits, task.hf_subsets):
        raise ExportError(f"{file}: holds the statistics of other splits or subsets. {remedy}")
    return file.read_text(encoding="utf-8"), found
