"""The folder: its chunks hold what the results do, and nothing in them can break out."""

import json
import re

import pytest

from explore.conftest import ASKED, HOSTILE
from mteb_hybrid.explore.failures import Failure
from mteb_hybrid.explore.page import chunks, script, write_explorer
from mteb_hybrid.explore.texts import Texts, texts_of
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.safe_text import visible


def read(folder):
    """What the scripts call, put together again."""
    found: dict[str, list] = {}
    for file in sorted((folder / "data").iterdir()):
        call = re.fullmatch(
            r'explorerData\("(\w+)",(\d+),(.*)\);\n', file.read_text(encoding="utf-8")
        )
        assert call and file.name == f"{call[1]}-{int(call[2]):03}.js"
        found.setdefault(call[1], []).append(json.loads(call[3]))
    return found


def test_chunks_hold_what_was_kept(found, tmp_path, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.explore.page.ROWS", 100)
    monkeypatch.setattr("mteb_hybrid.explore.page.DETAILS", 30)
    texts = texts_of(found.evaluations["test/hash"])
    write_explorer(found, texts, tmp_path / "page")
    data = read(tmp_path / "page")
    (about,) = data["about"]
    assert len(data["rows"]) == 2 and len(data["details"]) == 6 and about["queries"] == 156
    codes = [language["code"] for language in about["languages"]]
    passages = [passage for part in data["passages"] for passage in part]
    details = [detail for part in data["details"] for detail in part]
    rows = [row for part in data["rows"] for row in part]
    seen = 0
    for (query, language, text, *of_models), of_query in zip(rows, details, strict=True):
        assert text == texts.queries[query]
        for label, brief, detail in zip(found.queries, of_models, of_query, strict=True):
            kept = found.queries[label].filter(query=query)
            if kept.is_empty():
                assert brief is detail is None and label == "test/leaning"
                continue
            row, seen = kept.row(0, named=True), seen + 1
            assert codes[language] == row["query_language"]
            assert brief[:2] == pytest.approx([row["map"], row["rank_distance"]], abs=1e-5)
            top, answers = detail
            assert [passages[place][0] for place, _ in top] == row["top"]
            assert [mark == 1 for _, mark in top] == row["top_relevant"]
            assert [rank for _, rank in answers] == row["answer_ranks"]
            assert [passages[place][0] for place, _ in answers] == row["answers"]
            for place, _ in [*top, *answers]:
                id_, spoken, said = passages[place]
                assert said == texts.passages[id_] and id_.startswith(codes[spoken])
    assert seen == 156 + 104 and list(Failure) == about["failures"]


def test_nothing_breaks_out_of_a_chunk(hostile):
    for (kind, number), content in chunks(*hostile):
        text = script(kind, number, content)
        assert not re.search("[<\0\u2028\u2029\u202e]", text) and text.count("\n") == 1
        assert json.loads(text[text.index(",", 16) + 3 : -3]) == content
    said = json.dumps([content for _, content in chunks(*hostile)], ensure_ascii=False)
    assert json.dumps(visible(HOSTILE), ensure_ascii=False) in said


def test_the_page_names_the_licence_and_is_written_whole_or_not_at_all(found, tmp_path):
    write_explorer(found, Texts(why_none="No <texts>."), tmp_path / "page")
    html = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "licence apache-2.0" in html and "No &lt;texts&gt;." in html
    assert {file.name for file in (tmp_path / "page" / "tabulator").iterdir()} >= {"LICENSE"}
    assert "en:0.0.0" in (tmp_path / "page/data/passages-000.js").read_text(encoding="utf-8")
    write_explorer(found, Texts(why_none="No <texts>."), tmp_path / "page")  # the same again
    (tmp_path / "page" / "own.txt").write_text("mine")
    with pytest.raises(ExportError, match="holds other files"):
        write_explorer(found, Texts(), tmp_path / "page")
    write_explorer(found, Texts(), tmp_path / "page", overwrite=True)
    assert not (tmp_path / "page" / "own.txt").exists()
    assert [file.name for file in tmp_path.iterdir() if file.suffix in (".part", ".old")] == []
    assert ASKED in (tmp_path / "page/data/rows-000.js").read_text(encoding="utf-8")
