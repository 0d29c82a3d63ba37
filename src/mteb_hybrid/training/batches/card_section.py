"""The section on hybrid batches in the model card that sentence-transformers writes."""

import atexit
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mteb_hybrid.files.leftovers import unfinished
from mteb_hybrid.files.safe_text import code, html, markdown
from mteb_hybrid.files.scratch import clean_scratch
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.batches.tally import Tally

HEADING = "### Hybrid Batches"
OF_HYBRID = ("alpha", "crosslingual", "language_weights")
"""Settings that other methods do not look at."""
PLACE = "### Framework Versions"

CITATION = """@misc{elmahdy2024synergistic,
    title = {Synergistic Approach for Simultaneous Optimization of Monolingual, Cross-lingual, and Multilingual Information Retrieval},
    author = {Elmahdy, Adel and Lin, Sheng-Chieh and Ahmad, Amin},
    year = {2024},
    eprint = {2408.10536},
    archivePrefix = {arXiv},
}"""  # noqa: E501


def add_section(
    model: Any,
    plan: BatchPlan,
    parts: Mapping[str, Any],
    prompts: Mapping[str, str],
    tally: Tally | None = None,
) -> None:
    """Give a model's card a section on how its batches were made, in place of an earlier one.

    sentence-transformers renders the card from a template whenever the model is saved, and a
    template file is the only seam for a section, so the model gets a copy with the section in it.

    Args:
        model: A sentence-transformers model; left alone if it keeps no card.
        plan: What batches consist of.
        parts: The sampler of each data set, by its name; an empty name if there is but one.
        prompts: What was put before texts in training, and is in evaluation.
        tally: What was trained on.
    """
    data = getattr(model, "model_card_data", None)
    if data is None:
        return
    template = Path(data.template_path).read_text(encoding="utf-8")
    if HEADING in template:
        before, _, rest = template.partition(HEADING)
        template = before + PLACE + rest.partition(PLACE)[2]
    # As a string of the template, whose text is never read as template.
    text = json.dumps("\n".join(_lines(plan, parts, prompts, tally)), ensure_ascii=False)
    section = f"{HEADING}\n{{{{ {text} }}}}\n\n{PLACE}"
    clean_scratch()
    name = unfinished("model-card-template")
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix=name, suffix=".part", delete=False
    ) as file:
        file.write(template.replace(PLACE, section, 1))
    data.template_path = Path(file.name)
    data.citations["HybridBatchCallback"] = CITATION
    atexit.register(Path(file.name).unlink, missing_ok=True)


def _lines(
    plan: BatchPlan, parts: Mapping[str, Any], prompts: Mapping[str, str], tally: Tally | None
) -> list[str]:
    hybrid = {name: own for name, own in parts.items() if isinstance(own, HybridBatchSampler)}
    languages = dict.fromkeys(code for own in hybrid.values() for code in own.dataset.languages)
    lines = [
        "Each batch was monolingual with probability alpha, else cross-lingual "
        "([arXiv:2408.10536](https://arxiv.org/abs/2408.10536)), made by mteb-hybrid."
        if plan.method == "hybrid"
        else "Examples had both sides in one language; batches mixed languages (a baseline).",
        "",
        *(
            f"- `{key}`: {markdown(str(value))}"
            for key, value in plan.settings().items()
            if value is not None and (plan.method == "hybrid" or key not in OF_HYBRID)
        ),
        f"- Languages: {markdown(', '.join(languages))}",
    ]
    for name, own in hybrid.items():
        corpora = own.dataset.corpora
        said = ", ".join(f"{markdown(corpus.name)} ({len(corpus):,} rows)" for corpus in corpora)
        lines.append(f"- Parallel data{f' {code(name)}' if name else ''}: {said}")
    if prompts:
        said = ", ".join(
            f"{markdown(name)} {code(json.dumps(text)[1:-1])}" for name, text in prompts.items()
        )
        lines.append(f"- Prompts, in training and in evaluation: {said}")
    if tally is None or not tally.batches:
        return lines
    if len(parts) > 1:
        total = tally.examples.total()
        shares = (f"{code(name)} {tally.examples[name] / total:.1%}" for name in parts)
        lines.append(f"- Share of the examples of each data set: {', '.join(shares)}")
        lines.append(
            "- Without hybrid batches: "
            + (", ".join(code(name) for name in parts if name not in hybrid) or "none")
        )
    lines += [f"- Share of monolingual batches: {tally.monolingual_share:.3f}", ""]
    for name, counts in sorted(tally.pairs.items()):
        top = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        where = f" of {html(name)}" if name else ""
        lines += [
            f"<details><summary>Examples per language pair{where} ({len(top)} pairs)</summary>",
            "",
            "| query-passage | examples |",
            "|:--|--:|",
            *(f"| {markdown(pair)} | {count:,} |" for pair, count in top),
            "",
            "</details>",
        ]
    return lines
