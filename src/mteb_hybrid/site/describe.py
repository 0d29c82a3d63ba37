"""What is known of a model, a run and a collection; what is not known is said, not guessed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings, data_revision, task_name
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.models.encoding import Backend, EncodingPrecision
from mteb_hybrid.report.published import published
from mteb_hybrid.results.cells import NONE, short_revision
from mteb_hybrid.results.evaluation import NOT_KNOWN, Evaluation
from mteb_hybrid.results.mteb_files import META
from mteb_hybrid.results.run_settings import OURS
from mteb_hybrid.site.kept import Collection, Model

SHOWN = {
    "reference": "Page",
    "license": "Licence",
    "release_date": "Released",
    "adapted_from": "Made from",
    "embed_dim": "Dimensions",
    "max_tokens": "Longest text, in tokens",
    "similarity_fn_name": "Similarity",
    "framework": "Framework",
    "training_datasets": "Trained on",
}
MERGED = re.compile(r"(?P<model>.+)-merged-(?P<merging>[\w-]+)")
ENCODED = {"precision": tuple(EncodingPrecision), "backend": tuple(Backend)}
"""Options of `mteb-hybrid run` that it files as an experiment, and their values."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def model_of(evaluation: Evaluation) -> Model:
    """What the metadata beside a result file say of its model, and its card if it is at hand."""
    meta = _meta(evaluation.folder)
    parameters = meta.get("n_parameters")
    is_count = isinstance(parameters, int) and not isinstance(parameters, bool) and parameters > 0
    return Model(
        name=evaluation.model,
        revision=evaluation.revision,
        facts={title: _words(meta.get(name)) for name, title in SHOWN.items()},
        parameters=parameters if is_count else None,
        card=_card(str(meta.get("name")), evaluation.revision),
    )


def versions_of(evaluation: Evaluation) -> dict[str, str]:
    """Versions of what made a result, by name; several where subsets were made with several."""
    found: dict[str, set[str]] = {}
    for made in evaluation.made:
        for name, version in made.versions.items():
            found.setdefault(name, set()).add(version)
    found |= {
        "mteb": {visible(v) for v in evaluation.mteb_versions if v != "None"} or {NOT_KNOWN},
        OURS: set(evaluation.our_versions),
    }
    return {name: ", ".join(sorted(versions)) for name, versions in found.items() if versions}


def signature(evaluation: Evaluation, versions: dict[str, str]) -> str:
    """What the numbers depend on, as sacrebleu writes it (Post 2018): comparable if it is alike."""
    cut = evaluation.truncated_at
    parts = {
        evaluation.card.file.stem: short_revision(evaluation.dataset_revision) or NOT_KNOWN,
        "setting": str(evaluation.setting),
        "subsets": f"{len(evaluation.scores)}/{len(evaluation.expected)}",
        "ties": "expected",
        "cut": "none" if cut is None else str(cut),
        "mteb": versions["mteb"],
        OURS: versions.get(OURS, NOT_KNOWN),
    }
    return visible("|".join(f"{name}:{value.replace('|', ' ')}" for name, value in parts.items()))


def command(evaluation: Evaluation) -> str:
    """A command that evaluates the same, for results that do not record the one that was given."""
    meta = _meta(evaluation.folder)
    name = str(meta.get("name") or evaluation.model)
    words = ["mteb-hybrid", "run", "-m"]
    if merged := MERGED.fullmatch(name):
        words += [merged["model"], evaluation.task, "--merge-by", merged["merging"]]
    else:
        words += [name, evaluation.task]
    if _COMMIT.fullmatch(evaluation.revision):
        words += ["--model-revision", evaluation.revision]
    sizes = {made.batch_size for made in evaluation.made if made.batch_size is not None}
    if len(sizes) == 1:
        words += ["--batch-size", str(*sizes)]
    given = meta.get("experiment_kwargs")
    others = dict(given) if isinstance(given, dict) else {}
    for option, values in ENCODED.items():
        if others.get(option) in values:
            words += [f"--{option}", others.pop(option)]
    said = visible(shlex.join(words))
    if others or (not given and evaluation.model != visible(name)):
        said += f"  # and with the options of {evaluation.model}, which mteb run takes"
    if evaluation.missing:
        of = f"{len(evaluation.scores)} of its {len(evaluation.expected)} subsets"
        said += f"  # these results have {of}"
    return said


def trained_on(evaluation: Evaluation) -> str:
    """Whether a model was trained on a collection, by the list in its metadata.

    Returns:
        "yes"; "no" if there is a list without it, and no other model that it was made from;
        else "not known".
    """
    card, meta = evaluation.card, _meta(evaluation.folder)
    found = meta.get("training_datasets")
    if not isinstance(found, list | dict):
        return NOT_KNOWN
    names = {card.name, *card.metadata.adapted_from}
    names |= {task_name(card, setting) for setting in card_settings(card)}
    if names & set(map(str, found)):
        return "yes"
    return NOT_KNOWN if meta.get("adapted_from") else "no"


def collection_of(card: TaskCard) -> Collection:
    """What a card says of its collection."""
    about = card.metadata
    facts = {
        "Described in": about.reference,
        "Files of": card.source.repository,
        "Revision": card.source.revision,
        "Licence": about.license,
        "Text made": about.sample_creation,
        "Judged by": about.annotations_creators,
        "From": " to ".join(about.date),
        "Domains": ", ".join(about.domains),
        "Adapted from": ", ".join(about.adapted_from),
    }
    return Collection(
        name=card.name,
        stem=card.file.stem,
        title=visible(card.title),
        sample=card.kind == "sample",
        parallel=card.source.parallel,
        description=card.description,
        languages={short: language_name(x.code) for short, x in card.languages.items()},
        settings=list(card_settings(card)),
        revisions={setting: data_revision(card, setting) for setting in card_settings(card)},
        facts={name: str(value) for name, value in facts.items() if value},
        citation=about.bibtex_citation.strip().splitlines(),
        published=list(_published(card)),
        faults=str(card.source.known_faults),
    )


def _published(card: TaskCard) -> Iterator[list[str]]:
    for p in published(card):
        maps = (p.monolingual, p.crosslingual, p.multilingual)
        shown = [NONE if value is None else f"{value:.{p.digits}f}" for value in maps]
        distance = NONE if p.rank_distance is None else f"{p.rank_distance:,.1f}"
        yield [p.model, p.source, *shown, distance]


def _meta(folder: Path) -> dict[str, Any]:
    file = folder / META
    return json_file(file, dict) if file.is_file() else {}


def _words(value: object) -> str:
    if value is None or value == "" or value == []:
        return NOT_KNOWN
    if isinstance(value, list | dict):
        return visible(", ".join(map(str, value))) or NOT_KNOWN
    whole = isinstance(value, float) and value.is_integer()
    return visible(str(int(value) if whole else value))  # type: ignore[call-overload]


def _card(name: str, revision: str) -> list[str]:
    """The card of a model that is registered here at this revision."""
    from mteb_hybrid.models.registry import registered

    entry = registered().get(name)
    found: Any = json_file(entry, dict) if entry and entry.is_file() else {}
    meta = found.get("meta")
    if not isinstance(meta, dict) or str(meta.get("revision")) != revision:
        return []
    file = Path(str(found.get("folder")), "README.md")
    if not file.is_file():
        return []
    return [visible(line) for line in file.read_text("utf-8", "replace").splitlines()]
