"""Tasks of pairs: each searches its own texts, and accuracy is that of MTEB's bitext mining."""

import hashlib
import json
import math

import mteb
import pytest
from datasets import Dataset, DatasetDict
from mteb.types import PromptType

from conftest import HashEncoder
from evaluation.test_task_lines import MTEB_SCORE
from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.sources.locate import check_there

CODES = {"en": "eng-Latn", "sw": "swh-Latn", "ta": "tam-Taml"}


def pairs_card(sample_card, folder, contents):
    """A card beside files with these bytes: ``{"sw-en": (Swahili, English)}``."""
    (folder / "toy").mkdir(exist_ok=True)
    pairs = []
    for name, texts in contents.items():
        pair = {}
        for language, content in zip(name.split("-"), texts, strict=True):
            file = f"{name}.{language}"
            (folder / "toy" / file).write_bytes(content)
            pair[language] = {"file": file, "sha256": hashlib.sha256(content).hexdigest()}
        pairs.append(pair)
    used = dict.fromkeys(language for pair in pairs for language in pair)
    source = {"format": "pairs", "path": "toy", "repository": "toy/toy", "revision": "1.0.0"}
    fields = {
        "name": "Toy",
        "title": "toy",
        "source": source | {"pairs": pairs},
        "languages": {short: {"code": CODES[short]} for short in CODES if short in used},
    }
    card = TaskCard.model_validate(sample_card.model_dump() | fields)
    card._file = folder / "toy.toml"
    return card


def numbered(*names, lines):
    return tuple("".join(f"{name} {n}\n" for n in range(lines)).encode() for name in names)


@pytest.fixture
def toy(sample_card, tmp_path, evaluate):
    """Evaluates an encoder on two pairs of other sizes; some English is of both."""
    swahili, tamil = numbered("sw", "en", lines=40), numbered("ta", "en", lines=25)
    contents = {"sw-en": swahili, "ta-en": (tamil[0], tamil[1].replace(b"en 1", b"other 1"))}
    card = pairs_card(sample_card, tmp_path, contents)

    def run(encoder, stock=False, subsets=None):
        (made,) = task_classes({"Toy": card})
        task = made().filter_languages(None, hf_subsets=subsets)
        return evaluate(encoder, task, stock=stock)

    return run, contents


def test_the_subsets_that_there_are(sample_card, tmp_path):
    contents = {"sw-en": numbered("a", "b", lines=2), "ta-en": numbered("c", "d", lines=3)}
    (made,) = task_classes({"Toy": pairs_card(sample_card, tmp_path, contents)})
    assert made.__name__ == "ToyCrosslingualRetrieval"
    assert made().hf_subsets == ["en-sw", "en-ta", "sw-en", "ta-en"]
    assert made.metadata.eval_langs["ta-en"] == ["tam-Taml", "eng-Latn"]
    task = made()
    task.load_data()
    sizes = {name: len(split["test"]["corpus"]) for name, split in task.dataset.items()}
    assert sizes == {"en-sw": 2, "en-ta": 3, "sw-en": 2, "ta-en": 3}


@pytest.mark.parametrize("levels", [None, 2, 3], ids=["distinct", "most-tied", "tied"])
def test_equals_mtebs_own_path(levels, toy):
    run, _ = toy
    encoder = HashEncoder(dimensions=8, levels=levels)
    fast, stock = run(encoder), run(encoder, stock=True)
    assert list(fast) == ["en-sw", "en-ta", "sw-en", "ta-en"]
    for subset, scores in stock.items():
        assert sum(bool(MTEB_SCORE.match(key)) for key in scores) == 6 * 7 + 1 + 5 * 7 * 3
        assert fast[subset].keys() == scores.keys()
        found = fast[subset]
        for key, value in scores.items():
            assert found[key] == value or (math.isnan(value) and math.isnan(found[key])), key


class Guessing(HashEncoder):
    """Finds some translations: the number at a text's end says what it is a translation of."""

    def encode(self, inputs, *, prompt_type=PromptType.query, **kwargs):
        return super().encode(inputs, prompt_type=prompt_type, **kwargs)

    def vector(self, text, *about):
        return super().vector(text, *about) + super().vector(text.split()[-1], *about)


def test_accuracy_is_that_of_bitext_mining(toy):
    run, contents = toy
    encoder = Guessing(dimensions=8)
    ours = run(encoder)
    pairs = {"sw-en": "swh-eng", "ta-en": "tam-eng"}
    task = mteb.get_task("Tatoeba", hf_subsets=list(pairs.values()))
    task.dataset = {}
    for pair, subset in pairs.items():
        sides = [side.decode().splitlines() for side in contents[pair]]
        columns = dict(zip(("sentence1", "sentence2"), sides, strict=True))
        task.dataset[subset] = DatasetDict({"test": Dataset.from_dict(columns)})
    task.data_loaded = True
    result = mteb.evaluate(encoder, task, cache=None, show_progress_bar=False)
    theirs = {row["hf_subset"]: row["accuracy"] for row in result.task_results[0].scores["test"]}
    for pair, subset in pairs.items():
        assert 0 < theirs[subset] < 1
        assert ours[pair]["hit_rate_at_1"] == pytest.approx(theirs[subset], abs=5e-6)
        assert ours[pair]["accuracy"] == ours[pair]["hit_rate_at_1"]


def test_a_pair_is_encoded_alone_and_scores_do_not_depend_on_the_others(toy):
    run, contents = toy
    encoder = Guessing(dimensions=4, name="test/alone")
    alone = run(encoder, subsets=["ta-en"])["ta-en"]
    texts = {text for side in contents["ta-en"] for text in side.decode().splitlines()}
    probes = 4 * 5  # of both roles, in two subsets: their texts are of the whole collection
    others = [text for _, text in encoder.encoded if text not in texts]
    assert len(others) <= probes
    assert {text for role, text in encoder.encoded if role == "query"} >= {
        text for text in texts if text.startswith("ta")
    }
    among_all = run(Guessing(dimensions=4, name="test/all"))["ta-en"]
    assert json.dumps(among_all, sort_keys=True) == json.dumps(alone, sort_keys=True)  # NaN, too


def test_missing_files_are_told_before_a_model_is_loaded(sample_card, tmp_path):
    card = pairs_card(sample_card, tmp_path, {"sw-en": numbered("a", "b", lines=2)})
    check_there(card)
    (tmp_path / "toy" / "sw-en.en").unlink()
    with pytest.raises(DataError, match=r"sw-en\.en: no such file"):
        check_there(card)
