"""What goes with the tasks: description, steps, upload script."""

import runpy
from pathlib import Path

import huggingface_hub
import mteb

from conftest import write_mixed_card
from export.conftest import files
from export.proposals import DATASET, export_card, ruff
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.export.hub import export_hub
from mteb_hybrid.export.upstream.text import WHY_OPEN, WHY_POOLS, Proposal, pull_request
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_collection


def test_pull_requests_are_short_and_hold_the_statistics(published, tmp_path):
    folder, modules = published
    for stem in modules:
        text = (folder / stem / "PR.md").read_text(encoding="utf-8")
        assert len(text) < 2000 - 60, f"{stem}: no room for nine scores"
        assert "$" not in text
        assert f"it has {len(text):,}." in (folder / stem / "STEPS.md").read_text(encoding="utf-8")
    text = (folder / "xquad-r" / "PR.md").read_text(encoding="utf-8")
    assert "| XQuADRMultilingualRetrieval | 11 | 1,190 | 13,014 | 11 | 58 / 153 |" in text
    assert "higher by 0.006 at most" in text
    assert text.count("- [x]") == 1
    export_card(task_cards()["XQuADR"], tmp_path / "alone", [Setting.MONOLINGUAL])
    text = (tmp_path / "alone" / "PR.md").read_text(encoding="utf-8")
    assert "Adds XQuAD-R: 1 task," in text and "- [x]" not in text


def test_a_pool_that_is_judged_across_languages_is_proposed_as_one(tmp_path):
    rows = {
        "corpus/de.jsonl": '{"id": "d", "text": "Ein Text"}',
        "corpus/en.jsonl": '{"id": "e", "text": "A text"}',
    }
    rows |= {"queries.jsonl": "", "qrels.tsv": ""}
    card = write_mixed_card(tmp_path, rows, ("de", "en"), source='language = "language"')
    split = {
        "hf_subset_descriptive_stats": {"en-multi": {"num_queries": 1, "num_documents": 2}},
        "relevant_docs_statistics": dict.fromkeys(
            ("average_relevant_docs_per_query", "max_relevant_docs_per_query"), 1
        ),
        **{
            f"{kind}_text_statistics": {"average_text_length": 6}
            for kind in ("queries", "documents")
        },
    }
    tasks = {"MixedMultilingualRetrieval": (Setting.MULTILINGUAL, {"test": split})}
    proposed = pull_request(Proposal(card, tasks, "mixed", "org/mixed", "c" * 40))
    assert WHY_POOLS in proposed and WHY_OPEN not in proposed


def test_the_lines_for_mteb_s_init(published, tmp_path):
    """After the steps and MTEB's linter the task is known, and the linter is content."""
    folder, _ = published
    steps = (folder / "xquad-r" / "STEPS.md").read_text(encoding="utf-8")
    block = steps.partition("```python\n")[2].partition("```")[0].replace("\n   ", "\n").lstrip()
    names = [f"XQuADR{setting.title()}Retrieval" for setting in Setting]
    init = (Path(mteb.__file__).parent / "tasks/retrieval/multilingual/__init__.py").read_text()
    head, bracket, rest = init.partition("__all__ = [\n")
    listed = "".join(f'    "{name}",\n' for name in names)
    (tmp_path / "__init__.py").write_text(f"{head}{block}\n{bracket}{listed}{rest}")
    ruff(tmp_path, "format")
    ruff(tmp_path, "check", "--fix")
    assert ruff(tmp_path, "check").returncode == 0
    fixed = (tmp_path / "__init__.py").read_text()
    at = [fixed.index(f"from .{name} import") for name in ("xpqa_retrieval", "xquad_r_retrieval")]
    assert at == sorted(at)
    assert all(fixed.count(f'    "{name}",\n') == 1 for name in names)


def test_the_script_makes_and_uploads_the_data_set(published, monkeypatch, capsys, tmp_path):
    uploaded = {}

    class Api:
        def create_repo(self, name, *, repo_type, exist_ok):
            assert (name, repo_type, exist_ok) == (DATASET, "dataset", True)

        def upload_folder(self, *, repo_id, folder_path, repo_type):
            assert (repo_id, repo_type) == (DATASET, "dataset")
            uploaded.update(files(folder_path))

        def dataset_info(self, name):
            return type("Info", (), {"sha": f"commit of {name}"})

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    runpy.run_path(str(published[0] / "sample/scripts/data/sample/create_data.py"))
    card = task_cards()["HybridSample"]
    export_hub(load_collection(card), card, tmp_path / "hub")
    assert uploaded == files(tmp_path / "hub")
    assert capsys.readouterr().out == f"commit of {DATASET}\n"
