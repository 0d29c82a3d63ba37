"""Pairs of languages: what a view searches, what is refused, and the real collection."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.test_task_pairs import pairs_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import task_views
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries
from mteb_hybrid.sources import load_collection

SWAHILI = (b"paka\nmbwa\n", b"a cat\na dog\n")
TAMIL = ("பூனை\r\nவீடு\r\n".encode(), b"\xef\xbb\xbfa cat\na house")


@pytest.fixture
def made(tmp_path, sample_card):
    return lambda contents: load_collection(pairs_card(sample_card, tmp_path, contents))


def test_lines_of_two_pairs(made):
    collection = made({"sw-en": SWAHILI, "ta-en": TAMIL})
    assert collection.queries is collection.passages and collection.paired
    assert collection.passages.rows() == [
        ("en:sw-en.1", "a cat", "en", "sw-en.1"),
        ("en:sw-en.2", "a dog", "en", "sw-en.2"),
        ("en:ta-en.1", "a cat", "en", "ta-en.1"),
        ("en:ta-en.2", "a house", "en", "ta-en.2"),
        ("sw:sw-en.1", "paka", "sw", "sw-en.1"),
        ("sw:sw-en.2", "mbwa", "sw", "sw-en.2"),
        ("ta:ta-en.1", "பூனை", "ta", "ta-en.1"),
        ("ta:ta-en.2", "வீடு", "ta", "ta-en.2"),
    ]


@given(st.dictionaries(st.sampled_from(["sw-en", "en-ta", "ta-sw"]), st.integers(1, 4), min_size=1))
@settings(deadline=None, max_examples=15)
def test_a_view_searches_its_own_pair(sample_card, tmp_path_factory, sizes):
    """Every pair is read alone, too: there it is all that there is."""

    def read(pairs):
        contents = {
            pair: tuple("".join(f"{x} {n}\n" for n in range(sizes[pair])).encode() for x in "ab")
            for pair in pairs
        }
        card = pairs_card(sample_card, tmp_path_factory.mktemp("pairs"), contents)
        return load_collection(card), task_views(card, Setting.CROSSLINGUAL)

    collection, views = read(sizes)
    assert len(views) == 2 * len(sizes)
    for pair in sizes:
        alone, two = read([pair])
        for name, view in two.items():
            x, y = view.query_language, view.passage_languages[0]
            pool, (queries, qrels) = view_passages(collection, view), view_queries(collection, view)
            assert view == views[name]
            assert pool.equals(alone.passages.filter(language=y))
            assert queries.equals(alone.queries.filter(language=x))
            expected = {f"{x}:{pair}.{n}": {f"{y}:{pair}.{n}": 1} for n in range(1, len(pool) + 1)}
            assert qrels == expected


def test_a_part_stays_in_pairs(made):
    collection = made({"sw-en": SWAHILI, "ta-en": TAMIL}).part(["en", "ta"], max_groups=1)
    pool = view_passages(collection, View("ta", ("en",)))
    assert pool["id"].to_list() == ["en:ta-en.1", "en:ta-en.2"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ((b"a\nb\n", b"A\n"), r"sw-en\.en: 1 lines; expected 2, as many as .*sw-en\.sw"),
        ((b"a\n \n", b"A\nB\n"), r"sw-en\.sw: line 2 is blank"),
        ((b"a\n", b"\xff\n"), r"sw-en\.en:1: not UTF-8"),
        ((b"", b""), r"sw-en\.sw: is empty"),
    ],
)
def test_bad_files_are_refused(made, texts, said):
    with pytest.raises(DataError, match=said):
        made({"sw-en": texts})


def test_an_altered_file_is_refused(sample_card, tmp_path):
    card = pairs_card(sample_card, tmp_path, {"sw-en": SWAHILI})
    (tmp_path / "toy" / "sw-en.en").write_bytes(b"a cat\na god\n")
    with pytest.raises(DataError, match=r"sw-en\.en: altered or cut short"):
        load_collection(card)


XTREME = (
    "ar,he,vi,id,jv,tl,eu,ml,ta,te,af,nl,de,el,bn,hi,mr,ur,fa,fr,it,pt,es,bg,ru,ja,ka,ko,th,sw,zh,"
    "kk,tr,et,fi,hu"
)
"""TASK2LANGS["tatoeba"] of XTREME's evaluate.py."""


def test_tatoeba_has_xtremes_languages():
    card = task_cards()["Tatoeba"]
    assert set(card.languages) == {*XTREME.split(","), "en"} and len(card.source.pairs) == 36
    for pair in card.source.pairs:
        other, english = pair
        code = re.fullmatch(r"tatoeba\.(\w+)-eng\.\1", pair[other].file)[1]
        assert english == "en" and pair["en"].file == f"tatoeba.{code}-eng.eng"
        iso = card.languages[other].code.partition("-")[0]
        assert iso == code or (iso, code) == ("zho", "cmn")


def test_tatoeba(real_data):
    card = task_cards()["Tatoeba"]
    collection = load_collection(card)
    sizes = {x: len(collection.passages.filter(language=x)) for x in collection.languages}
    assert sizes["en"] == 31_692 == sum(sizes.values()) / 2
    small = {"jv": 205, "te": 234, "ta": 307, "sw": 390, "th": 548, "kk": 575, "ml": 687, "ka": 746}
    assert {x: n for x, n in sizes.items() if n < 1000} == small
    text = dict(collection.passages.select("id", "text").iter_rows())
    assert (text["sw:sw-en.3"], text["en:sw-en.3"]) == ("Hakuna matata.", "There are no problems.")
    for view in task_views(card, Setting.CROSSLINGUAL).values():
        pool = view_passages(collection, view)
        assert len(pool) == sizes[next(iter({*view.name.split("-")} - {"en"}))]
        assert pool["text"].is_unique().all(), "no sentence of a pair repeats in it"
