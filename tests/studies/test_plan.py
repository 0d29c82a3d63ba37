"""What makes a run, and in which order runs are done."""

from dataclasses import replace

import pytest

from mteb_hybrid.recipes.data import Data
from mteb_hybrid.studies import content, plan
from mteb_hybrid.studies.catalogue import read_study
from mteb_hybrid.studies.order import works
from mteb_hybrid.studies.plan import runs


@pytest.fixture
def key(study_file, study_folder):
    """The key of a condition, in a study or with a recipe in which a text is replaced."""

    def find(condition, old="", new="", recipe=("", "")):
        file = study_file(old, new)
        text = (study_folder / "tiny.toml").read_text()
        assert recipe[0] in text
        (file.parent / "tiny.toml").unlink()
        (file.parent / "tiny.toml").write_text(text.replace(*recipe, 1))
        found = runs(read_study(file), "smoke")
        return next(run.key for run in found if run.condition == condition)

    return find


def test_names_do_not_make_a_run(key):
    for condition in ("untrained", "hybrid", "mended"):
        assert key(condition) == key(condition, recipe=('name = "tiny"', 'name = "other"'))
        assert key(condition) == key(condition, 'name = "repaired"', 'name = "else"')


def test_what_is_trained_with_makes_a_trained_run_alone(key):
    more = ("max_steps = 3", "max_steps = 4")
    assert key("hybrid") != key("hybrid", recipe=more)
    assert key("mended") != key("mended", recipe=more)
    assert key("untrained") == key("untrained", recipe=more)
    frozen = ("passage_prompt =", 'freeze = ["embeddings"]\npassage_prompt =')
    assert key("untrained") == key("untrained", recipe=frozen)
    assert key("hybrid") != key("hybrid", recipe=frozen)
    prompt = ('"q: "', '"x: "')
    assert key("untrained") != key("untrained", recipe=prompt)


def test_files_make_a_run_by_their_content(key, study_folder, tmp_path):
    rows = '{"query": {"en": "a", "de": "b"}, "passage": {"en": "c", "de": "d"}}\n' * 20
    data = ('format = "collection"\npath = "sample"', f'format = "json"\npath = "{tmp_path}/a"')
    (tmp_path / "a").write_text(rows)
    first = key("hybrid", recipe=data)
    (tmp_path / "a").write_text(rows + rows)
    second = key("hybrid", recipe=data)
    assert len({first, second, key("hybrid")}) == 3
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").rename(tmp_path / "elsewhere" / "a")
    moved = data[1].replace("/a", "/elsewhere/a")
    assert key("hybrid", recipe=(data[0], moved)) == second


def test_a_linked_folder_makes_a_run_by_its_content(key, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "there")
    found = []
    for text in ("a", "b"):
        (tmp_path / "there" / "file").write_text(text)
        found.append(content.data_content(Data(name="x", format="mmarco", path=f"{tmp_path}/data")))
    assert found[0] != found[1]


def test_a_card_of_ones_own_makes_a_run_by_its_checksums(sample_card, tmp_path, monkeypatch):
    own = sample_card.model_copy()
    german = own.languages["de"].model_copy(update={"sha256": "0" * 64})
    other = own.model_copy(update={"languages": {**own.languages, "de": german}})
    found = []
    for place in (sample_card.file.parent, tmp_path):
        for card in (own, other):
            card._file = place / "sample.toml"
            monkeypatch.setattr(content, "collections", lambda card=card: {"sample": card})
            found.append(content.collection_content("sample"))
    assert found[0] == found[1], "whoever changes a shipped card raises its revision"
    assert len(set(found)) == 3


def test_what_checkpoints_are_chosen_on_makes_a_run(key, monkeypatch):
    watch = "[evaluation]\ncollection = 'xquad-r'\nevery = 1\n"
    chosen = ("[training]", f"{watch}patience = 1\n\n[training]")
    watched = ("[training]", f"{watch}\n[training]")
    before = key("hybrid", recipe=chosen), key("hybrid", recipe=watched)
    monkeypatch.setattr(plan, "collection_content", lambda name: "other texts")
    after = key("hybrid", recipe=chosen), key("hybrid", recipe=watched)
    assert before[0] != after[0] and before[1] == after[1]


def test_one_language_each(study_file):
    """In the tests that ask in it: one in English alone is none of the German model's."""
    file = study_file('name = "hybrid"', 'name = "hybrid"\neach_language = true')
    other = '{ tasks = ["sample"], settings = ["multilingual"], query_languages = ["en"] }'
    text = file.read_text().replace('"en", "de"] }]', f'"en", "de"] }}, {other}]')
    assert '], query_languages = ["en"]' in text
    file.write_text(text)
    (run, other) = (run for run in runs(read_study(file), "smoke") if run.condition == "hybrid")
    assert (run.language, run.seed, other.seed) == ("de", 1, 2)
    assert run.selected() == {"HybridSampleMonolingualRetrieval": ["de-de"]}
    assert list(run.recipe.languages) == ["en", "de"]


def test_order(study_file):
    """The first seed of all comes before the second, and what is repaired before its repair."""
    found = works(runs(read_study(study_file()), "smoke"))
    names = [(work.run.condition, work.run.seed) for work in found]
    assert names == [
        *(("untrained", None), ("repaired", None)),
        *(("hybrid", 1), ("mended", 1), ("hybrid", 2), ("mended", 2)),
    ]
    assert [work.needs for work in found if work.needs] == [found[2].run.key, found[4].run.key]


def test_what_is_only_repaired_is_trained_and_not_tested(study_file):
    file = study_file('name = "hybrid"\ntrained = true', 'name = "hybrid"')
    found = works(runs(read_study(file), "smoke"))
    assert [work.run.selected() == {} for work in found] == [False, False, True, False, True, False]


def test_conditions_that_are_the_same_are_done_once(study_file):
    twice = '[[conditions]]\nname = "hybrid"\ntrained = true\n'
    file = study_file(twice, f"{twice}\n{twice.replace('hybrid', 'again')}")
    found = runs(read_study(file), "smoke")
    assert len(found) == 8 and len(works(found)) == 6


def test_a_model_for_one_language_that_is_the_one_for_all_answers_for_all(study_file):
    """As where a recipe has but that language and the pivot."""
    run = next(run for run in runs(read_study(study_file()), "smoke") if run.trained)
    for pair in ((run, replace(run, language="de")), (replace(run, language="de"), run)):
        (work,) = works(pair)
        assert work.run.language is None
    (work,) = works([replace(run, language="de")] * 2)
    assert work.run.language == "de"
