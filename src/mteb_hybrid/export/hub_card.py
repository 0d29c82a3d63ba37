"""The card of a data set on the Hugging Face hub: front matter and text.

Front matter: github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import TypeAlias

from huggingface_hub import DatasetCardData

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.source import BESIDE_THE_CARD
from mteb_hybrid.files.hub import hub_language, hub_license
from mteb_hybrid.files.safe_text import code, code_block, link, markdown, visible
from mteb_hybrid.languages.codes import language_name

Config: TypeAlias = tuple[str, list[str]]
"""Name of a config, and the files that it consists of."""

Counts: TypeAlias = dict[str, dict[str, int]]
"""Rows of ``corpus`` and ``queries`` by language."""

TEMPLATE = Path(__file__).with_name("hub_card.md")

CANDIDATES = {
    "sentence": "a sentence",
    "sentence-with-context": "a sentence, a line break, and the paragraph that it stands in",
    "line": "a line, which is a query too",
    "caption": "a caption, which is a query too",
    "passage": "a passage; its title, if it has one, stands before it",
    "document": "a document: its title, a space, and its text",
}


def hub_card(card: TaskCard, configs: Sequence[Config], counts: Counts) -> str:
    """Write the card.

    Args:
        card: The collection's card.
        configs: What can be loaded.
        counts: How many texts there are.

    Returns:
        The content of ``README.md``.
    """
    about, source = card.metadata, card.source
    checksums = any(entry.sha256 for entry in card.languages.values())
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        front_matter=_front_matter(card, configs),
        title=markdown(card.title),
        description=markdown(card.description),
        candidates=CANDIDATES[source.candidates],
        translations="; every translation of the answer is relevant" if source.parallel else "",
        languages=_language_table(card, counts, checksums),
        checksums=" with the checksums above" if checksums else "",
        limits="".join(f" {markdown(limit)}" for limit in source.limits),
        subset=_example(configs),
        split=code(card.split),
        split_literal=json.dumps(visible(card.split)),
        repository=link(source.repository, source.repository),
        revision=code(source.revision),
        url=link(source.origin, source.origin),
        reference=link(about.reference, about.reference),
        license=markdown(about.license),
        annotations=markdown(about.annotations_creators),
        creation=markdown(about.sample_creation),
        prompt=markdown(about.prompt.query),
        citation=code_block(about.bibtex_citation, "bibtex")
        if about.bibtex_citation.strip()
        else "There is nothing to cite.",
        version=importlib.metadata.version("mteb-hybrid"),
    )


def _example(configs: Sequence[Config]) -> str:
    """A subset to show how to load: one with all languages, if there is any."""
    subsets = [name.rpartition("-")[0] for name, _ in configs]
    return [*(name for name in subsets if name.endswith("-multi")), *subsets, "SUBSET"][0]


def _front_matter(card: TaskCard, configs: Sequence[Config]) -> str:
    translated = "translated" in card.metadata.sample_creation
    # Text that is published elsewhere is extended here; text that lies beside its card is not.
    origin = f"extended|other-{card.source.repository.rpartition('/')[2]}"
    data = DatasetCardData(
        pretty_name=card.title,
        language=[hub_language(entry.code) for entry in card.languages.values()],
        multilinguality=["multilingual", *(["translation"] if translated else [])],
        source_datasets=["original" if card.source.origin == BESIDE_THE_CARD else origin],
        task_categories=["text-retrieval"],
        task_ids=["document-retrieval"],
        tags=["mteb", "text"],
        configs=[
            {"config_name": name, "data_files": [{"split": card.split, "path": list(files)}]}
            for name, files in configs
        ],
        **hub_license(card.metadata.license),
    )
    return str(data.to_yaml()).strip()


def _language_table(card: TaskCard, counts: Counts, checksums: bool) -> str:
    rows = [
        f"| {short} | {language_name(entry.code)} | {entry.code} | {counts[short]['corpus']:,} | "
        f"{counts[short]['queries']:,} |{f' `{entry.sha256}` |' if checksums else ''}"
        for short, entry in card.languages.items()
    ]
    head = "| | language | code | passages | queries |"
    line = "| --- | --- | --- | ---: | ---: |"
    if checksums:
        head, line = f"{head} SHA-256 of the source file |", f"{line} --- |"
    return "\n".join([head, line, *rows])
