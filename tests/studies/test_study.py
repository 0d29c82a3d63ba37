"""Cards of studies: read, and refused with the file, the key and the remedy."""

import pytest

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.studies.catalogue import read_study, shipped_studies
from mteb_hybrid.studies.describe import described
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.study import Condition, without_folders


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_are_whole(name):
    study = read_study(name)
    assert set(study.budgets) == {"smoke", "small", "paper"}
    assert all(runs(study, budget) for budget in study.budgets)
    assert study.title in "\n".join(described(study))
    names = {name for condition in study.conditions for name in condition.names}
    assert "untrained" in names and any(one.repair for one in study.conditions)


FIGURE = '{{ source = "a", model = "XLM-R", collection = "sample", condition = {}, than = {} }}'
TWIN = '[[conditions]]\nname = "twin"\ntrained = true\nset = ["batches.alpha=0.50"]\n\n[[claims]]'
REPLACED = {
    'condition = "twin"': [("[[claims]]", TWIN), ('than = "untrained"', 'than = "hybrid"')],
    'settings = ["multilingual"] }, { tasks = ["xquad-r"], settings = ["monolingual"] }]': [
        ('setting = "monolingual"', 'setting = "monolingual"\ncollections = ["sample"]')
    ],
}
"""What else is changed."""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title =", "titel =", r"key 'titel': unknown key; did you mean 'title'\?"),
        ("seeds =", "sedes =", r"key 'budgets.smoke.sedes': unknown key; did you mean 'seeds'\?"),
        ("[budgets.smoke]", "[budgets.smok]", r"key 'budgets.smok': Input should be 'smoke'"),
        ('than = "untrained"', 'than = "untraind"', "no condition 'untraind'; did you mean 'unt"),
        ('name = "repaired"', 'name = "untrained"', "two conditions are called 'untrained'"),
        ('repair = "projection"', 'repair = "projektion"', "key 'conditions.1.repair': Input"),
        ('"tiny.toml"', '"tyni"', r"condition 'untrained': no recipe 'tyni'"),
        ('["sample"]', '["sampel"]', r"smoke.tests: no collection or task 'sampel'; did you mean"),
        ('query_languages = ["en"', 'query_languages = ["sq"', "tests: no language 'sq'"),
        ("seeds = [1, 2]", "seeds = [1, 1]", r"seeds are \[1, 1\]: give each once"),
        (
            'name = "hybrid"',
            'name = "hybrid"\nvary = { "training.seed" = [1.0, 2.0] }',
            "'hybrid': training.seed is set by the budget",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\nvary = { " training.seed" = [1.0, 2.0] }',
            "'hybrid': training.seed is set by the budget",
        ),
        (
            "seeds = [1, 2]",
            'seeds = [1, 2]\nset = ["training.seed = 3"]',
            "'budgets.smoke': .*set: training.seed is set by the budget",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\nset = ["batches.alpha=0", "batches.alpha =1"]',
            "'hybrid': batches.alpha is set twice; give it once",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\nset = ["data.00.path=sample", "data.0.path=xquad-r"]',
            "'hybrid': data.0.path is set twice; give it once",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\nset = ["training={learning_rate=1e-2, max_steps=3, seed=77}"]',
            "'hybrid': training.seed is set by the budget",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\nset = ["batches.alpha=0.5", "batches={size=8, alpha=1.0}"]',
            "'hybrid': sets batches, and batches.alpha, which is in it; set its keys one by one",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\nset = ["batches={size=8}"]\nvary = { "batches.alpha" = [0.5] }',
            "budgets.smoke with condition 'hybrid': sets batches, and batches.alpha, which",
        ),
        (
            "seeds = [1, 2]",
            'seeds = [1, 2]\nset = ["data.0={name=\'x\'}", "data.0.path=sample"]',
            "budgets.smoke with condition 'untrained': sets data.0, and data.0.path, which",
        ),
        (
            'name = "hybrid"',
            'name = "hybrid"\neach_language = true\nset = ["languages.de="]',
            "a model for de beside en: the recipe does not train on de; it has en",
        ),
        ('texts = "sample"', 'texts = "sampel"', r"smoke.texts: 'sampel' is neither .* did you"),
        ('texts = "sample"', 'texts = ""', r"smoke.texts': .*at least 1 character"),
        ('texts = "sample"\n', "", "budgets.smoke.texts: a condition is repaired; say on what"),
        ('name = "hybrid"', 'name = "hybrid"\nset = ["batches.alhpa=1"]', "'batches.alhpa': unkno"),
        (
            'name = "hybrid"',
            'name = "hybrid"\nset = ["batches.alpha=7"]',
            r"'hybrid' \(batches.alpha=7\): ",
        ),
        ('name = "untrained"', 'name = "untrained"\nset = ["a=1"]', "set is of training: trained"),
        (
            'than = "untrained"',
            'than = "untrained"\nmeasure = "peeer"',
            "no measure 'peeer'; did you",
        ),
        ('than = "untrained"', 'than = "hybrid"', "compares 'hybrid' with itself; name another"),
        (
            'settings = ["monolingual"]',
            'settings = ["crosslingual"]',
            "no budget tests in the setting monolingual; they do in crosslingual",
        ),
        (
            'than = "untrained"',
            'than = "untrained"\nby = "script"\nvalues = ["Latn", "Cyrll"]',
            r"values: no script 'Cyrll'; did you mean 'Cyrl'\? Give a code of ISO 15924",
        ),
        (
            'than = "untrained"',
            'than = "untrained"\nby = "resource-class"\nvalues = ["6"]',
            r"no resource-class '6'\. There are 0, 1, 2, 3, 4, 5, unknown$",
        ),
        (
            'than = "untrained"',
            'than = "untrained"\nby = "script"\nvalues = ["Latn", "Latn"]',
            "values are Latn, Latn: give each once",
        ),
        (
            'than = "untrained"',
            'than = "untrained"\nby = "query-language"\nvalues = ["de", "xx"]',
            "key 'claims.0': .*'xx'",
        ),
        (
            'than = "untrained"',
            f'than = "untrained"\npublished = [{FIGURE.format(0.5927, 54.79)}]',
            "published for 'XLM-R': 54.79; expected map from 0 to 1: give it in these units",
        ),
        (
            'than = "untrained"',
            f'than = "untrained"\nmeasure = "accuracy"\npublished = [{FIGURE.format(-0.1, 0.5)}]',
            "published for 'XLM-R': -0.1; expected accuracy from 0 to 1",
        ),
        (
            'than = "untrained"',
            'than = "untrained"\nmeasure = "rank_distance"',
            "in the setting monolingual no query has a value of rank_distance of its own. There ar",
        ),
        (
            'than = "untrained"\nsetting = "monolingual"',
            'than = "untrained"\nmeasure = "language_concordance"',
            "no budget tests in the setting multilingual; they do in monolingual",
        ),
        (
            'settings = ["monolingual"], query_languages = ["en", "de"] }]',
            'settings = ["multilingual"] }, { tasks = ["xquad-r"], settings = ["monolingual"] }]',
            "no budget tests on sample in the setting monolingual; they do in multilingual",
        ),
        (
            'condition = "hybrid"',
            'condition = "twin"',
            "'twin' and 'hybrid' are the same models, trained and repaired alike",
        ),
        ("seeds = [1, 2]", "seeds = [4294967296]", "budgets.smoke.seeds.0': .*less than 429496729"),
        ('name = "hybrid"', 'name = "hybrid "', "'conditions.2.name': String should match"),
        ('title = "A question"', 'title = ""', "'title': String should have at least 1 character"),
    ],
)
def test_bad_cards(study_file, old, new, said):
    file = study_file(old, new)
    for one in REPLACED.get(new, ()):
        file.write_text(file.read_text(encoding="utf-8").replace(*one), encoding="utf-8")
    with pytest.raises(CardError, match=said) as raised:
        read_study(file, "smoke")
    assert str(file) in str(raised.value)


def test_a_condition_does_not_replace_the_table_of_a_key_of_the_budget(study_file):
    file = study_file("seeds = [1, 2]", 'seeds = [1, 2]\nset = ["training.max_steps=2"]')
    table = 'name = "hybrid"\nset = ["training={learning_rate=1e-2, max_steps=7}"]'
    file.write_text(file.read_text().replace('name = "hybrid"', table))
    said = "budgets.smoke with condition 'hybrid': sets training, and training.max_steps"
    with pytest.raises(CardError, match=said):
        read_study(file)
    key = 'name = "hybrid"\nset = ["training.max_steps=7"]'
    file.write_text(file.read_text().replace(table, key))
    trained = [run for run in runs(read_study(file), "smoke") if run.condition == "hybrid"]
    assert {run.recipe.training.max_steps for run in trained} == {7}, "it comes later"


def test_whole_numbers_vary(study_file):
    file = study_file('name = "hybrid"', 'name = "hybrid"\nvary = { "batches.size" = [8, 16] }')
    file.write_text(file.read_text().replace('condition = "hybrid"', 'condition = "hybrid 8"'))
    study = read_study(file, "smoke")
    sizes = {r.condition: r.recipe.batches.size for r in runs(study, "smoke") if r.value}
    assert sizes == {"hybrid 8": 8, "hybrid 16": 16}


def test_what_is_tested_on_is_not_trained_on(study_file):
    file = study_file("[budgets.smoke]", "[budgets.small]")
    file.write_text(file.read_text().replace('texts = "sample"', 'texts = "ntrex"'))
    with pytest.raises(CardError, match="trains on sample, which it is tested on"):
        read_study(file)


def test_files_that_name_the_tasks_they_are_of_are_not_tested_on(study_file):
    """Of what is no collection, its `mteb_tasks` tell what is in it."""
    file = study_file("[budgets.smoke]", "[budgets.small]")
    tasks = "mteb_tasks=['HybridSampleMonolingualRetrieval']"
    data = f"data=[{{name='x', format='json', path='x.jsonl', {tasks}}}]"
    file.write_text(
        file.read_text().replace('texts = "sample"', f'texts = "ntrex"\nset = ["{data}"]')
    )
    said = r"which has the texts of HybridSampleMonolingual.* on sample"
    with pytest.raises(CardError, match=said):
        read_study(file, "small")


def test_checkpoints_are_not_chosen_on_what_is_tested_on(study_file):
    file = study_file("[budgets.smoke]", "[budgets.small]")
    chosen = [
        "data.0.path=mlqa-r",
        "evaluation={collection='sample', every=1, patience=1}",
        "training.save_steps=1",
    ]
    text = file.read_text().replace('texts = "sample"', f'texts = "ntrex"\nset = {chosen}')
    file.write_text(text.replace("'", '"').replace('{collection="sample"', "{collection='sample'"))
    with pytest.raises(CardError, match="chooses its checkpoint on sample, which it is tested on"):
        read_study(file, "small")


def test_a_study_that_does_not_exist(tmp_path):
    with pytest.raises(CardError, match=r"no study 'monolingual-degradatoin'.*did you mean 'mono"):
        read_study("monolingual-degradatoin")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(CardError, match=r"folder\.toml: is a folder; expected the TOML"):
        read_study(tmp_path / "folder.toml")
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(CardError, match=r"did you mean '.*mine\.toml'"):
        read_study(tmp_path / "mien.toml")


def test_published_figures_of_some_languages_say_so():
    """A mean over all of them is no match for one over those that a budget asks in."""
    for file in shipped_studies().values():
        study = read_study(file)
        tests = [test for budget in study.budgets.values() for test in budget.tests]
        for figure in (figure for claim in study.claims for figure in claim.published):
            own = [test for test in tests if figure.collection in test.tasks]
            assert own
            for test in own:
                assert not test.query_languages or "query languages" in figure.source


def test_names_and_overrides_have_no_folders():
    """Of paths their last part is left, which a report may show; in tables of TOML too."""
    several = {"data.0.path": ["/home/me/own pairs/a.jsonl", "~/b.jsonl", "below/c.jsonl"]}
    condition = Condition(name="on", trained=True, vary=several)
    assert condition.names == ["on a.jsonl", "on b.jsonl", "on below/c.jsonl"]
    for override, shown in (
        ('data=[{path="/home/me/a", name="a / b"}]', 'data=[{path="a", name="a / b"}]'),
        ("data.0.path = ../../me/a", "data.0.path = a"),
        ("model.name=intfloat/multilingual-e5-small", None),
    ):
        assert without_folders(override) == (shown or override)
