"""Tasks of MTEB in our settings: what MTEB scores itself comes out the same, to the last bit."""

import importlib
import math
import re

import datasets
import mteb
import pytest

from conftest import HashEncoder
from hub_layout import belebele, card_of, point, retrieval
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import card_settings, tasks_by_name
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.retrieval.views import Setting

MTEB_SCORE = re.compile(r"(nauc_)?(ndcg|map|recall|precision|mrr|hit_rate)_at_\d+|accuracy")
ENCODER = HashEncoder(dimensions=8, levels=3)
CARDS = {name: card for name, card in task_cards().items() if card.source.format == "mteb"}

LAYOUTS = {
    "Belebele": (("en", "de", "ig"), belebele),
    "MuPLeR": (
        ("en", "el", "sl"),
        lambda folder: retrieval(folder, ("en", "el", "sl"), "test", title="Law", key="id"),
    ),
    "MMARCO": (
        ("ar", "de", "zh"),
        lambda folder: retrieval(folder, ("ar", "de", "zh"), "dev", ids="{n:07}"),
    ),
    "MIRACLHardNegatives": (
        ("bn", "yo"),
        lambda folder: retrieval(
            folder,
            ("bn", "yo"),
            "dev",
            title="Wiki",
            ids="{language}#{n}",
            qrels=[(q, q + i, i % 2) for q in range(10) for i in range(4)],
        ),
    ),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    return {name: write(folder / name) for name, (_, write) in LAYOUTS.items()}


@pytest.fixture
def local(written, monkeypatch):
    """Shipped cards by name, with MTEB's tasks reading minute data in their own layouts."""
    parent = written["Belebele"].parent
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", parent / "cache")
    for name, folder in written.items():
        point(monkeypatch, CARDS[name].source.task, folder)
    # Belebele's cross-lingual setting is left out for its size alone.
    return {
        name: card_of(name, written[name], languages, leave_out=())
        for name, (languages, _) in LAYOUTS.items()
    }


def scores_of(task):
    result = mteb.evaluate(ENCODER, task, cache=None, show_progress_bar=False)
    (rows,) = result.task_results[0].scores.values()
    return {row["hf_subset"]: row for row in rows}


def ours(card):
    return {made.setting: scores_of(made()) for made in task_classes({card.name: card})}


def same(found, expected):
    names = [name for name in expected if MTEB_SCORE.match(name)]
    assert len(names) > 100
    pairs = [(name, found[name], expected[name]) for name in names]
    return [p for p in pairs if p[1] != p[2] and not (math.isnan(p[1]) and math.isnan(p[2]))] == []


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_monolingual_setting_is_mtebs_own_task(name, local):
    card = local[name]
    found = ours(card)
    subsets = {
        language: card.source.subset.replace("{short}", language).replace(
            "{code}", entry.code.replace("-", "_")
        )
        for language, entry in card.languages.items()
    }
    theirs = scores_of(mteb.get_task(card.source.task, hf_subsets=list(subsets.values())))
    for language, subset in subsets.items():
        assert same(found[Setting.MONOLINGUAL][f"{language}-{language}"], theirs[subset])
    pooled = found[Setting.MULTILINGUAL]
    assert set(pooled) == {f"{language}-multi" for language in subsets}
    parallel = card.source.groups != "none"
    assert (Setting.CROSSLINGUAL in found) is parallel
    assert all(("rank_distance" in scores) is parallel for scores in pooled.values())
    assert all(0 < scores["map"] < 1 for scores in pooled.values())


def test_crosslingual_subsets_of_mteb_come_out_the_same(local):
    """MTEB judges Belebele's pairs with English; ours are derived from those within languages."""
    card = local["Belebele"]
    pairs = {"en-de": "deu_Latn-eng_Latn", "de-en": "eng_Latn-deu_Latn"}
    pairs |= {"en-ig": "ibo_Latn-eng_Latn", "ig-en": "eng_Latn-ibo_Latn"}
    found = ours(card)[Setting.CROSSLINGUAL]
    theirs = scores_of(mteb.get_task(card.source.task, hf_subsets=list(pairs.values())))
    for pair, subset in pairs.items():
        assert same(found[pair], theirs[subset]), pair


@pytest.mark.parametrize("name", CARDS)
def test_the_cards_say_what_mteb_says(name):
    card, theirs = CARDS[name], mteb.get_task(CARDS[name].source.task).metadata
    assert card.source.repository == theirs.dataset["path"]
    assert card.source.revision == theirs.dataset["revision"]
    assert card.split in theirs.eval_splits
    assert theirs.name in card.metadata.adapted_from
    ours = card.metadata.model_dump(exclude={"date", "reference", "sample_creation", "prompt"})
    ours["bibtex_citation"] = ours["bibtex_citation"].strip()
    facts = theirs.model_dump(include=set(ours)) | {"adapted_from": ours["adapted_from"]}
    facts["bibtex_citation"] = facts["bibtex_citation"].strip()
    if name == "SciFact":  # MTEB cites SPECTER, which took the data over
        assert "Fact or Fiction" in ours["bibtex_citation"]
        facts["bibtex_citation"] = ours["bibtex_citation"]
    assert ours == facts
    assert theirs.prompt in (None, card.metadata.prompt.model_dump())


@pytest.mark.parametrize("name", [name for name in CARDS if name != "SciFact"])
def test_the_cards_have_all_of_mtebs_languages(name):
    card = CARDS[name]
    theirs = mteb.get_task(card.source.task).metadata.eval_langs
    codes = {entry.code for entry in card.languages.values()}
    assert codes ^ {code for codes in theirs.values() for code in codes} == (
        {"ell-Latn", "ell-Grek"} if name == "MuPLeR" else set()
    )


def test_no_task_has_the_name_of_one_of_mtebs():
    """Such a task would be left to MTEB."""
    listed = importlib.import_module("mteb.get_tasks").TASK_LIST
    mtebs = {task.metadata.name.lower() for task in listed if task.__module__.startswith("mteb.")}
    assert len(mtebs) > 1000
    assert mtebs & {name.lower() for name in tasks_by_name()} == set()


def test_an_english_task_has_one_setting_until_queries_are_translated():
    assert card_settings(CARDS["SciFact"]) == (Setting.MONOLINGUAL,)
