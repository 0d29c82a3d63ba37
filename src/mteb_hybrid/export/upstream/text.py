"""What goes with the tasks that are proposed to MTEB: pull request, steps, and upload script.

MTEB's reviewers want a description of 2,000 characters at most, with the statistics and a table of
results in it (``.github/workflows/pr_description_length.yml`` and
``.github/instructions/dataset-pr.instructions.md``, 2026).
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from string import Template
from textwrap import indent
from typing import Any

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.export.upstream.module import MAIN_SCORE, import_source
from mteb_hybrid.files.safe_text import code, markdown
from mteb_hybrid.retrieval.views import Setting

MODELS = (
    "mteb/baseline-random-encoder",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "intfloat/multilingual-e5-small",
)

WHY_POOLS = (
    "In most retrieval tasks a pool holds one language. A pool of several (#1625) shows what they "
    "cannot: models that rank wrong passages in the query's language above right ones in others."
)
WHY_OPEN = "(Say here which gap in MTEB it fills.)"


@dataclass(frozen=True)
class Proposal:
    """What is proposed.

    Attributes:
        card: The collection's card.
        tasks: Setting and descriptive statistics by the name of the task.
        module: Name of the Python module.
        dataset: ``ORG/NAME`` on the Hugging Face hub.
        revision: Its commit.
    """

    card: TaskCard
    tasks: dict[str, tuple[Setting, dict[str, Any]]]
    module: str
    dataset: str
    revision: str


def pull_request(proposal: Proposal) -> str:
    """The description of the pull request, with places for the results.

    In MTEB's checklist only what the description itself does is ticked.
    """
    card, about = proposal.card, proposal.card.metadata
    settings = [setting for setting, _ in proposal.tasks.values()]
    has_pools = Setting.MULTILINGUAL in settings and card.source.judged_across
    related = " and ".join(code(name) for name in about.adapted_from)
    return _template("upstream_pr.md").substitute(
        title=markdown(card.title),
        count=f"{len(settings)} task{'s' if len(settings) > 1 else ''}",
        description=markdown(card.description),
        related=f" Related: {related}." if related else "",
        why=WHY_POOLS if has_pools else WHY_OPEN,
        outlined="x" if has_pools else " ",
        statistics="\n".join(
            _row(name, *statistics.values()) for name, (_, statistics) in proposal.tasks.items()
        ),
        dataset=proposal.dataset,
        license=markdown(about.license),
        creation=markdown(about.sample_creation),
        annotations=markdown(about.annotations_creators),
        settings=" | ".join(setting.title() for setting in settings),
        rule=" | ".join("---:" for _ in settings),
        models="\n".join(f"| `{model}` |{'  |' * len(settings)}" for model in MODELS),
        main_score=MAIN_SCORE,
        bound=_bound(proposal),
    )


def steps(proposal: Proposal) -> str:
    """What is left to a person, in order."""
    names = list(proposal.tasks)
    return _template("upstream_steps.md").substitute(
        title=markdown(proposal.card.title),
        dataset=proposal.dataset,
        revision=proposal.revision,
        imports=indent(import_source(proposal.module, names), "   "),
        runs="\n".join(f"   mteb run -m {model} -t {' '.join(names)}" for model in MODELS),
        length=f"{len(pull_request(proposal)):,}",
        bound=_bound(proposal),
    )


def script(proposal: Proposal) -> str:
    """A script that makes and uploads the data set, which MTEB wants to see."""
    return _template("upstream_script.txt").substitute(
        dataset=proposal.dataset,
        revision=proposal.revision,
        name=proposal.card.name,
        version=importlib.metadata.version("mteb-hybrid"),
    )


def _row(name: str, split: dict[str, Any]) -> str:
    subsets = split["hf_subset_descriptive_stats"].values()
    cells = (
        name,
        len(subsets),
        _range([subset["num_queries"] for subset in subsets]),
        _range([subset["num_documents"] for subset in subsets]),
        f"{split['relevant_docs_statistics']['average_relevant_docs_per_query']:.3g}",
        " / ".join(
            f"{split[f'{kind}_text_statistics']['average_text_length']:.0f}"
            for kind in ("queries", "documents")
        ),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _bound(proposal: Proposal) -> str:
    """How far ``map_at_1000`` can lie below uncut MAP, for the query with most relevant passages.

    The j-th of R relevant passages adds j/R/rank to average precision, and one that MTEB does not
    see has rank 1,000 or more. The sum over all j is (R+1)/2000.
    """
    most = max(
        split["relevant_docs_statistics"]["max_relevant_docs_per_query"]
        for _, statistics in proposal.tasks.values()
        for split in statistics.values()
    )
    return f"{min(1, (most + 1) / 2000):g}"


def _template(name: str) -> Template:
    return Template(Path(__file__).with_name(name).read_text(encoding="utf-8"))
