"""What a study would encode."""

import re

import pytest

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.evaluation.select import NotAtHandError, select_tasks
from mteb_hybrid.evaluation.to_encode import counted
from mteb_hybrid.studies import dry_run
from mteb_hybrid.studies.catalogue import read_study, shipped_studies
from mteb_hybrid.studies.dry_run import DryRun
from mteb_hybrid.studies.order import works
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.progress import unfinished
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


@pytest.mark.parametrize("name", shipped_studies())
def test_plans_for_elsewhere_are_whole(name, tmp_path, monkeypatch):
    """What is not at hand is named, with how it is had: data, translated and rewritten queries."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    study = read_study(name, "paper", planned=True)
    planned = works(runs(study, "paper", planned=True))
    store = Store(tmp_path / "store")
    assert unfinished(planned, store) == planned
    said = list(DryRun(planned, planned, store, 1)._data())
    waiting = [how for what, how in said if what == "tested on" and "see `mteb-hybrid" in how]
    assert len(waiting) == {"adapters-and-adversarial-queries": 3, "captions-to-beir": 3}.get(
        name, 0
    )
    for how in waiting:
        assert ": not at hand: no " in how and str(tmp_path / "data") in how
    named = "\n".join(how for _, how in said)
    for test in study.budgets["paper"].tests:
        assert all(f"{task} " in named or f"{task}:" in named for task in test.tasks)
    for data in {
        data.path for work in planned for data in work.run.recipe.data if work.run.trained
    }:
        assert f"{data} " in named


def test_training_files_are_named_with_their_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    (tmp_path / "mmarco").mkdir()
    (tmp_path / "mmarco" / "triples.tsv").write_text("1\t2\t3\n")
    planned = works(runs(read_study("mbert-xquad", "paper", planned=True), "paper", planned=True))
    said = [how for _, how in DryRun(planned, planned, Store(tmp_path / "store"), 1)._data()]
    assert any(re.match(r"mmarco \(mmarco\): at hand, hash [0-9a-f]{16}", how) for how in said)


@pytest.mark.parametrize("name", ["adapters-and-adversarial-queries", "captions-to-beir"])
def test_what_is_run_has_to_be_at_hand(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    with pytest.raises(CardError, match=r"budgets\.paper\.tests: no (collection|language) .* in "):
        read_study(name, "paper")


def test_files_that_nobody_answers_for_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    folder = tmp_path / "adversarial-queries" / "mlqa-r"
    folder.mkdir(parents=True)
    (folder / "de.jsonl").write_text("{}\n")
    said = rf"say what made those in {folder}: `mteb-hybrid rewrite mlqa-r --adopt WHAT`"
    with pytest.raises(NotAtHandError, match=said):
        select_tasks(["mlqa-r-paraphrase"])
