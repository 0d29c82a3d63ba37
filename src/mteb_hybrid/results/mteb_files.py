"""MTEB's result files: found, read, and told whose they are. Needs neither mteb nor torch."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.files.lines import TextError, json_file
from mteb_hybrid.files.places import TASKS_VARIABLE
from mteb_hybrid.files.safe_text import visible

META = "model_meta.json"
AGAIN = (
    "The same `mteb run`, `mteb-hybrid run` or `mteb-hybrid study run` again sets it aside, keeps "
    "what can be read of it, and evaluates the rest."
)
"""What helps where a result file is damaged: see `mteb_hybrid.evaluation.saving`."""
ROUNDED = 1e-5
"""How far two numbers that are the same may be from one another: MTEB's may have five decimals."""
EXPERIMENTS = "experiments"
"""Where MTEB files what a model did with other options: MODEL/REVISION/experiments/NAME."""


class ResultError(ValueError):
    """Results that cannot be shown. The message names the file and the remedy."""


@dataclass(frozen=True)
class EvaluatedModel:
    """A model as it was evaluated.

    Attributes:
        name: Its name.
        revision: Its revision.
        experiment: The options of an MTEB experiment, such as ``embed_dim=8``; empty if it ran as
            it is.
        adapted_from: Name of the model that it was made of, as MTEB knows it; empty if unknown.
    """

    name: str
    revision: str
    experiment: str = ""
    adapted_from: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Its name and, as MTEB's leaderboard writes them, the options of the experiment."""
        return f"{self.name} ({self.experiment})" if self.experiment else self.name


@dataclass(frozen=True)
class ResultFile:
    """A result file of one of our tasks.

    Attributes:
        path: The file.
        model: Whose results it has.
        content: What MTEB wrote: ``task_name``, and ``scores`` by split.
    """

    path: Path
    model: EvaluatedModel
    content: dict[str, Any]


def read_result_files(paths: Iterable[Path]) -> list[ResultFile]:
    """Read the result files of our tasks among some paths, each once.

    Files of other tasks are passed over, whatever they hold: MTEB has had several layouts.

    Args:
        paths: Result files, or folders to search for ``*Retrieval.json``.

    Raises:
        ResultError: If a path does not exist, none has results of ours, or a file is damaged that
            was named, or bears the name of a task of ours.
    """
    given = list(paths)
    tasks = tasks_by_name()
    found, others = [], set[str]()
    for file, named in dict(_files(given)).items():
        content = _content(file, named or file.stem in tasks)
        if not content:
            continue
        if str(content.get("task_name")) in tasks:
            found.append(ResultFile(file, evaluated_model(file.parent), content))
        else:
            others.add(visible(str(content.get("task_name"))))
    if not found:
        unknown = sorted(others)
        raise ResultError(
            f"no results of our tasks below {', '.join(map(str, given))}; "
            + (
                f"found {', '.join(unknown[:5])}{' …' if len(unknown) > 5 else ''}, of which no "
                f"card is known. If the collection is your own, let {TASKS_VARIABLE} name the "
                "folder of its card."
                if unknown
                else "expected MTEB result files such as "
                "results/MODEL/REVISION/XQuADRMultilingualRetrieval.json. Make them with "
                "`mteb run` or `mteb-hybrid run`."
            )
        )
    return found


def evaluated_model(folder: Path) -> EvaluatedModel:
    """Whose results a folder holds: by MTEB's ``model_meta.json``, else by the folders' names.

    Raises:
        ResultError: If ``model_meta.json`` is damaged.
    """
    meta = _meta(folder / META)
    is_experiment = folder.parent.name == EXPERIMENTS
    revision = folder.parent.parent if is_experiment else folder
    options = meta.get("experiment_kwargs")
    experiment = folder.name if is_experiment else ""
    if isinstance(options, dict) and options:
        experiment = ", ".join(f"{name}={value}" for name, value in sorted(options.items()))
    name, at = revision.parent.name.replace("__", "/"), revision.name
    if meta.get("name"):
        name, at = str(meta["name"]), str(meta.get("revision"))
    parent = str(meta.get("adapted_from") or "")
    return EvaluatedModel(*map(visible, (name, at, experiment, parent)))


def labels(models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What each title and revision is called, so that any two can be told apart.

    Returns:
        The title alone, or with as much of the revision as it takes, 12 characters at least.
    """
    keys = list(dict.fromkeys(models))
    titles = Counter(title for title, _ in keys)
    short = Counter((title, revision[:12]) for title, revision in keys)
    found = {}
    for title, revision in keys:
        shown = revision[:12] if short[title, revision[:12]] == 1 else revision
        found[title, revision] = title if titles[title] == 1 else f"{title} @ {shown}"
    return found


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """The files, and whether each was named itself."""
    for path in paths:
        if not path.exists():
            raise ResultError(f"{path}: no such file or folder; name a folder of MTEB results")
        if path.is_file():
            yield path.resolve(), True
        else:
            yield from ((file.resolve(), False) for file in sorted(path.rglob("*Retrieval.json")))


def _content(file: Path, must_be_right: bool) -> dict[str, Any] | None:
    """A result file in MTEB's layout of today; None if it is none and need not be one."""
    try:
        content = json_file(file)
    except TextError as error:
        if not must_be_right:
            return None
        raise ResultError(f"{error}. {AGAIN}") from None
    if isinstance(content, dict) and _has_rows(content.get("scores")):
        return content
    if not must_be_right:
        return None
    raise ResultError(
        f"{file}: not an MTEB result file: it has no 'scores' with a list of subsets for every "
        f"split. Leave it out. {AGAIN}"
    )


def _has_rows(scores: object) -> bool:
    return isinstance(scores, dict) and all(
        isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        for rows in scores.values()
    )


def _meta(file: Path) -> dict[str, Any]:
    try:
        return json_file(file, dict) if file.is_file() else {}
    except TextError as error:
        raise ResultError(
            f"{error}. Whose results lie beside it is not known. The same `mteb run` or "
            "`mteb-hybrid run` again writes it anew; or delete it: then the names of the folders "
            "count."
        ) from None
