"""Hub folders: datasets loads them, and MTEB's own loader and task give our scores."""

import ast

import datasets
import mteb
import polars as pl
import pycountry
import pytest
import yaml
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import DatasetCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader

from evaluation.test_task_pairs import pairs_card
from export.conftest import GuidedEncoder, files
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.export.hub import export_hub
from mteb_hybrid.export.hub_card import hub_card
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries, views
from mteb_hybrid.sources import load_collection


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="session")
def exported(sample, sample_card, tmp_path_factory):
    """The sample as a hub folder. Do not write into it."""
    folder = tmp_path_factory.mktemp("hub") / "sample"
    export_hub(sample, sample_card, folder)
    return folder


def test_a_pool_is_loaded_with_datasets(exported, sample):
    pool = load_dataset(str(exported), "en-multi-corpus", split="test")
    assert pool.column_names == ["id", "text", "language", "group"]
    assert {feature.dtype for feature in pool.features.values()} == {"string"}
    assert pl.DataFrame(pool.to_list()).equals(sample.passages)


@pytest.mark.parametrize("name", ["en-de", "ar-multi"])
def test_mteb_s_own_loader(exported, sample, name):
    (view,) = (v[name] for s in Setting if name in (v := views(s, sample.languages)))
    data = RetrievalDatasetLoader(str(exported), None, split="test", config=name).load()
    queries, qrels = view_queries(sample, view)
    pool = view_passages(sample, view)
    for found, expected in ((data["corpus"], pool), (data["queries"], queries)):
        assert found["id"][:] == expected["id"].to_list()
        assert found["text"][:] == expected["text"].to_list()
    assert data["relevant_docs"] == qrels


def test_pairs_search_their_own_texts_through_mteb_s_loader(sample_card, tmp_path):
    contents = {"sw-en": (b"a\nb\n", b"A\nB\n"), "ta-en": (b"c\n", b"C\n")}
    card = pairs_card(sample_card, tmp_path, contents)
    collection = load_collection(card)
    export_hub(collection, card, tmp_path / "hub")
    for view in (View("sw", ("en",)), View("en", ("ta",))):
        folder = str(tmp_path / "hub")
        data = RetrievalDatasetLoader(folder, None, split="test", config=view.name).load()
        queries, qrels = view_queries(collection, view)
        assert data["corpus"]["id"][:] == view_passages(collection, view)["id"].to_list()
        assert data["queries"]["id"][:] == queries["id"].to_list()
        assert data["relevant_docs"] == qrels
    corpora = {name for name in files(tmp_path / "hub") if name.startswith("corpus")}
    assert corpora == {f"corpus/{x}.parquet" for x in ("en-sw", "en-ta", "sw-en", "ta-en")}


def test_mteb_s_own_task_gives_our_scores(exported, sample, sample_card, evaluate):
    name = "HybridSampleMultilingualRetrieval"
    encoder = GuidedEncoder(sample, View("de", sample.languages))
    ours = mteb.get_task(name).metadata
    stock = type(
        "Stock",
        (AbsTaskRetrieval,),
        {
            "metadata": mteb.TaskMetadata(
                **ours.model_dump(exclude={"name", "dataset", "main_score", "eval_langs"}),
                name="Stock",
                main_score="ndcg_at_10",
                eval_langs={"de-multi": ours.eval_langs["de-multi"]},
                dataset={"path": str(exported), "revision": sample_card.source.revision},
            )
        },
    )
    result = mteb.evaluate(encoder, stock(), cache=None, show_progress_bar=False)
    ((scores,),) = result.task_results[0].scores.values()
    expected = evaluate(encoder, name, ["de-multi"])["de-multi"]
    for score in ("ndcg_at_10", "map_at_100", "recall_at_1000"):
        assert 0 < scores[score] < 1
        assert scores[score] == expected[score]


def test_texts_are_stored_once_and_all_configs_name_files(exported):
    found = set(files(exported))
    kinds = [name.partition("/")[0] for name in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "corpus": 11, "queries": 11, "qrels": 121, "README.md": 1
    }  # fmt: skip
    card = DatasetCard.load(exported / "README.md")
    paths = [entry["data_files"][0]["path"] for entry in card.data.configs]
    assert len(paths) == 3 * 132
    assert {path for listed in paths for path in listed} == found - {"README.md"}
    names = [entry["config_name"] for entry in card.data.configs]
    assert get_dataset_config_names(str(exported)) == names


def test_front_matter(exported, sample_card):
    data = DatasetCard.load(exported / "README.md").data
    assert data.language == list(sample_card.languages)
    assert all(pycountry.languages.get(alpha_2=code) for code in data.language)
    assert (data.license, data.source_datasets) == ("apache-2.0", ["original"])
    assert data.multilinguality == ["multilingual", "translation"]
    assert data.task_categories == ["text-retrieval"]


@pytest.mark.parametrize(
    ("name", "license", "translated"),
    [("XQuADR", "cc-by-sa-4.0", True), ("MLQAR", "cc-by-sa-3.0", False)],
)
def test_cards_of_published_collections(name, license, translated):
    card = task_cards()[name]
    counts = {language: {"corpus": 1, "queries": 2} for language in card.languages}
    written = DatasetCard(hub_card(card, [("en-de-corpus", ["corpus/de.parquet"])], counts))
    assert written.data.license == license
    assert written.data.source_datasets == ["extended|other-lareqa"]
    assert ("translation" in written.data.multilinguality) == translated
    for said in (card.title, card.source.revision, card.metadata.reference, "@inproceedings"):
        assert said in written.text
    assert "$" not in written.text, "every place in the template is filled in"


@pytest.mark.parametrize("name", ["XQuADR", "XM3600", "MIRACL"])
def test_cards_say_what_holds(name):
    card = task_cards()[name]
    counts = {language: {"corpus": 1, "queries": 2} for language in card.languages}
    written = " ".join(hub_card(card, [], counts).split())
    assert ("translation of the answer is relevant" in written) == (name != "MIRACL")
    assert ("SHA-256" in written) == ("with the checksums above" in written) == (name == "XQuADR")
    assert ("No text was changed. Left out, as known faults" in written) == (name != "XQuADR")


def test_licences_that_the_hub_calls_otherwise(sample_card):
    counts = {language: {"corpus": 1, "queries": 2} for language in sample_card.languages}

    def written(license):
        metadata = sample_card.metadata.model_copy(update={"license": license})
        card = sample_card.model_copy(update={"metadata": metadata})
        return DatasetCard(hub_card(card, [], counts)).data

    assert written("not specified").license == "unknown"
    assert written("https://x.org/terms").license == "other"
    assert written("https://x.org/terms").license_link == "https://x.org/terms"
    assert written("msr-la-nc").license_name == "msr-la-nc"


def test_pairs_without_judgments_have_no_config(tmp_path, awkward, sample_card):
    export_hub(
        awkward,
        sample_card.model_copy(
            update={"languages": {short: sample_card.languages[short] for short in ("en", "de")}}
        ),
        tmp_path / "hub",
    )
    names = get_dataset_config_names(str(tmp_path / "hub"))
    assert {name.rpartition("-")[0] for name in names} == {"en-en", "en-de", "en-multi"}
    qrels = load_dataset(str(tmp_path / "hub"), "en-multi-qrels", split="test")
    assert qrels.to_list()[-1] == {"query-id": "q:1", "corpus-id": "de:1", "score": 1}


def test_the_same_collection_gives_the_same_bytes(tmp_path, exported, sample, sample_card):
    export_hub(sample, sample_card, tmp_path / "again")
    assert files(tmp_path / "again") == files(exported)


ODD = st.text(st.characters(exclude_categories=["Cs"])) | st.text("-:#'\"\n\r\u2028\x85| <>`$\\a")


@given(ODD, ODD)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_words_of_a_card_add_no_key_and_no_markup(sample_card, text, split):
    about = sample_card.metadata.model_copy(
        update={"bibtex_citation": text, "reference": text, "license": "mit"}
    )
    odd = sample_card.model_copy(
        update={"title": text, "description": text, "split": split, "metadata": about}
    )
    odd._file = sample_card.file
    counts = {short: {"corpus": 1, "queries": 1} for short in odd.languages}
    written = hub_card(odd, [("en-en-corpus", ["a.parquet"])], counts)
    plain = hub_card(sample_card, [("en-en-corpus", ["a.parquet"])], counts)
    front, body = written.removeprefix("---\n").split("\n---\n", 1)
    known = yaml.safe_load(front)
    expected = yaml.safe_load(plain.removeprefix("---\n").split("\n---\n", 1)[0])
    assert known.keys() == expected.keys()
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    assert sum(t.type == "heading_open" and t.tag in ("h1", "h2") for t in tokens) == 6
    assert not any("html" in t.type for t in tokens)
    assert not any("html" in c.type for t in tokens for c in t.children or ())
    for token in tokens:
        if token.info == "python":
            ast.parse(token.content)
