"""MIRACL's files: both layouts, the hub's cache, real topics and judgments, and what is refused."""

import gzip
import json
import re
import shutil

import pytest

from evaluation.test_task_miracl import DOCIDS, JUDGED, passages, toy_card, write_language
from mteb_hybrid.cards.card import read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.sources import load_collection, load_queries, miracl, miracl_passages

PUBLISHED = {
    **{"ar": 2896, "bn": 411, "en": 799, "es": 648, "fa": 632, "fi": 1271, "fr": 343, "hi": 350},
    **{"id": 960, "ja": 860, "ko": 213, "ru": 1252, "sw": 482, "te": 828, "th": 733, "zh": 393},
    **{"de": 305, "yo": 119},
}
"""Questions of the development sets, as the paper counts them."""

PASSAGES = "miracl-corpus-v1.0-yo"
TOPICS = "topics/topics.miracl-v1.0-yo-dev.tsv"
QRELS = "qrels/qrels.miracl-v1.0-yo-dev.tsv"
LINE = b'{"docid": "7#0", "title": "a", "text": "b"}\n'


@pytest.fixture
def root(tmp_path):
    """Folder of one language's files, in two parts, beside `toy_card`."""
    write_language(tmp_path / "miracl", "yo")
    return tmp_path / "miracl"


def load(root):
    return load_collection(toy_card(root.parent, ["yo"]))


def pack(file, *lines):
    file.write_bytes(gzip.compress(b"".join(lines)))


def test_queries_without_passages(root):
    expected = load(root).queries
    for file in (root / PASSAGES).iterdir():
        file.unlink()
    assert load_queries(toy_card(root.parent, ["yo"])).equals(expected)


@pytest.mark.parametrize("layout", ["flat", "hub"])
def test_both_layouts(layout, tmp_path):
    card = toy_card(tmp_path)
    for language in card.languages:
        write_language(tmp_path / "miracl", language, layout)
    found = load_collection(card)
    assert found.languages == ("sw", "yo", "bn")
    assert len(found.passages) == 3 * len(DOCIDS)
    texts = dict(found.passages.select("id", "text").iter_rows())
    assert texts["yo:7#0"] == "yo title 0 yo text of 7#0"
    assert texts["bn:30#12"] == "bn text of 30#12", "without a title there is no space"
    asked = found.queries.filter(language="yo")
    assert asked.rows()[0] == ("yo:0", "yo first question", "yo", "yo:0")
    assert asked["id"].to_list() == ["yo:0", "yo:1", "yo:20"], "21 has no judgments"
    judged = {}
    for query, passage, relevance in found.qrels.iter_rows():
        judged.setdefault(query, {})[passage] = relevance
    assert judged == {
        f"{x}:{query}": {f"{x}:{id_}": grade for id_, grade in rows.items()}
        for x in card.languages
        for query, rows in JUDGED.items()
    }


def test_languages_of_the_card_alone(tmp_path):
    for language in ("yo", "sw"):
        write_language(tmp_path / "miracl", language)
    found = load_collection(toy_card(tmp_path, ["sw"]))
    assert set(found.passages["language"]) == set(found.queries["language"]) == {"sw"}


def test_order_and_texts_are_those_of_the_files(root):
    """Parts by number, not by name; blocks that end anywhere."""
    rows = passages("yo")
    for number in range(12):
        chosen = rows[number::12]
        lines = [json.dumps(row, ensure_ascii=number % 2 == 0).encode() + b"\n" for row in chosen]
        pack(root / PASSAGES / f"docs-{number}.jsonl.gz", *lines)
    expected = [f"yo:{row['docid']}" for number in range(12) for row in rows[number::12]]
    assert load(root).passages["id"].to_list() == expected


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocks(block, root, monkeypatch):
    whole = load(root).passages
    monkeypatch.setattr(miracl_passages, "BLOCK", block)
    assert miracl.read(toy_card(root.parent, ["yo"])).passages.equals(whole)


def test_what_is_no_part_of_a_text(root):
    """A byte order mark, carriage returns, the end of the last line; other ends of lines are."""
    (root / TOPICS).write_bytes("\ufeff0\tone\u2028two\r\n1\tb\r\n20\tc".encode())
    qrels = (root / QRELS).read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    (root / QRELS).write_bytes(qrels)
    found = load(root)
    assert found.queries["text"].to_list() == ["one\u2028two", "b", "c"]
    assert len(found.qrels) == 6
    pack(root / PASSAGES / "docs-2.jsonl.gz",
         b'{"text": "x\\ny \\u00e9", "more": [1], "title": "", "docid": "1#1"}')  # fmt: skip
    assert load_fresh(root).passages.row(-1)[:2] == ("yo:1#1", "x\ny é")


def load_fresh(root):
    return miracl.read(toy_card(root.parent, ["yo"]))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (TOPICS, b"", "is empty; expected lines of query id and text, separated by tabs"),
        (TOPICS, b"0\ta\n1 b\n", r"line 2: \['1 b'\]; expected query id and text.*Correct"),
        (TOPICS, b"0\ta\n\n", r"line 2: \[''\]; expected"),
        (TOPICS, b"0\ta\n1\t \n", r"line 2: \['1', ' '\]; expected"),
        (TOPICS, b"0\ta\tb\n", r"line 1: \['0', 'a', 'b'\]"),
        (TOPICS, b"0\ta\n1\tb\n0\tc\n", "line 3: repeats the query id '0' of line 1. Remove one"),
        (TOPICS, b"0\ta\n1\t\xfcber\n", r"tsv:2: not UTF-8 \(invalid.*convert"),
        (TOPICS, "0\ta\n".encode("utf-16"), "tsv:1: not UTF-8 .*UTF-16"),
        (QRELS, b"", "is empty; expected lines of query id, Q0, passage id and relevance"),
        (QRELS, b"0 Q0 7#0 1\n", r"line 1: \['0 Q0 7#0 1'\]; expected .* separated by tabs"),
        (QRELS, b"0\tQ0\t7#0\n", r"line 1: \['0', 'Q0', '7#0'\]; expected"),
        (
            QRELS,
            b"0\tQ0\t7#0\t1\n0\tQ0\t7#1\t-1\n",
            "line 2: relevance '-1'; expected an integer from 0",
        ),
        (QRELS, b"0\tQ0\t7#0\tyes\n", "line 1: relevance 'yes'"),
        (
            QRELS,
            b"0\tQ0\t7#0\t1\n0\tQ0\t7#0\t0\n",
            "line 2: judges query '0' on passage '7#0', as line 1 does. Remove one",
        ),
        (
            QRELS,
            b"0\tQ0\t7#0\t1\n5\tQ0\t7#0\t1\n5\tQ0\t8#0\t1\n",
            r"line 2: '5' is not in .*topics\..* \(as in 2 line\(s\) in all\)",
        ),
        (
            QRELS,
            b"0\tQ0\t7#0\t1\n0\tQ0\t7#77\t0\n",
            r"line 2: '7#77' is not in .*miracl-corpus-v1\.0-yo \(as in 1 .*Complete",
        ),
    ],
)
def test_bad_topics_and_judgments(file, content, said, root):
    (root / file).write_bytes(content)
    with pytest.raises(DataError, match=said) as refused:
        load(root)
    assert str(root / file) in str(refused.value)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{\n", "line 3: Invalid JSON"),
        (b"\n", "line 3: blank; expected a JSON object"),
        (b"[1]\n", "line 3: Input should be an object"),
        (b'"7#1"\n', "line 3: Input should be"),
        (b'{"docid": "1#1", "text": "b"}\n', "line 3: key 'title': Field required"),
        (b'{"docid": "1#1", "title": null, "text": "b"}\n', "line 3: key 'title': Input"),
        (b'{"docid": 11, "title": "a", "text": "b"}\n', "line 3: key 'docid': Input should be"),
        (b'{"docid": "11", "title": "a", "text": "b"}\n', "line 3: key 'docid': String should"),
        (b'{"docid": "1#x", "title": "a", "text": "b"}\n', "line 3: key 'docid'"),
        (b'{"docid": "1#1", "title": "a", "text": {}}\n', "line 3: key 'text': Input should be"),
        (b'{"docid": "1#1", "title": " ", "text": ""}\n', "line 3: .*title and text are blank"),
        (b'{"docid": "1#1", "title": "a", "text": "\xfc"}\n', r"line 3: not UTF-8 \(invalid"),
        (b'{"docid": "1#1", "title": "a", "text": "b"} {}\n', "line 3: Invalid JSON"),
        (b"null\n", "line 3: Input should be an object"),
        (b'{"docid": "1#1", "title": "a", "text": "\\ud800"}\n', "line 3: Invalid JSON"),
        (
            b'{"docid": "1#1", "docid": "1#2", "title": "a", "text": "b"}\n',
            "line 3: .*specified twice",
        ),
        (b'{"docid": "1#1", "ti', "line 3: Invalid JSON: EOF"),
    ],
)
def test_bad_passages(bad, said, root, monkeypatch):
    monkeypatch.setattr(miracl_passages, "BLOCK", 88)  # two of these lines
    second = LINE.replace(b"7#0", b"7#1")
    rest = [] if not bad.endswith(b"\n") else [LINE.replace(b"7#0", b"7#2")]
    file = root / PASSAGES / "docs-1.jsonl.gz"
    pack(file, LINE, second, bad, *rest)
    with pytest.raises(DataError, match=re.escape(str(file)) + ": " + said):
        load(root)


def test_a_title_alone_is_a_text(root):
    pack(root / PASSAGES / "docs-2.jsonl.gz", b'{"docid": "1#1", "title": "a", "text": ""}\n')
    assert load(root).passages["text"][-1].strip() == "a"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "cut short or damaged after line"),
        (lambda content: content[:-4], "cut short or damaged"),
        (lambda content: content[:-8] + bytes(4) + content[-4:], r"\(CRC check failed"),
        (lambda content: content[:30] + b"\0\0\0\0" + content[34:], "cut short or damaged"),
        (lambda content: LINE, "Not a gzipped file"),
        (lambda content: gzip.compress(b""), "is empty; expected JSON lines. Get it again"),
    ],
)
def test_damaged_files(damage, said, root):
    file = root / PASSAGES / "docs-1.jsonl.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=said) as refused:
        load(root)
    assert str(file) in str(refused.value)


def test_a_docid_that_repeats(root):
    """In another file, with the lines of both."""
    lines = gzip.decompress((root / PASSAGES / "docs-1.jsonl.gz").read_bytes()).splitlines(True)
    first = gzip.decompress((root / PASSAGES / "docs-0.jsonl.gz").read_bytes()).splitlines(True)[2]
    pack(root / PASSAGES / "docs-1.jsonl.gz", *lines, first)
    with pytest.raises(DataError) as refused:
        load(root)
    docid = json.loads(first)["docid"]
    assert f"docs-1.jsonl.gz: line {len(lines) + 1}: repeats the docid {docid!r}" in str(
        refused.value
    )
    assert re.search(r"docs-0\.jsonl\.gz: line 3; expected a docid of its own", str(refused.value))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (TOPICS, r"topics\.miracl-v1\.0-yo-dev\.tsv: no such file, nor below .*miracl-v1\.0-yo\."),
        (QRELS, r"qrels\.miracl-v1\.0-yo-dev\.tsv: no such file"),
        (f"{PASSAGES}/docs-0.jsonl.gz", r"docs-0\.jsonl\.gz: no such file; .* to docs-1\.jsonl"),
        (PASSAGES, r"miracl-corpus-v1\.0-yo: no such folder; expected docs-0\.jsonl\.gz"),
    ],
)
def test_missing_files(missing, said, root):
    (root / missing).rename(root / "elsewhere")
    with pytest.raises(DataError, match=said) as refused:
        load(root)
    assert f"Put it there, or correct {root.parent / 'toy.toml'}" in str(refused.value)


def test_a_gap_and_a_wrong_number_of_files(root):
    (root / PASSAGES / "docs-1.jsonl.gz").rename(root / PASSAGES / "docs-2.jsonl.gz")
    with pytest.raises(DataError, match=r"docs-1\.jsonl\.gz: no such file; .* to docs-2\.jsonl"):
        load(root)
    (root / PASSAGES / "docs-2.jsonl.gz").rename(root / PASSAGES / "docs-1.jsonl.gz")
    with pytest.raises(DataError, match=r"docs-2\.jsonl\.gz: no such file"):
        miracl_passages.read_passages(root / PASSAGES, 3, "Get it.")
    with pytest.raises(DataError, match=r"docs-1\.jsonl\.gz: one file too many; the card counts 1"):
        miracl_passages.read_passages(root / PASSAGES, 1, "Get it.")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, into which files of the shipped card's commits can be put."""
    from huggingface_hub import constants

    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    source = task_cards()["MIRACL"].source
    hub = source.passages
    return [
        tmp_path / "cache" / f"datasets--{name.replace('/', '--')}" / "snapshots" / commit
        for name, commit in (
            (source.repository, source.revision),
            (hub.repository, hub.revision),
        )
    ]


def hub_card(language):
    card = task_cards()["MIRACL"]
    return card.model_copy(update={"languages": {language: card.languages[language]}})


def test_files_from_the_hubs_cache(cache, tmp_path):
    questions, texts = cache
    write_language(tmp_path / "made", "yo", layout="hub", files=1)
    questions.mkdir(parents=True)
    (tmp_path / "made" / "miracl-v1.0-yo").rename(questions / "miracl-v1.0-yo")
    with pytest.raises(
        DataError, match=r"datasets/miracl/miracl-corpus: commit d921.*unset HF_HUB"
    ):
        miracl.read(hub_card("yo"))
    texts.mkdir(parents=True)
    (tmp_path / "made" / PASSAGES).rename(texts / PASSAGES)
    assert len(miracl.read(hub_card("yo")).passages) == len(DOCIDS)
    with pytest.raises(
        DataError, match=r"topics.*-sw-dev\.tsv: no such file.*Unset HF_HUB_OFFLINE"
    ):
        miracl.read(hub_card("sw"))


def test_nothing_in_the_cache(cache):
    with pytest.raises(DataError, match=r"miracl/miracl: commit 5be20db.*set MTEB_HYBRID_DATA"):
        miracl.read(hub_card("yo"))


def test_owners_who_ask_for_consent(cache, monkeypatch):
    """MIRACL's topics are only given to those who agreed to the terms."""
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*args, allow_patterns, **kwargs):
        folder = "miracl-v1.0-yo"
        assert allow_patterns == [f"{folder}/topics/*-dev.tsv", f"{folder}/qrels/*-dev.tsv"]
        raise GatedRepoError.__new__(GatedRepoError)  # its arguments depend on the version

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(DataError, match="Log in on that page, agree, and run `hf auth login`"):
        miracl.read(hub_card("yo"))


def test_the_data_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"or unset MTEB_HYBRID_DATA to download it\.") as refused:
        miracl.read(hub_card("yo"))
    assert str(tmp_path / "miracl" / "topics") in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('path = "miracl"', 'path = "miracl"\nurl = "https://x.org/"', "key 'source.url'"),
        ("yo = 1", "yo = 0", "key 'source.passages.files.yo'"),
        ('revision = "d921ec7e', 'revision = "main', "key 'source.passages.revision'"),
        ('path = "miracl"', 'path = "../miracl"', "lies outside of"),
        (
            '[languages.yo]\ncode = "yor-Latn"',
            '[languages.yo]\ncode = "yor-Latn"\nfile = "x"',
            "languages.yo.file: this format has none; remove it",
        ),
    ],
)
def test_bad_cards(old, new, said, tmp_path):
    text = task_cards()["MIRACL"].file.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(said)):
        read_card(tmp_path / "mine.toml")


def test_real_topics_and_judgments(data_folder, tmp_path):
    """All 18 languages, with a passage of no meaning under each judged id."""
    real = data_folder / "miracl"
    if not real.is_dir():
        pytest.skip("needs MIRACL's topics and judgments: set MTEB_HYBRID_DATA")
    root = tmp_path / "miracl"
    root.mkdir()
    for kind in ("topics", "qrels"):
        shutil.copytree(real / kind, root / kind)
    judgments = 0
    for language in PUBLISHED:
        lines = (real / "qrels" / f"qrels.miracl-v1.0-{language}-dev.tsv").read_text().splitlines()
        judgments += len(lines)
        ids = dict.fromkeys(line.split("\t")[2] for line in lines)
        folder = root / f"miracl-corpus-v1.0-{language}"
        folder.mkdir()
        rows = "".join(f'{{"docid": "{id_}", "title": "", "text": "{id_}"}}\n' for id_ in ids)
        (folder / "docs-0.jsonl.gz").write_bytes(gzip.compress(rows.encode(), 1))
    found = load_collection(toy_card(tmp_path, list(PUBLISHED)))
    counts = dict(found.queries.group_by("language").len().iter_rows())
    assert counts == PUBLISHED and sum(counts.values()) == 13_495
    assert len(found.qrels) == judgments == 130_408
    assert set(found.qrels["relevance"]) == {0, 1}
    answered = found.qrels.filter(relevance=1)["query_id"].n_unique()
    assert answered == 13_495, "every question has a relevant passage"
    texts = dict(found.queries.select("id", "text").iter_rows())
    assert texts["en:0"] == "Is Creole a pidgin of French?"
