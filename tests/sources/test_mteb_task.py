"""Tasks that MTEB loads: what a collection is made of, and what is refused."""

import json
import runpy
from hashlib import sha256

import datasets
import mteb
import polars as pl
import pytest

from conftest import ROOT
from hub_layout import belebele, card_of, point, retrieval, write
from mteb_hybrid.cards.card import CardError, TaskCard, read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.known_faults import KnownFaults
from mteb_hybrid.cards.tasks import card_settings, task_views
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources.mteb_task import read

SCIFACT = {
    "corpus": [
        {"_id": "1", "title": "Mice", "text": "They were given sugar."},
        {"_id": "2", "title": "", "text": " Nothing was seen. "},
    ],
    "queries": [{"_id": "7", "text": "Sugar helps."}, {"_id": "8", "text": "It does not."}],
    "default": [{"query-id": "7", "corpus-id": "1", "score": 1}],
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A card that ships, with its task reading what a function writes."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))

    def card(name, languages, written, **changes):
        folder = written(tmp_path / "hub")
        point(monkeypatch, task_cards()[name].source.task, folder)
        return card_of(name, folder, languages, **changes)

    return card


def mmarco(folder, **changes):
    return retrieval(folder, ("ar", "de"), "dev", **changes)


def test_belebele_is_aligned_by_the_english_questions(hub):
    found = read(hub("Belebele", ("en", "de", "ig"), belebele))
    assert found.languages == ("en", "de", "ig")
    texts = {}
    for text, group in found.passages.select("text", "group").iter_rows():
        texts.setdefault(group, []).append(text[-1] + text[:3])
    assert sorted(texts.values()) == [[f"{p}eng", f"{p}deu", f"{p}ibo"] for p in "abcde"]
    answers = found.qrels.join(found.passages, left_on="passage_id", right_on="id")
    asked = found.queries.select("id", question="text")
    answers = answers.join(asked, left_on="query_id", right_on="id")
    assert set(answers["relevance"]) == {1}
    relevant = {}
    for question, text in answers.select("question", "text").iter_rows():
        relevant.setdefault(question, set()).add(text)
    languages = ("eng_Latn", "deu_Latn", "ibo_Latn")
    assert relevant["deu_Latn asks a2"] == {f"{x} passage a" for x in languages}
    assert relevant["ibo_Latn asks both"] == {f"{x} passage {p}" for x in languages for p in "bc"}
    # Questions of one passage cannot be told apart across languages.
    groups = dict(found.queries.select("text", "group").iter_rows())
    assert groups["eng_Latn asks a1"] == groups["deu_Latn asks a2"] != groups["deu_Latn asks b1"]


def test_belebele_cannot_be_aligned_by_its_ids(hub):
    languages = ("en", "de", "ig")
    card = hub("Belebele", languages, belebele, groups="same-id", shared_queries=None)
    with pytest.raises(DataError, match=r"belebele\.toml: groups = 'same-id'.* such as"):
        read(card)


def test_title_and_text_are_joined_as_mteb_does_it(hub, tmp_path):
    """And translated queries give the task a cross-lingual setting; without any it has none."""

    left_out = {"leave_out": ("monolingual",)}
    card = hub("SciFact", ("en",), lambda folder: write(folder, SCIFACT, "test"), **left_out)
    found = read(card)
    assert found.passages["text"].to_list() == ["Mice They were given sugar.", "Nothing was seen."]
    assert found.queries["id"].to_list() == ["en:7"], "MTEB leaves out what is not judged"
    assert found.qrels.rows() == [("en:7", "en:1", 1)]
    assert card_settings(card) == () and task_classes({"SciFact": card}) == []

    overlay = tmp_path / "data" / "translated-queries" / "scifact"
    overlay.mkdir(parents=True)
    content = b'{"id": "7", "text": "Zucker hilft."}\n'
    (overlay / "de-en.jsonl").write_bytes(content)
    (overlay / "provenance.json").write_text(json.dumps(provenance_of(content)))
    (made,) = task_classes({"SciFact": card})
    assert made.setting is Setting.CROSSLINGUAL
    assert list(task_views(card, Setting.CROSSLINGUAL)) == ["de-en"]
    task = made()
    task.load_data()
    split = task.dataset["de-en"]["test"]
    assert split["queries"]["text"][:] == ["Zucker hilft."]
    assert split["relevant_docs"] == {"de>en:7": {"en:1": 1}}


def test_a_query_with_the_id_of_a_text_that_is_left_out_keeps_its_judgments(hub):
    corpus = [{"_id": "7", "title": "", "text": " "}, *SCIFACT["corpus"]]
    judged = [{"query-id": "7", "corpus-id": x, "score": 1} for x in ("1", "7")]
    content = SCIFACT | {"corpus": corpus, "default": judged}
    faults = KnownFaults(blank_texts=1)
    card = hub("SciFact", ("en",), lambda x: write(x, content, "test"), known_faults=faults)
    assert read(card).qrels.rows() == [("en:7", "en:1", 1)]


def provenance_of(content):
    entry = {"into": "de", "of": "en", "file": "de-en.jsonl", "sha256": sha256(content).hexdigest()}
    return {
        "system": "a dictionary",
        "revision": "1",
        "date": "2026-11-21",
        "languages": {"de": "deu-Latn"},
        "translations": [entry],
    }


def test_a_passage_with_the_number_of_a_query_stays(hub):
    """MTEB drops it from the ranking of that query (`ignore_identical_ids`): it is another text."""
    card = hub("MMARCO", ("ar", "de"), lambda folder: mmarco(folder, passages=(0, 101)))
    found = read(card)
    assert "ar:100" in found.passages["id"] and "ar:100" in found.queries["id"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ids": "{language}{n}"}, "20 case(s) of a query whose id is in no other language"),
        ({"passages": (0, 112)}, "the queries of MTEB's ar are passages"),
    ],
)
def test_data_that_the_rule_does_not_fit(hub, changes, said):
    card = hub("MMARCO", ("ar", "de"), lambda folder: mmarco(folder, **changes))
    with pytest.raises(DataError) as refused:
        read(card)
    assert "mmarco.toml: groups = 'same-id'" in str(refused.value)
    assert said in str(refused.value)


def test_judgments_that_languages_do_not_share(hub):
    """The German judgments are those of other rows."""

    def shifted(folder):
        mmarco(folder)
        file = folder / "de-qrels.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            line["corpus-id"] = str((int(line["corpus-id"]) + 1) % 40)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    with pytest.raises(DataError, match=r"\d+ judgment\(s\) that are not the same in all lang"):
        read(hub("MMARCO", ("ar", "de"), shifted))


def test_the_paragraphs_of_xquad_are_aligned_by_their_questions(real_data, tmp_path, monkeypatch):
    """MTEB's XQuADRetrieval has XQuAD's own ids of questions, and hashes for paragraphs."""
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "xquad_paragraphs.py"))
    benchmark["write_hub_layout"](tmp_path, ["en", "de", "th"])
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    point(monkeypatch, "XQuADRetrieval", tmp_path)
    source = {
        "format": "mteb",
        "task": "XQuADRetrieval",
        "groups": "judged-together",
        "repository": "mteb/xquad",
        "revision": mteb.get_task("XQuADRetrieval").metadata.revision,
    }
    card = task_cards()["XQuADR"].model_dump() | {"source": source}
    card["languages"] = {x: {"code": card["languages"][x]["code"]} for x in ("en", "de", "th")}
    made = TaskCard.model_validate(card)
    made.source.__dict__["repository"] = str(tmp_path)  # a folder in the hub's layout
    made._file = tmp_path / "xquad.toml"
    found = read(made)
    sizes = found.passages.group_by("group").agg(pl.col("language").sort())
    assert sizes["language"].to_list() == [["de", "en", "th"]] * 240
    assert len(found.queries) == 1185 + 1181 + 1180
    assert len(found.qrels) == 3 * len(found.queries)


@pytest.mark.parametrize(
    ("name", "changes", "key", "said"),
    [
        ("MuPLeR", {"task": "MuPLeR"}, "source.task", "has no such task"),
        ("MuPLeR", {"task": "STS22"}, "source.task", "not as retrieval of text"),
        ("MuPLeR", {"task": "WITT2IRetrieval"}, "source.task", "not as retrieval of text"),
        ("MuPLeR", {"revision": "0" * 40}, "source.revision", "loads 43dff1bca775"),
        ("MuPLeR", {"repository": "me/mine"}, "source.repository", "loads mteb/MuPLeR-retrieval"),
        ("MuPLeR", {"subset": "{code}"}, "source.subset", "no subset(s) eng_Latn, fin_Latn"),
        (
            "Belebele",
            {"shared_queries": "{short}"},
            "source.shared_queries",
            "no subset(s) en, acm",
        ),
    ],
)
def test_a_task_that_is_not_what_the_card_says(name, changes, key, said):
    card = task_cards()[name]
    card = card.model_copy(update={"source": card.source.model_copy(update=changes)})
    with pytest.raises(DataError) as refused:
        read(card)
    assert f"{card.file}: key '{key}': MTEB {mteb.__version__}" in str(refused.value)
    assert said in str(refused.value)


def test_a_split_that_mteb_has_not():
    card = task_cards()["MuPLeR"].model_copy(update={"split": "dev"})
    with pytest.raises(DataError, match=r"key 'split'.*with the split\(s\) test alone"):
        read(card)


def test_data_that_cannot_be_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    card = task_cards()["MuPLeR"]
    with pytest.raises(DataError, match=r"MTEB could not load MuPLeR-retrieval from mteb/.*load_d"):
        read(card)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('groups = "same-id"', 'groups = "guess"', "'same-id', 'judged-together' or 'none'"),
        ('groups = "same-id"', 'groups = "same-id"\nquery_id = "[a-z"', "valid regular expression"),
        (
            'groups = "same-id"',
            "groups = \"same-id\"\nquery_id = '.+'",
            "lacks a group of the name",
        ),
        (
            'groups = "same-id"',
            "groups = \"same-id\"\npassage_id = '(?P<group>.+)(?=x)'",
            "look-around",
        ),
        (
            'groups = "same-id"',
            "groups = \"same-id\"\npassage_id = '(?P<group>a)|b)|(c'",
            "valid regular expression",
        ),
        (
            'groups = "same-id"',
            'groups = "same-id"\nshared_queries = "{short}"',
            "is for groups = 'judged-together' alone; remove it",
        ),
        ('groups = "same-id"', 'groups = "same-id"\nsubset = "{lang}"', "should match pattern"),
        ('groups = "same-id"', 'groups = "same-id"\nleave_out = ["all"]', "source.leave_out"),
        (
            "[languages]",
            '[languages]\nde = {code = "deu-Latn", file = "de"}',
            "this format has none",
        ),
    ],
)
def test_bad_cards_are_refused(tmp_path, old, new, said):
    text = task_cards()["MuPLeR"].file.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CardError) as refused:
        read_card(file)
    assert "mine.toml" in str(refused.value)
    assert said in str(refused.value)
