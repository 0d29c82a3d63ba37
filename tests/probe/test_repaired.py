"""The figures of a repair: those of the model that is repaired so."""

import numpy as np
import polars as pl
import pytest

from conftest import HashEncoder
from mteb_hybrid.models.load import load_model
from mteb_hybrid.probe.corpus import ProbeError, read_mixed
from mteb_hybrid.probe.probe import probe
from mteb_hybrid.repair.apply import repair_folder
from mteb_hybrid.repair.sample import RepairError
from probe.conftest import SpokenEncoder, encoder_of, write_lines

K, RESAMPLES = 5, 100


def figures(found, label, rankings=True):
    about_queries = pl.col("query_language").is_not_null()
    table = found.figures.filter(pl.col("repair") == label, about_queries if rankings else True)
    keys = [name for name in table.columns if table[name].dtype == pl.String and name != "repair"]
    return {
        row[: len(keys)]: row[len(keys) :]
        for row in table.select(*keys, "value", "low").iter_rows()
    }


def test_a_repair_by_name_is_fitted_on_half_of_each_language(built):
    corpus = read_mixed(*built)
    encoder = encoder_of(corpus, strength=2)
    found = probe(encoder, corpus, "projection", K, 32, RESAMPLES, 5)
    random, fitted_on = np.random.default_rng(5), []
    passages = corpus.passages.with_row_index()
    means = []
    for language in ("en", "fr", "ru"):
        rows = random.permutation(passages.filter(language=language)["index"].to_numpy())
        texts = [passages["text"][int(row)] for row in rows[: len(rows) // 2]]
        fitted_on += texts
        means.append(np.mean([encoder.vector(text, None, None) for text in texts], axis=0))
    means = np.array(means, np.float64)
    spread = np.linalg.svd(means - means.mean(0), full_matrices=False)[2][:2]

    class Repaired(SpokenEncoder):
        def vector(self, *about):
            given = encoder.vector(*about)
            left = given - spread.T @ (spread @ given)
            return left / np.linalg.norm(left)

    expected = probe(Repaired({}), corpus, None, K, 32, RESAMPLES, 5)
    mine, theirs = figures(found, "projection 2"), figures(expected, "none")
    assert mine.keys() == theirs.keys()
    for key, values in mine.items():
        assert values == pytest.approx(theirs[key], abs=1e-6), key
    others = corpus.passages.filter(~pl.col("text").is_in(fitted_on))
    asked = found.figures.filter(measure=f"same_language_neighbours_at_{K}", passage_language="all")
    assert asked["count"].to_list() == [len(others)] * 2 == [13] * 2
    (said,) = [note for note in found.notes if "fitted on 11 of the 24 passages" in note]
    assert said.endswith("on the others alone; lifts, AWRF and how alike rankings are, on all.")


@pytest.fixture(scope="module")
def repaired_folder(tiny_model, tmp_path_factory):
    texts = tmp_path_factory.mktemp("texts")
    random = np.random.default_rng(0)
    for language, letters in (("de", "abc"), ("en", "def"), ("fi", "ghi")):
        rows = random.choice(list(letters), (40, 5))
        (texts / f"{language}.txt").write_text("\n".join(map(" ".join, rows)) + "\n", "utf-8")
    folder = tmp_path_factory.mktemp("repaired") / "model"
    repair_folder(str(tiny_model), folder, str(texts), directions=2)
    return folder


@pytest.fixture
def lettered(tmp_path):
    """Texts in the letters that the minute model knows."""
    random = np.random.default_rng(1)
    tables = []
    for name, count in (("corpus", 20), ("queries", 6)):
        rows = [
            {"_id": f"{x}{i}", "text": "".join(random.choice(list(s), 9)), "language": x}
            | ({"group": i} if name == "queries" else {})
            for x, s in (("de", "abc "), ("en", "def "))
            for i in range(count)
        ]
        tables.append(write_lines(tmp_path / f"{name}.jsonl", rows))
    return read_mixed(*tables)


def test_a_repaired_folder_gives_the_figures_of_its_model(tiny_model, repaired_folder, lettered):
    model = load_model(str(tiny_model), device="cpu")
    found = probe(model, lettered, str(repaired_folder), K, 32, RESAMPLES)
    own = probe(load_model(str(repaired_folder), device="cpu"), lettered, None, K, 32, RESAMPLES)
    before, after = figures(found, "none", False), figures(found, "projection", False)
    assert before != after
    assert any("fitted on some of these passages is not known" in note for note in found.notes)
    expected = figures(own, "none", False)
    assert after.keys() == expected.keys()
    for key, values in after.items():
        assert values == pytest.approx(expected[key], abs=1e-6), key


def test_a_repair_of_another_model(repaired_folder, built):
    corpus = read_mixed(*built)
    with pytest.raises(
        ProbeError,
        match=r"a repair of local/tiny at revision .*, and the vectors are those of test",
    ):
        probe(encoder_of(corpus), corpus, str(repaired_folder))


def test_a_folder_that_is_no_repair(tiny_model, built):
    corpus = read_mixed(*built)
    with pytest.raises(RepairError, match="not a repaired model"):
        probe(encoder_of(corpus), corpus, str(tiny_model))


def test_too_few_passages_to_fit_on(tmp_path, built):
    rows = [
        {"_id": f"{x}{i}", "text": f"{x} {i}", "language": x}
        for x in ("de", "en")
        for i in range(3)
    ]
    corpus = read_mixed(write_lines(tmp_path / "few.jsonl", rows), built[1])
    with pytest.raises(ProbeError, match=r"3 different passage\(s\) in de; expected four"):
        probe(encoder_of(corpus), corpus, "projection", 2)


def test_texts_that_stand_in_two_languages(tmp_path, built):
    """What is fitted on in one language would be measured in another."""
    rows = [
        {"_id": f"{x}{i}", "text": f"{i}", "language": x} for x in ("de", "en") for i in range(4)
    ]
    corpus = read_mixed(write_lines(tmp_path / "same.jsonl", rows), built[1])
    said = []
    for seed in range(12):  # one in six draws halves that make a whole
        try:
            probe(HashEncoder(), corpus, "projection", 2, resamples=100, seed=seed)
        except ProbeError as error:
            said.append(str(error))
    whole = "all passages in de, en have texts that it is fitted on"
    assert any(whole in one for one in said)
    assert all(whole in one or "--repair projection leaves" in one for one in said)


def test_more_neighbours_than_a_repair_leaves(built):
    """13 of the 24 passages are left: 12 others each."""
    corpus = read_mixed(*built)
    encoder = encoder_of(corpus, strength=2)
    with pytest.raises(ProbeError, match=r"--top 13: --repair projection leaves 13 of 24"):
        probe(encoder, corpus, "projection", 13)
    assert probe(encoder, corpus, "projection", 12, resamples=100).about["k"] == 12
