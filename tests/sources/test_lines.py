"""Line-aligned text: what is relevant, what is refused, and the real collections."""

import pytest

from evaluation.test_task_lines import lines_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting, View, view_queries, views
from mteb_hybrid.sources import load_collection


@pytest.fixture
def made(tmp_path, sample_card):
    def make(groups=None, lines=None, **contents):
        return load_collection(lines_card(sample_card, tmp_path, contents, groups, lines))

    return make


def judged(collection):
    found = {}
    for query, passage, relevance in collection.qrels.iter_rows():
        assert relevance == 1
        found.setdefault(query, []).append(passage)
    return found


def test_lines_of_one_number(made):
    collection = made(en=b"a cat\na dog\n", de=b"Katze\nHund\n", fr=b"un chat\nun chien\n")
    assert collection.queries is collection.passages
    assert collection.passages.rows()[2:4] == [
        ("de:1", "Katze", "de", "1"),
        ("de:2", "Hund", "de", "2"),
    ]
    assert judged(collection) == {
        "en:1": ["de:1", "fr:1"],
        "en:2": ["de:2", "fr:2"],
        "de:1": ["en:1", "fr:1"],
        "de:2": ["en:2", "fr:2"],
        "fr:1": ["en:1", "de:1"],
        "fr:2": ["en:2", "de:2"],
    }


def test_groups_join_lines_of_other_languages(made):
    collection = made(groups=b"x.jpg\ny.jpg\nx.jpg\n", en=b"a\nb\nc\n", de=b"A\nB\nC\n")
    assert collection.passages["group"].to_list() == ["x.jpg", "y.jpg", "x.jpg"] * 2
    assert judged(collection)["en:1"] == ["de:1", "de:3"]
    assert judged(collection)["de:3"] == ["en:1", "en:3"]
    assert judged(collection)["en:2"] == ["de:2"]


def test_views(made):
    collection = made(en=b"a\nb\n", de=b"A\nB\n", fr=b"1\n2\n")
    queries, qrels = view_queries(collection, View("en", ("fr",)))
    assert qrels == {"en:1": {"fr:1": 1}, "en:2": {"fr:2": 1}} and len(queries) == 2
    _, qrels = view_queries(
        collection, views(Setting.MULTILINGUAL, collection.languages)["de-multi"]
    )
    assert qrels["de:2"] == {"en:2": 1, "fr:2": 1}
    with pytest.raises(ValueError, match="the view en-en is empty"):
        view_queries(collection, View("en", ("en",)))


def test_what_is_no_part_of_a_text(made):
    """A byte order mark, carriage returns, and the end of the last line, be it there or not."""
    collection = made(en=b"\xef\xbb\xbfa cat\r\na dog", de="Katze\u2028\x0bx\nHund\r\n".encode())
    assert collection.passages["text"].to_list() == ["a cat", "a dog", "Katze\u2028\x0bx", "Hund"]


def test_texts_that_repeat_stay_apart(made):
    collection = made(en=b"a\na\n", de=b"A\nB\n")
    assert collection.passages["text"].to_list() == ["a", "a", "A", "B"]
    assert judged(collection)["de:1"] == ["en:1"]


@pytest.mark.parametrize(
    ("german", "said"),
    [
        (b"A\nB\n", r"de\.txt: 2 lines; expected 3, as many as .*en\.txt.*broken in two"),
        (b"A\nB\nC\nD\n", r"de\.txt: 4 lines; expected 3"),
        (b"A\n \r\nC\n", r"de\.txt: line 2 is blank; expected a text on every line.*Remove"),
        (b"A\nB\nC\n\n", r"de\.txt: line 4 is blank"),
        (b"A\nB\n\xfcber\n", r"de\.txt:3: not UTF-8 .*convert the file to UTF-8"),
        ("A\nB\nC\n".encode("utf-16"), r"de\.txt:1: not UTF-8 .*UTF-16"),
        (b"", r"de\.txt: is empty"),
        (b"\xef\xbb\xbf", r"de\.txt: is empty"),
    ],
)
def test_bad_files_are_refused(made, german, said):
    with pytest.raises(DataError, match=said):
        made(en=b"a\nb\nc\n", de=german)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (b"x\n", r"groups\.txt: 1 lines; expected 2, one group for every line of .*en\.txt"),
        (b"x\ny\nz\n", r"groups\.txt: 3 lines; expected 2"),
        (b"x\n\n", r"groups\.txt: line 2 is blank"),
    ],
)
def test_bad_groups_are_refused(made, groups, said):
    with pytest.raises(DataError, match=said):
        made(groups, en=b"a\nb\n", de=b"A\nB\n")


def test_the_first_lines(made):
    """What comes after them is not looked at, but for the checksum of the file."""
    collection = made(b"x\ny\nx\n", 2, en=b"a\nb\nc\n", de=b"A\nB\n \nD\n")
    assert collection.passages.rows() == [
        ("en:1", "a", "en", "x"),
        ("en:2", "b", "en", "y"),
        ("de:1", "A", "de", "x"),
        ("de:2", "B", "de", "y"),
    ]
    assert judged(collection) == {"en:1": ["de:1"], "en:2": ["de:2"], "de:1": ["en:1"],
                                  "de:2": ["en:2"]}  # fmt: skip


@pytest.mark.parametrize("short", ["de", "groups"])
def test_fewer_lines_than_the_card_reads_are_refused(made, short):
    contents = {"en": b"a\nb\nc\n", "de": b"A\nB\nC\n", "groups": b"x\ny\nz\n"}
    contents[short] = contents[short][:4]
    said = rf"{short}\.txt: 2 lines; expected at least 3, as source\.lines of the card says"
    with pytest.raises(DataError, match=said):
        made(lines=3, **contents)


def test_a_small_edition_is_read_of_whole_files(sample_card, tmp_path):
    card = lines_card(sample_card, tmp_path, {"en": b"a\nb\n", "de": b"A\nB\n"}, lines=1)
    (tmp_path / "toy" / "de.txt").write_bytes(b"A\nC\n")
    with pytest.raises(DataError, match=r"de\.txt: altered or cut short"):
        load_collection(card)


def test_an_altered_file_of_groups_is_refused(sample_card, tmp_path):
    card = lines_card(sample_card, tmp_path, {"en": b"a\n", "de": b"A\n"}, groups=b"x\n")
    (tmp_path / "toy" / "groups.txt").write_bytes(b"y\n")
    with pytest.raises(DataError, match=r"groups\.txt: altered or cut short"):
        load_collection(card)


@pytest.mark.parametrize(
    ("name", "languages", "lines", "repeats"),
    [
        ("XTD10", 11, 1000, 12),
        ("NTREX128", 22, 1997, 20),
        ("TICO19", 34, 3071, 147),
        ("TICO19First300", 36, 300, 48),
    ],
)
def test_real_collections(name, languages, lines, repeats, real_data):
    collection = load_collection(task_cards()[name])
    assert len(collection.languages) == languages
    assert set(collection.passages.group_by("language").len()["len"]) == {lines}
    assert set(collection.passages.group_by("group").len()["len"]) == {languages}
    assert set(collection.qrels.group_by("query_id").len()["len"]) == {languages - 1}
    distinct = collection.passages.n_unique(["language", "text"])
    assert len(collection.passages) - distinct == repeats
    text = dict(collection.passages.select("id", "text").iter_rows())
    if name == "XTD10":
        group = dict(collection.passages.select("id", "group").iter_rows())
        assert group["en:1"] == "COCO_train2014_000000061844.jpg"
        assert text["zh:1"] == "棒球大联盟联赛上，匹兹堡海盗队的球员穿过本垒"
    elif name.startswith("TICO19"):
        assert text["en:1"] == "about how long have these symptoms been going on?"
        assert text["sw:300"].startswith("Kukitokea ARDS, kuchomeka kusikodhibitiwa")
    else:
        assert text["en:1"] == "Welsh AMs worried about 'looking like muppets'"
        assert text["zh:1"] == "威尔士国民议会议员(AM)担心“看起来像笨蛋”"
