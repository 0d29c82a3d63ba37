"""The page: a folder of HTML, our script and style, a table library, and data in chunks.

A browser loads no JSON from a disk, but scripts: each chunk is one, and calls ``explorerData``.
"""

import importlib.metadata
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mteb_hybrid import pages
from mteb_hybrid.cards.translations import query_language_codes
from mteb_hybrid.explore.failures import Failure, failures, too_high
from mteb_hybrid.explore.shown import Shown, languages, measures
from mteb_hybrid.explore.texts import Texts
from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.files.whole import whole_folder
from mteb_hybrid.languages.codes import language_name, language_tag
from mteb_hybrid.pages.templates import render

HERE = Path(__file__).parent
TABULATOR = Path(pages.__file__).parent / "vendor" / "tabulator"
ROWS, DETAILS, PASSAGES = 5_000, 250, 1_000
"""How many queries, queries with their rankings, and passages a chunk has."""
OWN = re.compile(r"index\.html|explore\.(css|js)|tabulator/[^/]+|data/[a-z]+-\d{3,}\.js")
"""Files of an explorer."""
SECOND = {
    "rank_distance": {"title": "Rank distance", "digits": 1, "worst": "desc"},
    "ndcg_at_20": {"title": "nDCG@20", "digits": 4, "worst": "asc"},
}
"""How the measure beside average precision is shown, and from which end it is bad."""
WRONG, RIGHT, TOO_HIGH = range(3)
"""Of a passage among the first."""


def write_explorer(found: Shown, texts: Texts, output: Path, *, overwrite: bool = False) -> None:
    """Write the page, whole or not at all.

    Args:
        found: What is shown.
        texts: Its texts.
        output: The folder.
        overwrite: Whether to replace what else is there; an explorer is, without.

    Raises:
        ExportError: If the folder holds anything else, and may not be replaced.
    """
    with whole_folder(output, overwrite=overwrite or _is_explorer(output)) as folder:
        notes = [*found.lacking, *filter(None, [texts.why_none])]
        html = render(
            HERE,
            "index.html.jinja",
            card=found.card,
            notes=notes,
            texts=bool(texts.queries),
            version=importlib.metadata.version("mteb-hybrid"),
        )
        (folder / "index.html").write_text(html, encoding="utf-8")
        style = (HERE.parent / "pages" / "style.css").read_text(encoding="utf-8")
        own = (HERE / "explore.css").read_text(encoding="utf-8")
        (folder / "explore.css").write_text(style + own, encoding="utf-8")
        shutil.copyfile(HERE / "explore.js", folder / "explore.js")
        shutil.copytree(TABULATOR, folder / "tabulator")
        (folder / "data").mkdir()
        for (kind, number), content in chunks(found, texts):
            name = f"{kind}-{number:03}.js"
            (folder / "data" / name).write_text(script(kind, number, content), encoding="utf-8")


def _is_explorer(folder: Path) -> bool:
    """Whether a folder holds an explorer and nothing else."""
    files = {x.relative_to(folder).as_posix() for x in folder.rglob("*") if not x.is_dir()}
    return "explore.js" in files and all(map(OWN.fullmatch, files))


def script(kind: str, number: int, content: object) -> str:
    """A chunk. Nothing in it can end the element or the line that it stands in."""
    literal = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    literal = re.sub("[<\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", literal)
    return f"explorerData({json.dumps(kind)},{number},{literal});\n"


def chunks(found: Shown, texts: Texts) -> Iterator[tuple[tuple[str, int], object]]:
    """All chunks: what the page is about, queries in brief, their rankings, and passages."""
    known = {code: place for place, code in enumerate(languages(found.queries))}
    passages: dict[str, list[Any]] = {}

    def number(id_: str, language: str) -> int:
        if id_ not in passages:
            text = visible(texts.passages.get(id_, ""))
            passages[id_] = [len(passages), visible(id_), known[language], text]
        return int(passages[id_][0])

    rows_of = {
        label: {row["query"]: row for row in frame.iter_rows(named=True)}
        for label, frame in found.queries.items()
    }
    order = (
        pl.concat(
            frame.select("query", "group", "query_language") for frame in found.queries.values()
        )
        .unique("query", keep="first", maintain_order=True)
        .sort("group", maintain_order=True)  # with it lie the passages that are loaded together
    )
    names = measures(found.card)
    brief, details, deepest = [], [], 1
    for query, _, language in order.iter_rows():
        of_models = [rows.get(query) for rows in rows_of.values()]
        text = visible(texts.queries.get(query, ""))
        brief.append(
            [visible(query), known[language], text, *(_brief(row, names) for row in of_models)]
        )
        details.append([_detail(row, number) for row in of_models])
        ranks = [rank or 1 for row in of_models if row for rank in row["answer_ranks"]]
        deepest = max(deepest, *ranks)
    parts: dict[str, tuple[Sequence[object], int]] = {
        "rows": (brief, ROWS),
        "details": (details, DETAILS),
        "passages": ([passage[1:] for passage in passages.values()], PASSAGES),
    }
    yield (
        ("about", 0),
        {
            "models": [
                {"name": visible(label), "cut": evaluation.truncated_at}
                for label, evaluation in found.evaluations.items()
            ],
            "languages": _languages(found, known),
            "failures": list(Failure),
            "second": SECOND[names[1]],
            "deepest": deepest,
            "queries": len(brief),
            "size": {kind: size for kind, (_, size) in parts.items()},
        },
    )
    for kind, (content, size) in parts.items():
        for place, start in enumerate(range(0, len(content), size)):
            yield (kind, place), content[start : start + size]


def _brief(row: Mapping[str, Any] | None, names: Sequence[str]) -> list[Any] | None:
    """Values of measures, and the kinds of failure as bits; None where the model has no query."""
    if row is None:
        return None
    kinds = failures(*_ranking(row))
    bits = sum(1 << place for place, kind in enumerate(Failure) if kind in kinds)
    return [*(None if row[name] is None else round(row[name], 5) for name in names), bits]


def _detail(row: Mapping[str, Any] | None, number: Any) -> list[Any] | None:
    """The first passages, each with what is to say of it, and the answers with their ranks."""
    if row is None:
        return None
    high = too_high(*_ranking(row))
    top = [
        [number(id_, language), RIGHT if right else TOO_HIGH if place in high else WRONG]
        for place, (id_, language, right) in enumerate(
            zip(row["top"], row["top_languages"], row["top_relevant"], strict=True), 1
        )
    ]
    answers = [
        [number(id_, language), rank]
        for id_, language, rank in zip(
            row["answers"], row["answer_languages"], row["answer_ranks"], strict=True
        )
    ]
    return [top, answers]


def _ranking(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("query_language", "top_languages", "top_relevant", "answer_languages", "answer_ranks")
    return tuple(row[name] for name in names)


def _languages(found: Shown, known: Mapping[str, int]) -> list[dict[str, str]]:
    """Short code, name and tag of each language."""
    codes = query_language_codes(found.card)
    return [
        {
            "code": short,
            "name": language_name(codes[short]) if short in codes else short,
            "tag": language_tag(codes.get(short, short)) or "und",
        }
        for short in known
    ]
