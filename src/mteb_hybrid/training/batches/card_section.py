"""The section on hybrid batches in the model card that sentence-transformers writes."""

import atexit
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.dataset import ParallelDataset

HEADING = "### Hybrid Batches"
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
    dataset: ParallelDataset,
    pair_counts: Mapping[str, int] | None = None,
    monolingual_share: float | None = None,
) -> None:
    """Give a model's card a section on how its batches were made, in place of an earlier one.

    sentence-transformers renders the card from a template whenever the model is saved, and a
    template file is the only seam for a section, so the model gets a copy with the section in it.

    Args:
        model: A sentence-transformers model; left alone if it keeps no card.
        plan: What batches consist of.
        dataset: The training data.
        pair_counts: Examples of each language pair that were trained on.
        monolingual_share: Share of the batches that were monolingual.
    """
    data = getattr(model, "model_card_data", None)
    if data is None:
        return
    template = Path(data.template_path).read_text(encoding="utf-8")
    if HEADING in template:
        before, _, rest = template.partition(HEADING)
        template = before + PLACE + rest.partition(PLACE)[2]
    lines = [HEADING, "{% raw %}", *_lines(plan, dataset, pair_counts, monolingual_share)]
    section = "\n".join([*lines, "{% endraw %}", "", PLACE])
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="model-card-", suffix=".md", delete=False
    ) as file:
        file.write(template.replace(PLACE, section, 1))
    data.template_path = Path(file.name)
    data.citations["HybridBatchCallback"] = CITATION
    atexit.register(Path(file.name).unlink, missing_ok=True)


def _lines(
    plan: BatchPlan,
    dataset: ParallelDataset,
    pair_counts: Mapping[str, int] | None,
    monolingual_share: float | None,
) -> list[str]:
    corpora = ", ".join(f"{corpus.name} ({len(corpus):,} rows)" for corpus in dataset.corpora)
    lines = [
        "Each batch was monolingual with probability alpha, else cross-lingual "
        "([arXiv:2408.10536](https://arxiv.org/abs/2408.10536)), made by mteb-hybrid."
        if plan.method == "hybrid"
        else "Examples had both sides in one language; batches mixed languages (a baseline).",
        "",
        *(f"- `{key}`: {value}" for key, value in plan.settings().items() if value is not None),
        f"- Languages: {', '.join(dataset.languages)}",
        f"- Parallel data: {corpora}",
    ]
    if pair_counts:
        top = sorted(pair_counts.items(), key=lambda pair: (-pair[1], pair[0]))
        lines += [
            f"- Share of monolingual batches: {monolingual_share:.3f}",
            "",
            f"<details><summary>Examples per language pair ({len(top)} pairs)</summary>",
            "",
            "| query-passage | examples |",
            "|:--|--:|",
            *(f"| {pair} | {count:,} |" for pair, count in top),
            "",
            "</details>",
        ]
    return lines
