"""MIRACL's three settings through MTEB, from files in its layout to scores and a report."""

import gzip
import hashlib
import json
import math
import re

import ir_measures
import mteb
import polars as pl
import pytest

from conftest import HashEncoder
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.known_faults import KnownFaults
from mteb_hybrid.cards.tasks import card_settings, task_views
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.results.per_query import read_per_query
from mteb_hybrid.results.table import legend, render, result_rows
from mteb_hybrid.retrieval.views import Setting

MTEB_SCORE = re.compile(r"(nauc_)?(ndcg|map|recall|precision|mrr|hit_rate)_at_\d+|accuracy")
TOPICS = {"0": "first question", "1": "second question", "20": "third question", "21": "no answer"}
JUDGED = {"0": {"7#0": 1, "7#1": 0, "8#0": 0}, "1": {"8#0": 1, "30#12": 1}, "20": {"9#0": 1}}
DOCIDS = ["7#0", "7#1", "8#0", "9#0", "30#12", *(f"{number}#0" for number in range(100, 125))]


def passages(language):
    """Objects as in MIRACL's files; some titles are empty."""
    return [
        {"docid": id_, "title": "" if place % 5 == 4 else f"{language} title {place}",
         "text": f"{language} text of {id_}"}
        for place, id_ in enumerate(DOCIDS)
    ]  # fmt: skip


def write_language(root, language, layout="flat", files=2, split="dev"):
    """Write the files of one language, in one of the two layouts."""
    name = f"miracl-v1.0-{language}"
    base = root if layout == "flat" else root / name
    rows = [f"{language} {text}" for text in TOPICS.values()]
    topics = "".join(f"{id_}\t{row}\n" for id_, row in zip(TOPICS, rows, strict=True))
    qrels = "".join(
        f"{query}\tQ0\t{passage}\t{relevance}\n"
        for query, judged in JUDGED.items()
        for passage, relevance in judged.items()
    )
    for kind, text in (("topics", topics), ("qrels", qrels)):
        (base / kind).mkdir(parents=True, exist_ok=True)
        (base / kind / f"{kind}.{name}-{split}.tsv").write_text(text, encoding="utf-8")
    folder = root / f"miracl-corpus-v1.0-{language}"
    folder.mkdir(parents=True)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in passages(language)]
    for number in range(files):
        part = "".join(lines[number::files]) or "\n"
        content = gzip.compress(part.encode(), 1)
        (folder / f"docs-{number}.jsonl.gz").write_bytes(content)


def toy_card(folder, languages=("sw", "yo", "bn")):
    """A user's own card for some of MIRACL's languages, its files beside it."""
    card = task_cards()["MIRACL"]
    chosen = {language: card.languages[language] for language in languages}
    strict = {"passages": None, "known_faults": KnownFaults()}
    source = card.source.model_copy(update=strict)
    fields = {"name": "Toy", "title": "toy", "languages": chosen, "source": source}
    made = card.model_copy(update=fields)
    made._file = folder / "toy.toml"
    return made


def write_translations(data, card, pairs):
    """Files of "translated" queries, as an overlay for a card."""
    folder = data / "translated-queries" / card.file.stem
    folder.mkdir(parents=True)
    entries = []
    for into, of in pairs:
        asked = {id_: text for id_, text in TOPICS.items() if id_ in JUDGED}
        lines = [json.dumps({"id": id_, "text": f"{into}: {asked[id_]}"}) for id_ in asked]
        content = "\n".join(lines).encode()
        (folder / f"{into}-{of}.jsonl").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append({"into": into, "of": of, "file": f"{into}-{of}.jsonl", "sha256": digest})
    about = {"system": "test/none", "revision": "1", "date": "2026-01-01"}
    about |= {"languages": {"ta": "tam-Taml"}, "translations": entries}
    (folder / "provenance.json").write_text(json.dumps(about), encoding="utf-8")


@pytest.fixture
def toy(tmp_path, monkeypatch, evaluate):
    """Evaluates an encoder in one setting of three languages, two of them with translations."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    card = toy_card(tmp_path)
    for language in card.languages:
        write_language(tmp_path / "miracl", language)
    write_translations(tmp_path / "data", card, [("sw", "yo"), ("ta", "bn")])
    classes = {made.setting: made for made in task_classes({card.name: card})}

    def run(encoder, setting, stock=False, per_query=None):
        task = classes[setting]()
        task.per_query_root = per_query
        return evaluate(encoder, task, stock=stock)

    run.card = card
    run.classes = classes
    return run


def test_the_settings_that_there_are(toy, tmp_path, monkeypatch):
    assert [made.__name__ for made in toy.classes.values()] == [
        "ToyMonolingualRetrieval",
        "ToyCrosslingualRetrieval",
        "ToyMultilingualRetrieval",
    ]
    assert list(task_views(toy.card, Setting.CROSSLINGUAL)) == ["sw-yo", "ta-bn"]
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "elsewhere"))
    assert card_settings(toy.card) == (Setting.MONOLINGUAL, Setting.MULTILINGUAL)
    assert card_settings(toy_card(tmp_path, ["yo"])) == (Setting.MONOLINGUAL,)


def test_what_a_task_holds(toy):
    task = toy.classes[Setting.MULTILINGUAL]()
    task.load_data()
    split = task.dataset["yo-multi"]["dev"]
    assert split["queries"]["id"][:] == ["yo:0", "yo:1", "yo:20"]
    assert split["relevant_docs"]["yo:0"] == {"yo:7#0": 1, "yo:7#1": 0, "yo:8#0": 0}
    assert len(split["corpus"]) == 3 * len(DOCIDS)
    translated = toy.classes[Setting.CROSSLINGUAL]()
    translated.load_data()
    split = translated.dataset["ta-bn"]["dev"]
    assert split["queries"]["id"][:] == ["ta>bn:0", "ta>bn:1", "ta>bn:20"]
    assert split["relevant_docs"]["ta>bn:1"] == {"bn:8#0": 1, "bn:30#12": 1}
    assert len(split["corpus"]) == len(DOCIDS)


@pytest.mark.parametrize("levels", [None, 3], ids=["distinct", "tied"])
@pytest.mark.parametrize("setting", list(Setting))
def test_equals_mtebs_own_path(setting, levels, toy):
    encoder = HashEncoder(dimensions=8, levels=levels)
    fast, stock = (toy(encoder, setting, stock) for stock in (False, True))
    assert fast.keys() == stock.keys() == task_views(toy.card, setting).keys()
    for subset, scores in stock.items():
        assert fast[subset].keys() == scores.keys()
        for name, value in scores.items():
            ours = fast[subset][name]
            both_nan = isinstance(value, float) and math.isnan(value) and math.isnan(ours)
            assert ours == value or both_nan, (subset, name)


def test_measures_are_those_of_judgments_in_one_language(toy):
    scores = toy(HashEncoder(dimensions=8), Setting.MULTILINGUAL)["yo-multi"]
    ours = {name for name in scores if not MTEB_SCORE.match(name)}
    by_language = {f"{name}_{x}" for name in ("language_share_at_10", "pool_share")
                   for x in toy.card.languages}  # fmt: skip
    about = {"hf_subset", "languages", "main_score", "mteb_version", "map"}
    wanted = {"unjudged_at_10", "awrf_at_20", "same_language_lift_at_10"}
    assert ours == about | wanted | by_language
    assert scores["pool_share_yo"] == pytest.approx(1 / 3)
    alone = toy(HashEncoder(dimensions=8), Setting.MONOLINGUAL)["yo-yo"]
    assert {name for name in alone if not MTEB_SCORE.match(name)} == about | {"unjudged_at_10"}


@pytest.mark.parametrize("setting", list(Setting))
def test_unjudged_against_ir_measures(setting, toy, tmp_path):
    task = toy.classes[setting]()
    encoder = HashEncoder(dimensions=16)
    found = mteb.evaluate(encoder, task, cache=None, prediction_folder=tmp_path).task_results[0]
    scores = {row["hf_subset"]: row for row in found.scores["dev"]}
    (file,) = tmp_path.glob("*_predictions.json")
    saved = json.loads(file.read_text(encoding="utf-8"))
    task.load_data()
    for subset, row in scores.items():
        qrels = task.dataset[subset]["dev"]["relevant_docs"]
        theirs = ir_measures.calc_aggregate([ir_measures.Judged @ 10], qrels, saved[subset]["dev"])
        assert row["unjudged_at_10"] == pytest.approx(1 - theirs[ir_measures.Judged @ 10])


def test_rankings_of_queries_that_are_not_parallel_are_not_kept(toy, tmp_path):
    toy(HashEncoder(), Setting.MULTILINGUAL, per_query=tmp_path / "kept")
    (folder,) = {file.parents[1] for file in (tmp_path / "kept").rglob("*.parquet")}
    rows = read_per_query(folder).filter(measure="unjudged_at_10")
    assert rows.group_by("pool").len().sort("pool").rows() == [
        *(("bn-multi", 3), ("sw-multi", 3), ("yo-multi", 3)),
    ]
    assert set(rows["group"]) == set(rows["query"])
    assert not list(folder.glob("*.rankings"))
    assert rows.select(pl.col("value").is_between(0, 1)).to_series().all()


def test_the_shipped_card_from_files_to_the_table(tmp_path, monkeypatch, encoder):
    """All 18 languages, with as many files as the card counts, by MTEB's name of the task."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    card = task_cards()["MIRACL"]
    for language, files in card.source.passages.files.items():
        write_language(tmp_path / "miracl", language, layout="hub", files=min(files, 5))
    with pytest.raises(ValueError, match=r"miracl-corpus-v1\.0-de/docs-5\.jsonl\.gz: no such file"):
        mteb.get_task("MIRACLMonolingualRetrieval").load_data()
    for language, files in card.source.passages.files.items():
        for number in range(5, files):
            row = {"docid": f"{number}#99", "title": "", "text": f"{language} {number}"}
            file = f"miracl/miracl-corpus-v1.0-{language}/docs-{number}.jsonl.gz"
            (tmp_path / file).write_bytes(gzip.compress(json.dumps(row).encode(), 1))
    results = tmp_path / "results"
    for setting in ("Monolingual", "Multilingual"):
        task = mteb.get_task(f"MIRACL{setting}Retrieval")
        assert len(task.hf_subsets) == 18
        mteb.evaluate(encoder, task, cache=mteb.ResultCache(tmp_path), show_progress_bar=False)
    (row,) = result_rows([results])
    alone, crosslingual, pooled, distance = row.cells
    assert (alone.subsets, pooled.subsets, crosslingual, distance) == (18, 18, None, None)
    *ndcg, loss, lift, unjudged = row.further
    assert ndcg == [None] * 3  # of collections that are judged across languages
    assert loss.value == pytest.approx(alone.value - pooled.value) and loss.value > 0
    assert -1 <= lift.value <= 17 and 0.5 < unjudged.value <= 1
    shown = render([row])
    assert "unjudged at 10" in shown and "pool loss" in shown
    assert "upper bound of what wrong ones cost" in legend([row])
    benchmark = mteb.get_benchmark("MIRACL")
    model = encoder.mteb_model_meta
    loaded = mteb.ResultCache(tmp_path).load_results(tasks=benchmark, models=[model])
    ((found),) = benchmark.get_score(loaded).values()
    assert {name: found[f"MIRACL::{name}"] for name in ("Mo.", "Mul.")} == pytest.approx(
        {"Mo.": alone.value, "Mul.": pooled.value}
    )
    assert not any("Cr." in name or "rank distance" in name for name in found)
