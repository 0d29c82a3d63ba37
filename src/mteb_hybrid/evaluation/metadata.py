"""The metadata of a card's tasks, as MTEB's ``TaskMetadata``."""

from pathlib import Path

from mteb.abstasks.task_metadata import TaskMetadata
from pydantic import PrivateAttr, ValidationError

from mteb_hybrid.cards.card import CardError, TaskCard
from mteb_hybrid.cards.rewritten import ORIGINAL, RewrittenCard, rewrite_provenance
from mteb_hybrid.cards.tasks import card_settings, data_revision, task_name, task_views
from mteb_hybrid.cards.translations import provenance
from mteb_hybrid.retrieval.views import Setting


class CardTaskMetadata(TaskMetadata):
    """Metadata whose descriptive statistics lie beside the card, not in MTEB."""

    _folder: Path = PrivateAttr()

    @property
    def descriptive_stat_path(self) -> Path:
        """File of the statistics that ``calculate_descriptive_statistics`` reads and writes."""
        return self._folder / "statistics" / f"{self.name}.json"


DESCRIPTIONS = {
    Setting.MONOLINGUAL: "Queries and passages are in the same language.",
    Setting.CROSSLINGUAL: "Queries are in one language and passages in another.",
    Setting.MULTILINGUAL: "Queries are in one language, and the pool holds the passages of all "
    "languages at once, the relevant ones among them.",
}


def card_metadata(card: TaskCard, setting: Setting, name: str) -> TaskMetadata:
    """What MTEB is told of a card in one setting.

    Args:
        card: The card.
        setting: One that it has.
        name: Name of the task.

    Raises:
        CardError: If MTEB does not accept the card's metadata.
    """
    codes = {short: language.code for short, language in card.languages.items()}
    description = f"{card.description} {DESCRIPTIONS[setting]}"
    description = " ".join([description, *card.source.limits])
    fields = card.metadata.model_dump(exclude={"adapted_from", "reference"})
    adapted_from = card.metadata.adapted_from
    if isinstance(card, RewrittenCard):
        adapted_from = [*adapted_from, *(task_name(card.of, own) for own in card_settings(card.of))]
        about = rewrite_provenance(card.of)
        if about and card.rewrite != ORIGINAL:
            made = about.kinds[card.rewrite]
            description += f" Queries were rewritten by {made.by} ({made.date})."
            fields["sample_creation"] = "multiple"
    if setting is Setting.CROSSLINGUAL and (translated := provenance(card)):
        codes = {**translated.languages, **codes}
        description += (
            f" Queries were translated by {translated.system} ({translated.revision}, "
            f"{translated.date})."
        )
        fields["sample_creation"] = "machine-translated"
    eval_langs = {
        subset: list(
            dict.fromkeys(codes[x] for x in (view.query_language, *view.passage_languages))
        )
        for subset, view in task_views(card, setting).items()
    }
    try:
        metadata = CardTaskMetadata(
            name=name,
            description=description,
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=[card.split],
            eval_langs=eval_langs,
            main_score="map",
            dataset={
                "path": card.source.repository,
                "revision": data_revision(card, setting),
            },
            adapted_from=adapted_from or None,
            reference=card.metadata.reference or None,
            **fields,
        )
    except ValidationError as error:
        problems = "; ".join(
            f"key 'metadata.{'.'.join(map(str, e['loc']))}': {e['msg']}" for e in error.errors()
        )
        raise CardError(f"{card.file}: not accepted by MTEB: {problems}") from None
    metadata._folder = card.file.parent
    return metadata
