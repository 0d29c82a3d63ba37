"""Write a model's card: the hub's metadata, our part of the text, and whatever else stands there.

Our part stands between two comments, and only it is written anew. What sentence-transformers wrote
at the end of a training run follows it; a card by somebody else gets our part at its end.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml  # type: ignore[import-untyped]
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from mteb_hybrid.files.hub import hub_language, hub_license
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.whole import write_text
from mteb_hybrid.model_card.evaluation import Evaluation, eval_results, is_ours, read_evaluation
from mteb_hybrid.model_card.text import base_model, card_text, published_name
from mteb_hybrid.models.contents import CARD_FOLDER, ModelError
from mteb_hybrid.recipes.kept_run import read_run

if TYPE_CHECKING:
    from mteb.models import ModelMeta


BEGIN = "<!-- mteb-hybrid: `mteb-hybrid models card` writes this part -->"
END = "<!-- mteb-hybrid: end of that part -->"
TAGS = ("sentence-transformers", "sentence-similarity", "mteb")


def write_card(folder: Path, meta: "ModelMeta", results: Sequence[Path] = ()) -> Path:
    """Write ``README.md`` of a model, and the pictures it shows in the folder ``model_card``.

    Writing it twice gives the same file, and the model's revision stays as it was
    (`mteb_hybrid.models.contents.folder_hash`). Without matplotlib there are no pictures, and a
    line on stderr says so.

    Args:
        folder: The model's folder; for a model that MTEB fetches, any folder.
        meta: What MTEB knows of the model.
        results: Result files, or folders to search for those of this model.

    Returns:
        The file.

    Raises:
        ResultError: If there are no results of this model, or a file is damaged.
        CardError: If the recipe in the folder cannot be read.
        ModelError: If there is a card already that cannot be read.
    """
    run = read_run(folder)
    evaluation = read_evaluation(results, meta) if results else None
    file = folder / "README.md"
    card = _read(file)
    before, after = _apart(file, card.text, trained_here=run is not None)
    pictures = _pictures(evaluation, folder / CARD_FOLDER)
    whole = run is not None or not (before + after).strip()
    text = card_text(meta, run, evaluation, pictures, _prompts(folder), whole=whole)
    card.text = f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}\n{after}"
    data: Any = card.data
    _fill_in(data, meta, eval_results(evaluation.rows) if evaluation else [])
    write_text(file, str(card))
    for picture in (folder / CARD_FOLDER).glob("results-*.png"):
        if quote(f"{CARD_FOLDER}/{picture.name}") not in pictures:
            picture.unlink()  # of earlier results; no card shows it any more
    return file


def has_our_part(folder: Path) -> bool:
    """Whether the card of a model, if there is one, has the part that `write_card` writes."""
    file = folder / "README.md"
    return file.is_file() and BEGIN in file.read_text(encoding="utf-8")


def _read(file: Path) -> ModelCard:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    try:
        # Without front matter huggingface_hub warns.
        return ModelCard(text if text.lstrip().startswith("---") else f"---\n{{}}\n---\n{text}")
    except (ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{file}: its front matter cannot be read: {error}; correct it") from error


def _apart(file: Path, text: str, *, trained_here: bool) -> tuple[str, str]:
    """What stands before our part, and what after it."""
    before, begin, rest = text.partition(BEGIN)
    if begin and END not in rest:
        raise ModelError(f"{file}: the line {END!r} is missing; put it back after our part")
    if begin:
        return before, rest.rpartition(END)[2].removeprefix("\n")
    if trained_here:
        return "\n", _without_repeats(text)
    return f"{text.rstrip()}\n\n", ""


def _without_repeats(text: str) -> str:
    """The card of sentence-transformers without its blanks, and without what ours has too.

    Blanks are comments for people to fill in; ours has title, introduction and usage.
    """
    text = re.sub(r"(?ms)^<!--.*?-->(\n|\Z)", "", text)
    text = re.sub(r"(?ms)^## Usage$.*?(?=^## )", "", text, count=1)
    return re.sub(r"\n{3,}", "\n\n", text[max(text.find("\n## Model Details"), 0) :])


def _prompts(folder: Path) -> dict[str, str] | None:
    """The prompts of a sentence-transformers folder, None if it is none."""
    if not (folder / "modules.json").is_file():
        return None
    file = folder / "config_sentence_transformers.json"
    config = json_file(file, dict) if file.is_file() else {}
    prompts: dict[str, str] = config.get("prompts") or {}
    return prompts


def _pictures(evaluation: Evaluation | None, folder: Path) -> dict[str, str]:
    """Draw what there is: path in the card to caption."""
    if evaluation is None:
        return {}
    try:
        from mteb_hybrid.model_card.pictures import draw_results
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        print(
            f'no pictures: {missing} is missing, of the extra "mteb-hybrid[report]"; the card has '
            "the numbers",
            file=sys.stderr,
        )
        return {}
    drawn = draw_results(evaluation.summary, folder)
    return {quote(f"{CARD_FOLDER}/{name}"): caption for name, caption in drawn.items()}


def _fill_in(data: ModelCardData, meta: "ModelMeta", results: list[EvalResult]) -> None:
    """Put what is known into the hub's metadata; what is not stays as it is."""
    if meta.languages:
        data.language = list(dict.fromkeys(map(hub_language, meta.languages)))
    if meta.license:
        for key, value in hub_license(meta.license).items():
            data[key] = value
    if base := base_model(meta):
        data.base_model = base
    data.library_name = data.library_name or "sentence-transformers"
    data.pipeline_tag = data.pipeline_tag or "sentence-similarity"
    data.tags = list(dict.fromkeys([*(data.tags or ()), *TAGS]))
    others = [result for result in data.eval_results or () if not is_ours(result)]
    data.eval_results = [*others, *results] or None
    data.model_name = published_name(meta) if data.eval_results else None
