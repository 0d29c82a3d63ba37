"""What is said of a repaired model: in the terminal, and in its card."""

import importlib.metadata
import json
from typing import Any

from mteb_hybrid.files.command_line import given_command
from mteb_hybrid.files.safe_text import code, markdown, visible
from mteb_hybrid.repair.held_out import Figures
from mteb_hybrid.repair.outcome import Outcome, seconds_text, where_text
from mteb_hybrid.repair.record import Record, Row, Sides
from mteb_hybrid.results.text_table import markdown as table


def curve_table(outcome: Outcome) -> list[list[str]]:
    """The whole curve, and each merging; the head first. The chosen row has a star."""
    rows = [["repair", "merging", "within a language", "pool", "rank distance"]]
    for place, found in enumerate(outcome.choice.curve):
        rows.append(_row(found, "*" if place == outcome.choice.place else ""))
    return rows + [_row(found, "") for found in outcome.choice.mergings]


def _row(found: Figures, star: str) -> list[str]:
    numbers = [_number(found.monolingual, 4), _number(found.pool, 4)]
    return [found.repair + star, found.merging, *numbers, _number(found.rank_distance, 1)]


def _number(value: float, digits: int) -> str:
    return "–" if value != value else f"{value:.{digits}f}"


def record(outcome: Outcome, base: str, revision: str | None) -> dict[str, Any]:
    """What the repair is and was fitted on, for ``repair.json``."""
    fitted = outcome.fitted
    if fitted is None or outcome.after is None:
        raise ValueError("nothing was chosen; there is no repair to describe")
    made = Record(
        repair=fitted.repair.name,
        formula=fitted.repair.formula,
        citation=fitted.repair.citation,
        directions=fitted.directions,
        length=fitted.length or None,
        base_model=base,
        base_revision=revision,
        texts=outcome.corpus.name,
        languages={language: len(texts) for language, texts in outcome.corpus.fit.items()},
        tasks=None if outcome.corpus.tasks is None else list(outcome.corpus.tasks),
        where=Sides(texts=outcome.held_out, before=outcome.before, after=outcome.after),
        curve=[_kept(found) for found in outcome.choice.curve],
        chosen=outcome.choice.place,
        mergings=[_kept(found) for found in outcome.choice.mergings],
        warnings=list(outcome.warnings),
        command=given_command(),
        mteb_hybrid=importlib.metadata.version("mteb-hybrid"),
    )
    return made.model_dump()


def _kept(found: Figures) -> Row:
    nan = {name for name, value in vars(found).items() if value != value}
    return Row.model_validate(vars(found) | dict.fromkeys(nan))


def card(outcome: Outcome, base: str, title: str) -> str:
    """README.md of the model folder."""
    fitted = outcome.fitted
    if fitted is None:
        raise ValueError("nothing was chosen; there is no card to write")
    languages = markdown(", ".join(outcome.corpus.fit))
    directions = "" if fitted.directions is None else f", {fitted.directions} directions"
    held_out = "translations of held-out texts" if outcome.corpus.parallel else "held-out texts"
    head, *body = curve_table(outcome)
    lines = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        *(
            [f"base_model: {json.dumps(visible(base), ensure_ascii=False)}"]
            if "/" in base and not base.startswith("local/")
            else []
        ),
        "tags:",
        "- sentence-transformers",
        "- mteb-hybrid",
        "---",
        f"# {markdown(title)}",
        "",
        f"{markdown(base)} with a linear map behind it that takes out what its vectors say of the "
        "language of a text, so that in a pool of several languages the right answers in other "
        "languages are not ranked below wrong ones in that of the query. Nothing was trained.",
        "",
        f"- **Repair:** {fitted.repair.name}{directions}: {code(fitted.repair.formula)} "
        f"({markdown(fitted.repair.citation)})",
        f"- **Fitted on:** {markdown(outcome.corpus.name)}, {seconds_text(outcome)}",
        f"- **Languages:** {languages}",
        f"- **Where the bias lay:** {where_text(outcome)}. Of what lay between languages, "
        + ", ".join(f"{share:.0%}" for share in outcome.before.spectrum[:5])
        + " was in the first directions",
        "- **Use:** as before, with the same prompts; vectors made before the repair must be "
        "repaired too (`mteb-hybrid repair FOLDER --vectors FILE`)",
        f"- **Made with:** mteb-hybrid {importlib.metadata.version('mteb-hybrid')}, "
        f"{code(given_command())}",
        "",
        *(f"> **Warning:** {markdown(warning)}\n" for warning in outcome.warnings),
        "## What it changed",
        "",
        f"Mean average precision on {held_out}, none of which was fitted on: the second half of a "
        "text, within its language; its translations, in a pool of all languages; and how far "
        "apart these are ranked. `*` was chosen. Each language holds exactly one answer there, "
        "which favours mergings that balance languages.",
        "",
        table(head, body),
        "",
    ]
    return "\n".join(lines)
