"""Proposals to MTEB: its own loader, evaluation, statistics and checks, on the exported module."""

import copy
import json
import shutil
from pathlib import Path

import datasets
import mteb
import pytest
from mteb.abstasks.task_metadata import TaskMetadata

from commands.test_export import invoke
from conftest import HashEncoder
from evaluation.test_task_lines import MTEB_SCORE, lines_card, same
from export.conftest import files
from export.proposals import DATASET, REVISION, classes, export_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.export.hub import export_hub
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_collection


@pytest.fixture(scope="module", params=["sample", "lines"])
def proposed(request, sample_card, tmp_path_factory):
    """Our tasks and the exported ones, which read the data set that the hub export writes.

    The sample in three of its languages; and a collection whose queries are passages, with a pool
    that is larger than what MTEB ranks.
    """
    folder = tmp_path_factory.mktemp("upstream")
    cache, datasets.config.HF_DATASETS_CACHE = datasets.config.HF_DATASETS_CACHE, folder / "cache"
    if request.param == "sample":
        shutil.copytree(sample_card.file.parent / "sample", folder / "sample")
        languages = {short: sample_card.languages[short] for short in ("en", "th", "zh")}
        card = sample_card.model_copy(update={"languages": languages})
        card._file = folder / "sample.toml"
    else:
        contents = {
            x: "".join(f"{x} {n}\n" for n in range(350)).encode() for x in ("en", "de", "fr")
        }
        card = lines_card(sample_card, folder, contents)
    ours = {made.setting: made() for made in task_classes({card.name: card})}
    for task in ours.values():
        task.calculate_descriptive_statistics()
    module = export_card(card, folder / "out")
    export_hub(load_collection(card), card, folder / "hub")
    theirs = {setting: made() for setting, made in classes(module).items()}
    for task in theirs.values():
        task.metadata.dataset["path"] = str(folder / "hub")
        task.load_data()
    yield ours, theirs, folder / "out"
    datasets.config.HF_DATASETS_CACHE = cache


def test_the_same_queries_passages_and_judgments(proposed):
    ours, theirs, _ = proposed
    assert theirs.keys() == ours.keys()
    for setting, task in theirs.items():
        assert task.dataset.keys() == ours[setting].dataset.keys()
        for subset, splits in ours[setting].dataset.items():
            ((split, expected),) = splits.items()
            found = task.dataset[subset][split]
            for kind in ("queries", "corpus"):
                for column in ("id", "text"):
                    assert found[kind][column][:] == expected[kind][column][:]
            assert found["relevant_docs"] == expected["relevant_docs"]


def test_the_statistics_are_where_and_what_mteb_computes(proposed, tmp_path, monkeypatch):
    _, theirs, folder = proposed
    package = Path(mteb.__file__).parents[1]
    for task in theirs.values():
        place = folder / task.metadata.descriptive_stat_path.relative_to(package)
        with monkeypatch.context() as patch:
            written = tmp_path / place.name
            patch.setattr(TaskMetadata, "descriptive_stat_path", property(lambda _, w=written: w))
            task.calculate_descriptive_statistics()
        assert place.read_bytes() == written.read_bytes()


def test_mteb_s_checks_of_metadata(proposed):
    """What MTEB's tests/test_validate_metadata asserts of every task."""
    ours, theirs, _ = proposed
    differ = {"dataset", "main_score", "bibtex_citation"}
    for setting, task in theirs.items():
        about = task.metadata
        about._validate_metadata()
        assert about.is_filled()
        assert not about.dataset.get("trust_remote_code", False)
        assert about.name == type(task).__name__
        assert isinstance(about.simplified_task_type, str)
        assert about.dataset["revision"] == REVISION
        expected = ours[setting].metadata.model_dump(exclude=differ)
        assert about.model_dump(exclude=differ) == expected
        assert task.ignore_identical_ids == ours[setting].ignore_identical_ids


def test_the_same_scores(proposed):
    ours, theirs, folder = proposed
    for setting, task in theirs.items():
        mine, other = scores(ours[setting]), scores(task)
        assert other.keys() == mine.keys()
        most = max_relevant(folder / f"mteb/descriptive_stats/Retrieval/{task.metadata.name}.json")
        for subset, row in other.items():
            compared = [name for name in row if MTEB_SCORE.match(name)]
            assert len(compared) == 6 * 7 + 1 + 5 * 7 * 3
            assert [name for name in compared if not same(mine[subset][name], row[name])] == []
            assert row["main_score"] == row["map_at_1000"] > 0
            assert -5e-6 <= mine[subset]["map"] - row["main_score"] <= (most + 1) / 2000
    if task.ignore_identical_ids:  # and a pool of 1,050
        assert all(mine[subset]["map"] > row["main_score"] for subset, row in other.items())


def scores(task):
    """Of one subset; whether all hold the same data is tested above."""
    one = copy.copy(task).filter_languages(None, hf_subsets=task.hf_subsets[-1:])
    result = mteb.evaluate(HashEncoder(), one, cache=None, show_progress_bar=False)
    (rows,) = result.task_results[0].scores.values()
    return {row["hf_subset"]: row for row in rows}


def max_relevant(file):
    (split,) = json.loads(file.read_text()).values()
    return split["relevant_docs_statistics"]["max_relevant_docs_per_query"]


def test_command(tmp_path):
    arguments = ("xquad-r", "-f", "mteb", "--dataset", DATASET, "--revision", REVISION)
    result = invoke(*arguments, "-o", tmp_path / "one")
    assert f"what is left to do: {tmp_path / 'one/xquad-r/STEPS.md'}" in result.output
    invoke(*arguments, "-o", tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert {name.rpartition("/")[2] for name in files(tmp_path / "one")} == {
        "xquad_r_retrieval.py",
        "create_data.py",
        "PR.md",
        "STEPS.md",
        *(f"XQuADR{setting.title()}Retrieval.json" for setting in Setting),
    }
    (tmp_path / "one/xquad-r/mine").write_text("")
    with pytest.raises(ExportError, match="xquad-r: holds other files"):
        invoke(*arguments, "-o", tmp_path / "one")
    invoke(*arguments, "-o", tmp_path / "three", "--setting", "multilingual")
    (written,) = (tmp_path / "three").rglob("*.json")
    assert written.stem == "XQuADRMultilingualRetrieval"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "xquad"}, "no collection or task 'xquad'"),
        ({"--revision": "main"}, "revision 'main': expected a commit of 40 hex digits"),
        ({"--revision": REVISION.upper()}, "expected a commit of 40 hex digits"),
        ({"--revision": None}, "needs --dataset ORG/NAME and --revision SHA"),
        ({"--dataset": None}, "needs --dataset ORG/NAME and --revision SHA"),
        ({"--dataset": "name"}, "'name': expected ORG/NAME: the user or organisation"),
        ({"--dataset": "a/b/c"}, "'a/b/c': expected ORG/NAME: "),
        ({"--dataset": "org/name\n"}, "expected ORG/NAME: "),
        ({"--query-language": "en"}, "proposes whole tasks; leave out the languages"),
        ({"-f": "hub"}, "--dataset and --revision are for --format mteb"),
    ],
)
def test_refusals(tmp_path, changed, said):
    given = {"name": "xquad-r", "-f": "mteb", "--dataset": DATASET, "--revision": REVISION}
    given |= changed
    name = given.pop("name")
    options = [part for key, value in given.items() if value for part in (key, value)]
    with pytest.raises(ValueError, match=said):
        invoke(name, *options, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_statistics_that_are_missing_or_of_other_subsets(sample_card, tmp_path):
    languages = {short: sample_card.languages[short] for short in ("en", "de")}
    card = sample_card.model_copy(update={"languages": languages})
    with pytest.raises(ExportError, match=r"HybridSample\w+\.json: holds the statistics of other"):
        export_card(card, tmp_path / "out")
    card._file = tmp_path / "sample.toml"
    with pytest.raises(ExportError, match=r"json: no such file.*calculate_descriptive_statistics"):
        export_card(card, tmp_path / "out")
    card._file = tmp_path / "2.toml"
    with pytest.raises(ExportError, match=r"2\.toml: the name of the file becomes that of a"):
        export_card(card, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_translated_queries_are_not_proposed(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    overlay = tmp_path / "translated-queries" / "sample"
    overlay.mkdir(parents=True)
    entry = {"into": "fr", "of": "en", "file": "fr-en.jsonl", "sha256": "0" * 64}
    said = {"system": "a system", "revision": "1", "date": "2026-01-01", "translations": [entry]}
    said["languages"] = {"fr": "fra-Latn"}
    (overlay / "provenance.json").write_text(json.dumps(said))
    card = task_cards()["HybridSample"]
    with pytest.raises(ExportError, match=r"has translated queries \(fr-en\)"):
        export_card(card, tmp_path / "out")
    export_card(card, tmp_path / "out", [Setting.MULTILINGUAL])
