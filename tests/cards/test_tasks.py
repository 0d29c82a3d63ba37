import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import (
    card_settings,
    collection_tasks,
    data_revision,
    same_texts,
    task_name,
    tasks_by_name,
)
from mteb_hybrid.evaluation.select import SelectionError, select_tasks
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries, views
from mteb_hybrid.sources import load_collection
from retrieval.test_collection import parts


@given(st.lists(st.sampled_from("abcdefghijk"), min_size=2, unique=True).map(tuple))
def test_counts_and_names(languages):
    n = len(languages)
    by_setting = {setting: views(setting, languages) for setting in Setting}
    assert [len(v) for v in by_setting.values()] == [n, n * (n - 1), n]
    names = [name for found in by_setting.values() for name in found]
    assert len(set(names)) == len(names)
    for name, view in by_setting[Setting.CROSSLINGUAL].items():
        assert name == f"{view.query_language}-{view.passage_languages[0]}"
        assert view.query_language not in view.passage_languages
    for name, view in by_setting[Setting.MULTILINGUAL].items():
        assert name == f"{view.query_language}-multi"
        assert view.passage_languages == languages


def test_a_view_of_the_sample(sample_card):
    collection = load_collection(sample_card)
    queries, qrels = view_queries(collection, View("en", ("de",)))
    assert len(queries) == len(qrels) == 52
    assert set(queries["language"]) == {"en"}
    assert {passage[:3] for judged in qrels.values() for passage in judged} == {"de:"}
    assert len(view_passages(collection, View("en", ("de",)))) == 96
    _, pooled = view_queries(collection, View("en", collection.languages))
    assert {len(judged) for judged in pooled.values()} == {11}


def test_only_queries_with_a_relevant_passage_in_the_pool():
    collection = Collection(
        **parts(
            queries=[("en:q", "which animal?", "en", "q"), ("en:r", "where?", "en", "r")],
            qrels=[("en:q", "de:1", 1), ("en:r", "en:1", 2)],
        )
    )
    queries, qrels = view_queries(collection, View("en", ("de",)))
    assert queries["id"].to_list() == ["en:q"]
    assert qrels == {"en:q": {"de:1": 1}}


def test_an_empty_view_is_refused():
    collection = Collection(**parts(qrels=[("en:q", "en:1", 1)]))
    with pytest.raises(ValueError, match=r"toy: the view en-de is empty: none of its 1 queries"):
        view_queries(collection, View("en", ("de",)))


def test_task_names(sample_card):
    assert task_name(sample_card, Setting.MULTILINGUAL) == "HybridSampleMultilingualRetrieval"
    names = list(tasks_by_name())
    assert names[-1] == "HybridSampleMultilingualRetrieval", "samples stand last"


def test_collections_of_the_same_texts():
    """Their tasks go together: a model that was trained on one was trained on the other."""
    editions = [
        f"TICO19{edition}{setting}Retrieval"
        for edition in ("", "First300")
        for setting in ("Crosslingual", "Multilingual")
    ]
    assert collection_tasks("tico-19") == collection_tasks("tico-19-300") == editions
    with_context = collection_tasks("xquad-r-context")
    assert with_context == collection_tasks("xquad-r")
    assert {"XQuADRetrieval", "XQuADRMonolingualRetrieval"} < set(with_context)
    assert collection_tasks("tatoeba") == ["Tatoeba", "TatoebaCrosslingualRetrieval"]
    assert set(collection_tasks("miracl")).isdisjoint(collection_tasks("xtd10"))
    hard = collection_tasks("miracl-hard-negatives")
    assert set(hard) == set(collection_tasks("miracl"))
    assert {"MIRACLRetrieval", "MIRACLRetrievalHardNegatives"} < set(hard)


def test_own_collections_in_one_folder_are_told_apart(sample_card, tmp_path):
    """By their files where they list some, which `tasks new` does; by their folder else."""

    def card(name, **source):
        fields = {"path": ".", "repository": "own/x", "revision": "1.0.0", "url": None} | source
        languages = {x: {"code": c} for x, c in (("en", "eng-Latn"), ("de", "deu-Latn"))}
        if fields["format"] == "beir":
            languages.pop("de")
        made = {"name": "Toy", "source": fields, "languages": languages}
        found = TaskCard.model_validate(sample_card.model_dump() | made)
        found._file = tmp_path / f"{name}.toml"
        return found

    def listed(digit):
        return [{"file": "x.jsonl", "sha256": digit * 64}]

    one, two = (card("a", format="parallel", texts=listed(digit)) for digit in "01")
    assert same_texts(one, card("c", format="parallel", texts=listed("0") + listed("2")))
    assert not same_texts(one, two)
    revisions = {data_revision(card, Setting.MULTILINGUAL) for card in (one, two)}
    assert len(revisions) == 2, "nobody has to raise the revision"
    assert all(re.fullmatch(r"1\.0\.0\+card-[0-9a-f]{12}", revision) for revision in revisions)
    folder = card("a", format="beir", path="x")
    assert same_texts(folder, card("b", format="beir", path="x"))
    assert not same_texts(folder, card("b", format="beir", path="y"))


def test_published_results_name_revisions_that_stay():
    for card in task_cards().values():
        assert "+card-" not in data_revision(card, Setting.MULTILINGUAL)
    assert data_revision(task_cards()["HybridSample"], Setting.MULTILINGUAL) == "1.0.0"


def test_settings_that_a_collection_has(sample_card):
    """Where queries are passages, a monolingual task would be to find the query itself."""
    assert card_settings(sample_card) == tuple(Setting)
    assert card_settings(task_cards()["XTD10"]) == (Setting.CROSSLINGUAL, Setting.MULTILINGUAL)
    assert "XTD10CrosslingualRetrieval" in tasks_by_name()
    assert "XTD10MonolingualRetrieval" not in tasks_by_name()
    assert list(select_tasks(["xtd10"])) == [
        "XTD10CrosslingualRetrieval",
        "XTD10MultilingualRetrieval",
    ]
    with pytest.raises(SelectionError, match="no subset is left"):
        select_tasks(["xtd10"], settings=[Setting.MONOLINGUAL])
