"""The card of a data set on the Hugging Face hub: front matter and text.

Front matter: github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, TypeAlias

from huggingface_hub import DatasetCardData

from mteb_hybrid import __version__
from mteb_hybrid.cards import TaskCard
from mteb_hybrid.languages import language_name

Config: TypeAlias = tuple[str, list[str]]
"""Name of a config, and the files that it consists of."""

Counts: TypeAlias = dict[str, dict[str, int]]
"""Rows of ``corpus`` and ``queries`` by language."""

TEMPLATE = Path(__file__).with_name("hub_card.md")

CANDIDATES = {
    "sentence": "a sentence",
    "sentence-with-context": "a sentence, a line break, and the paragraph that it stands in",
    "line": "a line, which is a query too",
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
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        front_matter=_front_matter(card, configs),
        title=card.title,
        description=card.description,
        candidates=CANDIDATES[source.candidates],
        languages=_language_table(card, counts),
        query=next(iter(card.languages)),
        split=card.split,
        repository=source.repository,
        revision=source.revision,
        url=source.url or "shipped with mteb-hybrid",
        reference=about.reference,
        license=about.license,
        annotations=about.annotations_creators,
        creation=about.sample_creation,
        prompt=about.prompt.query,
        citation=f"```bibtex\n{about.bibtex_citation.strip()}\n```"
        if about.bibtex_citation.strip()
        else "There is nothing to cite.",
        version=__version__,
    )


def _front_matter(card: TaskCard, configs: Sequence[Config]) -> str:
    translated = "translated" in card.metadata.sample_creation
    # Text that is published elsewhere is extended here; a sample without a URL is not.
    origin = f"extended|other-{card.source.repository.rpartition('/')[2]}"
    data = DatasetCardData(
        pretty_name=card.title,
        language=[_language(entry.code) for entry in card.languages.values()],
        multilinguality=["multilingual", *(["translation"] if translated else [])],
        source_datasets=[origin if card.source.url else "original"],
        task_categories=["text-retrieval"],
        task_ids=["document-retrieval"],
        tags=["mteb", "text"],
        configs=[
            {"config_name": name, "data_files": [{"split": card.split, "path": list(files)}]}
            for name, files in configs
        ],
        **_license(card.metadata.license),
    )
    return str(data.to_yaml()).strip()


def _license(name: str) -> dict[str, Any]:
    """The hub's fields for a licence in MTEB's vocabulary, which is the hub's but for these."""
    if name.startswith("http"):
        return {"license": "other", "license_link": name}
    if name in ("msr-la-nc", "cc-by-nd-2.1-jp"):
        return {"license": "other", "license_name": name}
    return {"license": {"not specified": "unknown"}.get(name, name)}


def _language(code: str) -> str:
    """ISO 639-1 where the language has such a code, else ISO 639-3."""
    import pycountry

    known: Any = pycountry.languages.get(alpha_3=code.partition("-")[0])
    return str(getattr(known, "alpha_2", known.alpha_3))


def _language_table(card: TaskCard, counts: Counts) -> str:
    rows = [
        f"| {short} | {language_name(entry.code)} | {entry.code} | {counts[short]['corpus']:,} | "
        f"{counts[short]['queries']:,} | `{entry.sha256}` |"
        for short, entry in card.languages.items()
    ]
    head = "| | language | code | passages | queries | SHA-256 of the source file |"
    return "\n".join([head, "| --- | --- | --- | ---: | ---: | --- |", *rows])
