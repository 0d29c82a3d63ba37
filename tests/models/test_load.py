"""Local model folders, which MTEB itself refuses."""

import mteb
import pytest

from mteb_hybrid.models.load import ModelError, folder_hash, load_model


def test_a_folder(tiny_model):
    model = load_model(str(tiny_model))
    assert model.mteb_model_meta.name == "local/tiny"
    assert model.mteb_model_meta.revision == folder_hash(tiny_model)
    task = mteb.get_task("HybridSampleMonolingualRetrieval", hf_subsets=["en-en"])
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
    assert 0 < result.task_results[0].get_score() < 1


def test_the_revision_follows_the_contents(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    first = folder_hash(tmp_path)
    (tmp_path / "README.md").write_text("anything")
    assert folder_hash(tmp_path) == first
    (tmp_path / "config.json").write_text("{ }")
    assert folder_hash(tmp_path) != first


def test_no_model_in_the_folder(tmp_path):
    with pytest.raises(ModelError, match=r"neither modules\.json .* nor config\.json"):
        load_model(str(tmp_path))
