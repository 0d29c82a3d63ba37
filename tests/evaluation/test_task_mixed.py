"""A corpus of several languages that is judged across them, through MTEB, against other programs.

The files have NeuCLIR's layout: documents of a language in files of its own, topics with their
translations, and TREC judgments for each language. The texts are invented.
"""

import json

import ir_measures
import mteb
import numpy as np
import pytest
from ir_measures import AP, nDCG

from conftest import HashEncoder, write_mixed_card
from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.tasks import card_settings, data_revision, task_views
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.explore.page import chunks, write_explorer
from mteb_hybrid.explore.shown import shown
from mteb_hybrid.explore.texts import Texts
from mteb_hybrid.measures import ANY_POOL, MAP, PARALLEL, UNJUDGED_AT_10
from mteb_hybrid.measures.bias_of_run import bias_of_run
from mteb_hybrid.measures.ndcg import NDCG_AT_20
from mteb_hybrid.report.page import chapters, page
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.results.table import legend, render, result_rows
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_collection

SIZES = {"fa": 40, "ru": 60, "zh": 25}
TOPICS = [str(number) for number in range(100, 112)]


def layout():
    """Files as they are published, and what is judged."""
    random = np.random.default_rng(5)
    files, judged = {}, {}
    for language, size in SIZES.items():
        rows = [
            {"id": f"{language}{n}", "cc_file": "x", "time": "2021", "title": f"{language} {n}",
             "text": f"text {n} in {language}", "url": "https://example.org"}
            for n in range(size)
        ]  # fmt: skip
        files[f"corpus/{language}.jsonl"] = rows
        asked = TOPICS if language != "zh" else TOPICS[:4]  # the others have none in Chinese
        judged[language] = {
            topic: {
                f"{language}{n}": int(random.choice([0, 1, 3], p=[0.5, 0.3, 0.2]))
                for n in random.choice(size, 12, replace=False)
            }
            for topic in asked
        }
    files["queries.jsonl"] = [
        {"id": f"{topic}-{lang}", "topic": topic, "language": lang, "text": f"topic {topic} {lang}"}
        for topic in TOPICS
        for lang in ("en", "fa", "ru")
        if lang != "ru" or topic != "103"
    ]
    written = {
        name: "".join(f"{json.dumps(row)}\n" for row in rows) for name, rows in files.items()
    }
    for language, topics in judged.items():
        written[f"qrels/2022-qrels.{language}"] = "".join(
            f"{topic} 0 {doc} {grade}\n"
            for topic, docs in topics.items()
            for doc, grade in docs.items()
        )
    return written, judged


SOURCE = """
language = "language"
topic = "topic"
empty_subsets = ["en-en", "zh-zh", "zh-fa", "zh-ru", "zh-multi", "fa-en", "ru-en", "zh-en"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    written, judged = layout()
    card = write_mixed_card(
        tmp_path_factory.mktemp("cards"), written, ("en", "fa", "ru", "zh"), source=SOURCE
    )
    return card, judged


def similarity(encoder, queries, passages):
    vectors = [
        np.stack([encoder.vector(t, "", None) for t in some]) for some in (queries, passages)
    ]
    return np.asarray(encoder.similarity(*vectors), dtype=np.float32)


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("stock", [False, True])
def test_scores_are_those_of_ir_measures(made, evaluate, levels, stock):
    """In every pool: map and nDCG@20, from the files, with ties and without; on either path."""
    card, judged = made
    encoder = HashEncoder(levels=levels)
    rows = [json.loads(line) for name, text in layout()[0].items() if name.startswith("corpus/")
            for line in text.splitlines()]  # fmt: skip
    asked = [json.loads(line) for line in layout()[0]["queries.jsonl"].splitlines()]
    language_of = {row["id"]: row["title"][:2] for row in rows}
    whole = similarity(
        encoder, [q["text"] for q in asked], [f"{r['title']} {r['text']}" for r in rows]
    )
    subsets = set()
    for task in task_classes({"Mixed": card}):
        for subset, scores in evaluate(encoder, task(), stock=stock).items():
            query_language, pool = subset.split("-")
            searched = tuple(SIZES) if pool == "multi" else (pool,)
            qrels, run = {}, {}
            for q, row in zip(asked, whole, strict=True):
                mine = {d: g for x in searched for d, g in judged[x].get(q["topic"], {}).items()}
                if q["language"] == query_language and any(mine.values()):
                    named = {d: f"{language_of[d]}:{d}" for d in language_of}
                    qrels[q["id"]] = {named[d]: g for d, g in mine.items()}
                    run[q["id"]] = {
                        named[r["id"]]: float(score)
                        for r, score in zip(rows, row, strict=True)
                        if language_of[r["id"]] in searched
                    }
            expected = ir_measures.calc_aggregate([AP, nDCG @ 20], qrels, run)
            assert scores["map"] == pytest.approx(expected[AP], abs=1e-9), subset
            assert scores["ndcg_at_20"] == pytest.approx(expected[nDCG @ 20], abs=1e-9), subset
            if pool == "multi":
                frame = bias_of_run(run, qrels, {v: k[:2] for k, v in named.items()},
                                    dict.fromkeys(qrels, query_language))  # fmt: skip
                for measure, value in frame.select("measure", "value").iter_rows():
                    if measure in scores:
                        assert scores[measure] == pytest.approx(value, abs=1e-9, nan_ok=True)
            subsets.add(subset)
    assert subsets == {
        *("fa-fa", "ru-ru", "en-fa", "en-ru", "en-zh", "fa-ru", "fa-zh", "ru-fa", "ru-zh"),
        *("en-multi", "fa-multi", "ru-multi"),
    }


def test_settings_and_measures(made):
    card, _ = made
    assert card_settings(card) == tuple(Setting)
    (task,) = [t for t in task_classes({"Mixed": card}) if t.setting is Setting.MULTILINGUAL]
    ranked = task()
    ranked.load_data()
    assert ranked.keeps_rankings
    queries = ranked.dataset["ru-multi"][card.split]["queries"]["id"][:]
    assert len(queries) == len(TOPICS) - 1 and queries[0] == "ru:100-ru"


def test_a_query_that_a_pool_does_not_answer_is_left_out_of_it(made):
    card, judged = made
    (task,) = [t for t in task_classes({"Mixed": card}) if t.setting is Setting.CROSSLINGUAL]
    ranked = task()
    ranked.load_data()
    found = ranked.dataset["en-zh"][card.split]["relevant_docs"]
    answered = {t for t, docs in judged["zh"].items() if any(docs.values())}
    assert {id_.removeprefix("en:")[:3] for id_ in found} == answered
    assert len(ranked.dataset["en-fa"][card.split]["relevant_docs"]) == len(TOPICS)


def test_all_measures_of_any_pool_and_none_between_translations(made, evaluate):
    card, _ = made
    for task in task_classes({"Mixed": card}):
        if task.setting is not Setting.MULTILINGUAL:
            continue
        scores = evaluate(HashEncoder(), task())["fa-multi"]
        for measure in (MAP, NDCG_AT_20, *ANY_POOL, UNJUDGED_AT_10):
            names = [f"{measure.name}_{x}" for x in card.languages]
            assert all(
                name in scores for name in (names if measure.by_language else [measure.name])
            )
        assert not any(name.startswith(m.name) for m in PARALLEL for name in scores)
        assert scores["pool_share_en"] == scores["language_share_at_10_en"] == 0


def test_tables(made, tmp_path, monkeypatch):
    """Results of an unmodified `mteb.evaluate`, in the table."""
    card, _ = made
    monkeypatch.setenv("MTEB_HYBRID_TASKS", str(card.file.parent))
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "results"))
    cache = mteb.ResultCache(tmp_path)
    for task in task_classes({"Mixed": card}):
        mteb.evaluate(HashEncoder(), task(), cache=cache, show_progress_bar=False)
    rows = result_rows([tmp_path / "results"])
    (row,) = rows
    assert "Mul. nDCG@20" in render(rows) and "pool loss" not in render(rows)
    assert "judged across languages" in legend(rows) and "upper bound" not in legend(rows)
    assert all(cell for cell in row.cells[:3]) and row.cells[3] is None
    results = load_results(tmp_path / "results")
    (collection,) = summarise(results).collections
    html = page(summarise(results), chapters(summarise(results)))
    assert "judged on passages of all languages" in html and "own language only" not in html
    assert "Mul. nDCG@20" in html and "pool loss" not in html.lower().partition("the measures")[0]
    assert (Setting.MULTILINGUAL, "pool_loss") not in collection.models[0].cells
    assert np.isnan(collection.models[0].pool_loss).all(), "the pools have queries of their own"
    ours = results.evaluation("Mixed", row.label, Setting.MULTILINGUAL)
    assert 0 < ours.consistency["ranking_consistency_at_10"] < 1, "of translated queries"


def test_explorer(made, tmp_path, monkeypatch):
    """It shows nDCG@20, for there are no translations that could stand apart."""
    card, _ = made
    monkeypatch.setenv("MTEB_HYBRID_TASKS", str(card.file.parent))
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "results"))
    task = next(t for t in task_classes({"Mixed": card}) if t.setting is Setting.MULTILINGUAL)
    cache = mteb.ResultCache(tmp_path)
    mteb.evaluate(HashEncoder(), task(), cache=cache, show_progress_bar=False)
    found = shown(load_results(tmp_path / "results"))
    (frame,) = found.queries.values()
    told = dict(chunks(found, Texts()))
    about = told["about", 0]
    assert about["second"] == {"title": "nDCG@20", "digits": 4, "worst": "asc"}
    briefs = {row[0]: row[3] for row in told["rows", 0]}
    for query, value in frame.select("query", "ndcg_at_20").iter_rows():
        assert briefs[query][1] == pytest.approx(value, abs=1e-5)
    write_explorer(found, Texts(), tmp_path / "explorer")
    html = (tmp_path / "explorer" / "index.html").read_text("utf-8")
    assert "its answers in each language stand" in html and "translation" not in html
    assert "be it that nobody judged it" in html


def test_revision_and_subsets(made):
    card, _ = made
    assert data_revision(card, Setting.MULTILINGUAL).startswith("1.0.0+card-")
    assert "zh-multi" not in task_views(card, Setting.MULTILINGUAL)
    collection = load_collection(card)
    assert collection.queries.filter(group="103")["language"].to_list() == ["en", "fa"]
    assert set(collection.passages["group"]) == set(collection.passages["id"])


def test_one_language_is_no_mixture(tmp_path):
    files = {
        "corpus/en.jsonl": '{"id": "d", "text": "a"}\n',
        "queries.jsonl": '{"id": "q", "text": "a", "language": "en"}\n',
        "qrels/test.tsv": "q 0 d 1\n",
    }
    with pytest.raises(CardError, match="at least two languages"):
        write_mixed_card(tmp_path, files, ("en",), source='language = "language"\n')
