"""What a study would encode."""

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.evaluation.to_encode import counted
from mteb_hybrid.studies import dry_run
from mteb_hybrid.studies.dry_run import DryRun
from mteb_hybrid.studies.store import Store


def test_passages_that_collections_share_count_once(tmp_path, monkeypatch):
    asked = {"queries": {"en"}, "passages": {"en", "de"}}
    sample = counted(task_cards()["HybridSample"], asked)
    rewritten = [
        part._replace(texts=3, characters=9, some=part.some[:3]) if part.side == "queries" else part
        for part in sample
    ]
    parts = {"sample": sample, "rewritten": rewritten}
    monkeypatch.setattr(DryRun, "_tested", dict.fromkeys(parts, asked))
    monkeypatch.setattr(dry_run, "collections", lambda: {name: name for name in parts})
    monkeypatch.setattr(dry_run.to_encode, "counted", lambda name, _: parts[name])
    said = [text for _, text in DryRun([], [], Store(tmp_path), 1)._steps()]
    texts = sum(part.texts for part in sample)
    assert said[0].startswith(f"sample: {texts:,} texts, for")
    assert said[1].startswith("rewritten: 3 texts beside those above, for")
