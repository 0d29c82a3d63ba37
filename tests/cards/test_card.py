"""A good card is found; a bad one is refused with its file, the key and the remedy."""

import re
import shutil

import pytest

from mteb_hybrid.cards.card import CardError, read_card
from mteb_hybrid.cards.catalogue import card_folder, task_cards
from mteb_hybrid.cards.formats.lines import LinesSource
from mteb_hybrid.cards.formats.pairs import PairsSource
from mteb_hybrid.cards.tables import File
from mteb_hybrid.cards.tasks import card_settings, task_views
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import READERS

GOOD = card_folder() / "sample.toml"


def written(tmp_path, old, new):
    text = GOOD.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


def test_every_card_is_found():
    found = task_cards()
    assert {card.file for card in found.values()} == set(card_folder().glob("*.toml"))
    assert {"XQuADR", "MLQAR", "XQuADRContext", "MLQARContext", "HybridSample"} <= set(found)
    assert {"XTD10", "NTREX128", "Tatoeba", "TICO19", "TICO19First300"} <= set(found)
    assert [name for name, card in found.items() if card.kind == "sample"] == ["HybridSample"]


def test_a_card_reads_as_written(tmp_path):
    card = read_card(written(tmp_path, 'title = "sample', 'title = "my own'))
    assert card.title == "my own (not a benchmark)"
    assert list(card.languages) == [
        "en",
        "ar",
        "de",
        "el",
        "es",
        "hi",
        "ru",
        "th",
        "tr",
        "vi",
        "zh",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ('split = "test"', 'spilt = "test"', "spilt", "unknown key; remove it"),
        ('title = "sample (not a benchmark)"', "", "title", "missing key; add it"),
        ('name = "HybridSample"', 'name = "hybrid sample"', "name", "should match pattern"),
        ('code = "ara-Arab"', 'code = "arabic-Arab"', "languages.ar.code", "'arabic'"),
        (
            'code = "ara-Arab"',
            'code = "arabic"',
            "languages.ar.code",
            ": unknown language 'arabic'; did you mean 'ar'? Correct the value.",
        ),
        ('file = "ar.json"', 'file = "a:r"', "languages.ar.file", "the path has ':', a char"),
        ("[languages.ar]", "[languages.EN]", "languages", "'EN' are both 'en'; keep one"),
        ("[languages.ar]", "[languages.Arabic]", "languages.Arabic", "unknown language 'Arabic'"),
        ('file = "ar.json"', "file = 3", "languages.ar.file", "should be a valid string"),
        (
            'format = "lareqa"',
            'format = "squad"',
            "source.format",
            f"{', '.join(map(repr, READERS))}; found 'squad'",
        ),
        ('format = "lareqa"', "", "source.format", "missing key; add it"),
        ('format = "lareqa"', 'format = "lareqa"\ngroups = 1', "source.groups", "unknown key"),
        (
            'file = "ar.json"',
            'file = "ar.json"\npublished_as = "/ar"',
            "languages.ar.published_as",
            "pattern",
        ),
        (
            'file = "ar.json"',
            'file = "ar.json"\npublished_as = "ar"',
            "(whole card)",
            "add url, or remove",
        ),
        ('path = "sample"', 'path = "../sample"', "source.path", "lies outside of"),
        ('path = "sample"', 'path = "/sample"', "source.path", "should match pattern"),
        ('revision = "1.0.0"', 'revision = "main"', "source.revision", "should match pattern"),
    ],
)
def test_bad_cards_are_refused(tmp_path, old, new, key, said):
    file = written(tmp_path, old, new)
    with pytest.raises(CardError) as refused:
        read_card(file)
    message = str(refused.value)
    assert str(file) in message
    assert f"key '{key}'" in message
    assert "Value error" not in message
    assert said in message


SHA = "0" * 64
LINES = f"""[source]
format = "lines"
path = "toy"
url = "https://example.org/toy/"
repository = "toy/toy"
revision = "1.0.0"

[source.groups]
file = "groups.txt"
published_as = "v1/groups.txt"
sha256 = "{SHA}"
"""


def lines_card(tmp_path, old="", new=""):
    assert old in LINES
    text = GOOD.read_text(encoding="utf-8")
    start, end = text.index("[source]"), text.index("[metadata]")
    file = tmp_path / "mine.toml"
    file.write_text(text[:start] + LINES.replace(old, new, 1) + text[end:], encoding="utf-8")
    return file


def test_a_card_of_lines(tmp_path):
    card = read_card(lines_card(tmp_path))
    assert isinstance(card.source, LinesSource)
    assert card.source.groups == File(file="groups.txt", published_as="v1/groups.txt", sha256=SHA)
    assert card.source.queries_are_passages
    assert not task_cards()["HybridSample"].source.queries_are_passages


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        (
            'path = "toy"',
            'path = "toy"\ncandidates = "sentence"',
            "source.candidates",
            "unknown key",
        ),
        (
            'path = "toy"',
            'path = "toy"\nsettings = []',
            "source.settings",
            "unknown key; remove it",
        ),
        ('path = "toy"', 'path = "toy"\nlines = 0', "source.lines", "greater than or equal to 1"),
        (
            'path = "toy"',
            'path = "toy"\nmade_from = "https://example.org/"',
            "source",
            "remove it, or url",
        ),
        ('path = "toy"', "", "source.path", "missing key; add it"),
        ('file = "groups.txt"', "", "source.groups.file", "missing key"),
        (
            'file = "groups.txt"',
            'file = "groups.txt"\ncode = "eng-Latn"',
            "source.groups.code",
            "unknown",
        ),
        (SHA, "123", "source.groups.sha256", "should match pattern"),
        ('url = "https://example.org/toy/"', "", "(whole card)", "published_as is a place below"),
    ],
)
def test_bad_cards_of_lines_are_refused(tmp_path, old, new, key, said):
    with pytest.raises(CardError) as refused:
        read_card(lines_card(tmp_path, old, new))
    assert "mine.toml" in str(refused.value)
    assert f"key '{key}'" in str(refused.value)
    assert said in str(refused.value)


PAIRS = f"""[source]
format = "pairs"
path = "toy"
repository = "toy/toy"
revision = "1.0.0"

[[source.pairs]]
sw = {{ file = "a.sw", sha256 = "{SHA}" }}
EN = {{ file = "a.en", sha256 = "{SHA}" }}

[[source.pairs]]
en = {{ file = "b.en", sha256 = "{SHA}" }}
ta = {{ file = "b.ta", sha256 = "{SHA}" }}

"""
THREE = """[languages]
en.code = "eng-Latn"
sw.code = "swh-Latn"
ta.code = "tam-Taml"
"""


def pairs_card(tmp_path, old="", new=""):
    text = GOOD.read_text(encoding="utf-8")
    start, end = text.index("[source]"), text.index("[metadata]")
    whole = text[:start] + PAIRS + text[end : text.index("[languages")] + THREE
    assert old in whole
    file = tmp_path / "mine.toml"
    file.write_text(whole.replace(old, new, 1), encoding="utf-8")
    return file


def test_a_card_of_pairs(tmp_path):
    card = read_card(pairs_card(tmp_path))
    assert isinstance(card.source, PairsSource)
    assert [list(pair) for pair in card.source.pairs] == [["sw", "en"], ["en", "ta"]]
    assert {file.file for file in card.source.further_files()} == {"a.sw", "a.en", "b.en", "b.ta"}
    assert list(task_views(card, Setting.CROSSLINGUAL)) == ["en-sw", "en-ta", "sw-en", "ta-en"]
    assert card_settings(card) == (Setting.CROSSLINGUAL,)


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("sw.code", "te.code", "(whole card)", "there is no language of 'en-sw' in the card; add"),
        ("ta.code", 'te.code = "tel-Telu"\nta.code', "(whole card)", "languages.te: no pair of"),
        ("ta = {", "sw = {", "source.pairs", "the pair of en and sw is there twice; remove one"),
        (f'EN = {{ file = "a.en", sha256 = "{SHA}" }}\n', "", "source.pairs.0", "at least 2 items"),
        ("EN = {", "SW = {", "source.pairs.0", "'sw' and 'SW' are both 'sw'; keep one"),
        ("EN = {", "English = {", "source.pairs.0.English", "unknown language 'English'"),
        ('file = "b.en"', 'file = "../b.en"', "source.pairs.1.en.file", "lies outside of"),
        ('revision = "1', 'settings = []\nrevision = "1', "source.settings", "unknown key; remove"),
        (
            '[[source.pairs]]\nen',
            '[source.known_faults]\nblank_texts = 1\n[[source.pairs]]\nen',
            "source",
            "lie beside the card, so correct the files",
        ),
        ('ta.code = "tam-Taml"', f'ta = {{code = "tam-Taml", file = "x", sha256 = "{SHA}"}}',
         "(whole card)", "languages.ta.file: this format has none; remove it"),
    ],
)  # fmt: skip
def test_bad_cards_of_pairs_are_refused(tmp_path, old, new, key, said):
    with pytest.raises(CardError) as refused:
        read_card(pairs_card(tmp_path, old, new))
    assert "mine.toml" in str(refused.value)
    assert f"key '{key}'" in str(refused.value)
    assert said in str(refused.value)


def test_a_wrong_checksum_in_a_card_is_refused(tmp_path):
    text = re.sub(r'sha256 = "[0-9a-f]{64}"', 'sha256 = "123"', GOOD.read_text(encoding="utf-8"))
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CardError, match=r"key 'languages\.en\.sha256'"):
        read_card(tmp_path / "mine.toml")


def test_one_language_is_refused(tmp_path):
    head = GOOD.read_text(encoding="utf-8").split("[languages.ar]")[0]
    (tmp_path / "mine.toml").write_text(head, encoding="utf-8")
    with pytest.raises(CardError, match=r"at least two languages.*add a \[languages"):
        read_card(tmp_path / "mine.toml")


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_what_is_not_toml_is_refused(tmp_path, content):
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(CardError, match=r"mine\.toml: not a TOML file"):
        read_card(tmp_path / "mine.toml")


def test_two_cards_of_one_name_are_refused(tmp_path):
    for name in ("a.toml", "b.toml"):
        shutil.copy(GOOD, tmp_path / name)
    with pytest.raises(CardError, match=r"b\.toml: key 'name'.*a\.toml"):
        task_cards(tmp_path)


def test_two_cards_of_one_title_are_refused(tmp_path):
    """Tables and reports would show both as one."""
    shutil.copy(GOOD, tmp_path / "a.toml")
    text = GOOD.read_text(encoding="utf-8").replace('name = "HybridSample"', 'name = "Other"')
    (tmp_path / "b.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CardError, match=r"b\.toml: key 'title'.*a\.toml"):
        task_cards(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('domains = ["Non-fiction", "Written"]', 'domains = ["Bridges"]', "metadata.domains"),
        ('license = "apache-2.0"', 'license = "free"', "metadata.license"),
        ('date = ["2026-11-21",', 'date = ["yesterday",', "metadata.date"),
    ],
)
def test_metadata_that_mteb_refuses(tmp_path, old, new, key):
    card = read_card(written(tmp_path, old, new))
    with pytest.raises(CardError) as refused:
        task_classes({card.name: card})
    assert "mine.toml" in str(refused.value)
    assert f"key '{key}" in str(refused.value)
