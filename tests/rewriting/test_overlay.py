"""Rewritten queries beside a collection: collections of their own, and what is refused."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import mteb
import pytest
from mteb.models.search_wrappers import SearchEncoderWrapper

from cards.test_translations import TOY
from conftest import HashEncoder
from evaluation.test_task_pairs import pairs_card
from mteb_hybrid import sources
from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import collection_card, task_cards
from mteb_hybrid.cards.rewritten import (
    RewrittenCard,
    rewrite_provenance,
    rewrites_folder,
    with_rewritten,
)
from mteb_hybrid.cards.tasks import card_settings, data_revision, task_views
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.evaluation.to_encode import counted
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.recipes.data import Data
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries
from mteb_hybrid.rewriting import overlay
from mteb_hybrid.rewriting.overlay import Made, RewriteError, adopt, keep
from mteb_hybrid.sources import load_collection, load_queries
from mteb_hybrid.studies.content import data_content
from rewriting.conftest import GERMAN

MONO = Setting.MONOLINGUAL


@pytest.fixture
def adopted(sample_card, written):
    written()
    adopt(sample_card, "a writer", {})
    return sample_card


def digest(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_kinds_are_collections_with_the_same_passages_and_judgments(adopted):
    base = load_collection(adopted)
    card = collection_card("sample-paraphrase")
    assert isinstance(card, RewrittenCard) and card.name == "HybridSampleParaphrase"
    made = load_collection(card)
    assert made.passages is base.passages
    assert made.queries.select("id", "text", "group").rows() == [
        (f"de:{row['id']}", row["paraphrase"], row["id"]) for row in GERMAN[:2]
    ]
    assert load_queries(card).equals(made.queries)
    for setting in Setting:
        views = task_views(card, setting)
        assert {view.query_language for view in views.values()} == {"de"}
        for name, view in views.items():
            queries, qrels = view_queries(made, view)
            _, own = view_queries(base, task_views(adopted, setting)[name])
            assert qrels == {id_: own[id_] for id_ in queries["id"]}
    original = load_collection(collection_card("sample-original"))
    ids = [f"de:{row['id']}" for row in GERMAN]
    assert original.queries.equals(base.queries.filter(base.queries["id"].is_in(ids)))
    twist = load_collection(collection_card("sample-twist"))
    assert twist.queries["id"].to_list() == [ids[0], ids[2]]


def test_no_result_is_filed_with_the_collections(adopted, tmp_path):
    cards = task_cards()
    names = [cls.__name__ for cls in task_classes(cards)]
    assert len(set(names)) == len(names)
    kinds = ("Original", "Paraphrase", "Twist")
    assert {f"HybridSample{kind}MonolingualRetrieval" for kind in ("", *kinds)} <= set(names)
    revisions = {
        data_revision(card, MONO) for name, card in cards.items() if name.startswith("HybridSample")
    }
    assert len(revisions) == 4
    assert sum(bool(re.fullmatch(r"1\.0\.0\+[a-z]+-[0-9a-f]{12}", one)) for one in revisions) == 3
    assert select_tasks(["sample-twist"], settings=[MONO]) == {
        "HybridSampleTwistMonolingualRetrieval": ["de-de"]
    }
    assert "sample" in task_cards()["HybridSample"].title


def test_another_kind_changes_no_revision_but_that_of_the_originals(adopted):
    before = data_revision(collection_card("sample-paraphrase"), MONO)
    keep(
        adopted, Made("more", "me", {}, {"de": {"bridge-2-b": "Was?"}, "en": {"bridge-1-a": "?!a"}})
    )
    assert data_revision(collection_card("sample-paraphrase"), MONO) == before
    assert len(load_queries(collection_card("sample-original"))) == 5
    assert len(load_queries(collection_card("sample-paraphrase"))) == 2


def test_other_rewrites_are_other_training_data_to_a_study(adopted, written):
    def content(name):
        return data_content(Data(name="data", format="collection", path=name))

    before, base = content("sample-paraphrase"), content("sample")
    written([{**GERMAN[0], "paraphrase": "Wie viele Bögen sind es?"}, *GERMAN[1:]])
    adopt(adopted, "a writer", {})
    assert content("sample-paraphrase") not in (before, base)
    assert content("sample") == base


def test_rewrites_of_pairs_search_their_own_pair(sample_card, tmp_path):
    contents = {"sw-en": (b"paka\nmbwa\n", b"a cat\na dog\n"), "ta-en": (b"x\n", b"a house\n")}
    base = pairs_card(sample_card, tmp_path, contents)
    keep(base, Made("x", "me", {}, {"sw": {"sw-en.2": "mbwa huyo"}}))
    card = with_rewritten({"Toy": base})["ToyX"]
    collection, view = load_collection(card), View("sw", ("en",))
    assert view_passages(collection, view)["id"].to_list() == ["en:sw-en.1", "en:sw-en.2"]
    assert view_queries(collection, view)[1] == {"sw:sw-en.2": {"en:sw-en.2": 1}}
    asked = counted(card, {"queries": {"sw"}, "passages": {"en"}})
    assert [(part.side, part.texts) for part in asked] == [("queries", 1), ("passages", 2)]


def test_evaluated_as_mtebs_own_path_does(adopted):
    tasks = {cls.__name__: cls for cls in task_classes({"x": collection_card("sample-paraphrase")})}
    task = tasks["HybridSampleParaphraseMultilingualRetrieval"]
    fast, stock = (
        mteb.evaluate(model, task(), cache=None).task_results[0].scores["test"][0]
        for model in (HashEncoder(), SearchEncoderWrapper(HashEncoder()))
    )
    standard = [key for key in stock if "_at_" in key and key in fast]
    same = pytest.approx({key: stock[key] for key in standard}, rel=0, abs=0, nan_ok=True)
    assert {key: fast[key] for key in standard} == same
    assert task.metadata.sample_creation == "multiple"
    assert "rewritten by a writer" in task.metadata.description
    assert "HybridSampleMonolingualRetrieval" in task.metadata.adapted_from


def test_unmodified_mteb_finds_the_tasks(adopted):
    code = (
        "import mteb; task = mteb.get_task('HybridSampleTwistMonolingualRetrieval');"
        "task.load_data(); print(*task.dataset['de-de']['test']['queries']['text'][:], sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{GERMAN[0]['twist']}|{GERMAN[2]['twist']}"


def test_weak_queries_are_left_out_of_all_kinds(sample_card, written):
    written()
    about = adopt(sample_card, "a writer", {"de": [1]})
    assert about.excluded == {"de": ["bridge-1-a"]}
    for kind, ids in (("paraphrase", ["1-b"]), ("twist", ["2-a"]), ("original", ["1-b", "2-a"])):
        card = collection_card(f"sample-{kind}")
        assert load_queries(card)["id"].to_list() == [f"de:bridge-{id_}" for id_ in ids]
        assert "1 that are known to be weak are left out" in card.description
    before = data_revision(collection_card("sample-original"), MONO)
    again = adopt(sample_card, None, {})
    assert again.excluded == about.excluded, "what is not named stays"
    assert adopt(sample_card, None, {"de": []}).excluded == {"de": []}
    assert data_revision(collection_card("sample-original"), MONO) != before


def test_a_query_without_an_answer_in_a_language_makes_no_subset(beir_card, written):
    """Of three queries one is answered; views of the others would be empty."""
    queries = "".join(json.dumps({"_id": str(n), "text": f"query {n}"}) + "\n" for n in range(3))
    card = beir_card(
        {
            "corpus.jsonl": '{"_id": "d1", "text": "Cats purr."}\n',
            "queries.jsonl": queries,
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\n0\td1\t1\n1\td1\t0\n",
        }
    )
    written([{"id": "1", "x": "no answer"}], "en", "toy")
    about = adopt(card, "me", {})
    assert about.original == {} and card_settings(collection_card("toy-x")) == ()
    written([{"id": "0", "x": "an answer"}], "en", "toy")
    adopt(card, "me", {})
    assert list(task_views(collection_card("toy-x"), MONO)) == ["en-en"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "nobody", "x": "y"}', r"de\.jsonl:1: no query of de has the id 'nobody'"),
        ('{"id": "bridge-1-a", "x": " "}', r":1: 'x' is empty"),
        ('{"id": "bridge-1-a", "x": "y"}\n' * 2, r":2: repeats the id 'bridge-1-a'"),
        ('{"x": "y"}', r':1: expected {"id"'),
        ('{"id": "bridge-1-a", "x": 3}', r":1: expected .*all texts"),
        ('["bridge-1-a"]', r":1: expected .*all texts"),
        ('{"id": "bridge-1-a", ', r":1: invalid JSON"),
    ],
)
def test_bad_files_are_refused_with_their_line(sample_card, written, text, said):
    written(text)
    with pytest.raises(DataError, match=said):
        adopt(sample_card, "me", {})


def test_what_was_altered_afterwards_is_refused_and_can_be_taken_over(adopted, written):
    rows = [dict(row) for row in GERMAN]
    rows[1]["paraphrase"] = "Seit welchem Jahr ist die Brücke frei?"
    folder = written(rows)
    with pytest.raises(DataError, match=r"de\.jsonl: altered since .*--adopt WHO"):
        load_collection(collection_card("sample-paraphrase"))
    assert len(load_collection(collection_card("sample-twist")).queries) == 2, "not altered"
    with pytest.raises(RewriteError, match="of the rewrites 'paraphrase', as they are"):
        adopt(adopted, None, {})
    about = adopt(adopted, "another writer", {})
    assert [about.kinds[kind].by for kind in ("paraphrase", "twist")] == [
        "another writer",
        "a writer",
    ]
    (folder / "de.jsonl").unlink()
    with pytest.raises(DataError, match=r"de\.jsonl: no such file"):
        load_collection(collection_card("sample-original"))


def test_rewrites_of_queries_that_changed_are_refused(beir_card, written, monkeypatch):
    card = beir_card(TOY)
    written([{"id": "1", "x": "Which purrs?"}], "en", "toy")
    provenance = rewrites_folder("toy") / "provenance.json"
    adopt(card, "me", {})
    early = json.loads(provenance.read_text())
    queries = card.file.parent / "toy" / "queries.jsonl"
    queries.write_text(queries.read_text().replace("purrs?", "barks, or purrs?"))
    monkeypatch.setattr(sources, "_recent", {})
    with pytest.raises(DataError, match=r"en\.jsonl: the queries of Toy in en .*--adopt WHO"):
        load_collection(collection_card("toy-x"))
    with pytest.raises(RewriteError, match=r"of the rewrites 'x', as they are, .* does not tell"):
        adopt(card, None, {})
    adopt(card, "me, again", {})
    assert len(load_collection(collection_card("toy-x")).queries) == 1
    for told in (*early["kinds"]["x"]["languages"].values(), *early["original"].values()):
        del told["of_sha256"]
    provenance.write_text(json.dumps(early))
    assert len(load_collection(collection_card("toy-x")).queries) == 1, "an earlier release's"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kinds": 3}, "key 'kinds'"),
        ({"author": "me"}, "key 'author'"),
        ({"original": {"qq": None}}, "key 'original"),
        ({"excluded": {"fi": []}}, "language 'fi': sample .* is in en, "),
    ],
)
def test_bad_provenance_is_refused(adopted, change, said):
    file = rewrites_folder("sample") / "provenance.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=rf"sample.provenance\.json: {said}.*Correct it"):
        task_cards()


def test_kinds_called_original_or_as_another_collection_are_refused(sample_card, written):
    written([{"id": "bridge-1-a", "original": "?"}])
    with pytest.raises(ValueError, match="'original' stands for the queries themselves"):
        adopt(sample_card, "me", {})


@pytest.mark.parametrize("kind", ["Para", "original", "two words", "x" * 41, ""])
def test_kinds_that_cannot_be_called_so_are_refused_with_their_line(sample_card, written, kind):
    folder = written([GERMAN[0], {"id": "bridge-1-b", kind: "?!"}])
    place = re.escape(f"{folder / 'de.jsonl'}:2: {kind!r} ")
    with pytest.raises(RewriteError, match=rf"^{place}.*; rename it$") as error:
        adopt(sample_card, "me", {})
    assert "pydantic" not in str(error.value)
    assert rewrite_provenance(sample_card) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("EN", "; did you mean 'en'? It has "),
        ("de_DE", "; did you mean 'de'? It has "),
        ("german", "; did you mean 'de'? It has "),
        ("fi", ". It has "),
    ],
)
def test_files_of_no_language_of_the_card_are_refused(sample_card, written, name, said):
    written()
    folder = written(language=name)
    (folder / "._de.jsonl").write_bytes(b"\0")  # what a Mac leaves beside a file
    place = re.escape(
        f"{folder / name}.jsonl: '{name}' is no language of {sample_card.title}{said}"
    )
    with pytest.raises(RewriteError, match=f"^{place}.*en, .*; rename the file, or move it away"):
        adopt(sample_card, "me", {})
    (folder / f"{name}.jsonl").unlink()
    assert list(adopt(sample_card, "me", {}).original) == ["de"]


def test_a_card_of_the_same_name_is_refused(beir_card, written):
    from conftest import write_beir_card

    card = beir_card(TOY)
    write_beir_card(card.file.parent, TOY, "ToyX")
    (card.file.parent / "toyx.toml").rename(card.file.parent / "toy-x.toml")
    written([{"id": "1", "x": "Which purrs?"}], "en", "toy")
    adopt(card, "me", {})
    with pytest.raises(CardError, match=r"the rewrites 'x' would be the collection toy-x, ToyX"):
        task_cards()


def test_there_is_nothing_to_take_over(sample_card):
    with pytest.raises(RewriteError, match=r"no rewritten queries; expected a file for each"):
        adopt(sample_card, "me", {})


def test_lines_that_do_not_exist(sample_card, written):
    written()
    with pytest.raises(RewriteError, match=r"--exclude de=4: .*de\.jsonl has 3 lines"):
        adopt(sample_card, "me", {"de": [4]})


def test_a_kind_made_alike_adds_and_otherwise_replaces_all_or_is_refused(sample_card):
    both = {"de": {"bridge-1-a": "eins"}, "es": {"bridge-1-a": "uno"}}
    keep(sample_card, Made("x", "me", {"seed": 1}, both, {"ar": {"why": 2}}))
    about = keep(sample_card, Made("x", "me", {"seed": 1}, {"es": {"bridge-1-b": "dos"}}))
    assert set(about.kinds["x"].languages) == {"de", "es"}
    assert about.kinds["x"].rejected == {"ar": {"why": 2}}
    file, of_others = rewrites_folder("sample") / "provenance.json", "0" * 64
    file.write_text(file.read_text().replace(about.kinds["x"].languages["de"].of_sha256, of_others))
    about = keep(sample_card, Made("x", "me", {"seed": 1}, {"es": {"bridge-1-b": "tres"}}))
    assert about.kinds["x"].languages["de"].of_sha256 == of_others, "was not rewritten"
    folder = rewrites_folder("sample")
    before = digest(folder)
    with pytest.raises(
        RewriteError, match=r"provenance\.json: in de 'x' was made .*by me, .*--adopt WHO"
    ):
        keep(sample_card, Made("x", "me", {"seed": 2}, {"es": {"bridge-1-b": "dos"}}))
    assert digest(folder) == before
    texts = {"de": {}, "es": {"bridge-1-b": "dos"}}
    about = keep(sample_card, Made("x", "me", {"seed": 2}, texts))
    assert set(about.kinds["x"].languages) == {"es"} and about.kinds["x"].rejected == {}
    assert load_queries(collection_card("sample-original"))["id"].to_list() == ["es:bridge-1-b"]


KEEP = """
import os, sys
from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.files import whole
from mteb_hybrid.rewriting.overlay import Made, keep

word, kill = sys.argv[1], int(sys.argv[2])
count = 0

def flush(path, real=whole._flush_folder):
    global count
    count += 1
    if count == kill:
        os.kill(os.getpid(), 9)

whole._flush_folder = flush
texts = {x: {"bridge-1-a": f"{word} {x}", "bridge-2-a": f"{word} {x}"} for x in ("de", "es")}
keep(collection_card("sample"), Made("x", word, {}, texts))
"""


def killed(word, kill):
    done = subprocess.run([sys.executable, "-c", KEEP, word, str(kill)], check=False)
    return done.returncode


@pytest.mark.parametrize("kill", [1, 2, 3, 4])
def test_killed_at_any_place_nothing_named_is_missing(adopted, kill):
    assert killed("old", 0) == 0
    assert killed("new", kill) == -signal.SIGKILL
    for name in ("sample-paraphrase", "sample-twist", "sample-original"):
        assert len(load_collection(collection_card(name)).queries) >= 2
    about = rewrite_provenance(adopted)
    if "x" in about.kinds:
        texts = load_queries(collection_card("sample-x"))["text"]
        assert {text[:3] for text in texts} == {"new"}
    assert killed("new", 0) == 0
    assert len(load_queries(collection_card("sample-x"))) == 4
    names = set(digest(rewrites_folder("sample")))
    assert names == {"de.jsonl", "es.jsonl", "provenance.json"}


def test_what_is_left_out_is_not_forgotten_on_the_way(sample_card, written, monkeypatch):
    written([{"id": "bridge-1-a", "x": "y"}, {"id": "bridge-1-b", "x": "y"}])
    adopt(sample_card, "me", {"de": [1]})
    texts = {"de": {"bridge-1-a": "z", "bridge-1-b": "z"}}

    def full(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk is full"):
        patch.setattr(overlay, "write_lines", full)
        keep(sample_card, Made("x", "me", {}, texts))
    assert rewrite_provenance(sample_card).kinds == {}
    assert "HybridSampleOriginal" not in task_cards()
    about = keep(sample_card, Made("x", "me", {}, texts))
    assert about.excluded == {"de": ["bridge-1-a"]}
    assert about.kinds["x"].languages["de"].queries == 1


def test_two_processes_keep_the_rewrites_of_both(adopted):
    code = KEEP.replace('Made("x"', "Made(word")
    processes = [
        subprocess.Popen([sys.executable, "-c", code, word, "0"], env=os.environ.copy())
        for word in ("one", "two")
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert set(rewrite_provenance(adopted).kinds) == {"paraphrase", "twist", "one", "two"}
    for kind in ("paraphrase", "twist", "one", "two", "original"):
        load_collection(collection_card(f"sample-{kind}"))
