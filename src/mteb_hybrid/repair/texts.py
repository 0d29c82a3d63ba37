"""Plain text by language, to fit a repair on and to judge it with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.tasks import collection_tasks
from mteb_hybrid.files.lines import content, decoded, lines, text_of
from mteb_hybrid.files.named import is_name
from mteb_hybrid.files.parquet import read_parquet
from mteb_hybrid.languages.codes import language_tag, one_name_each
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.sources import load_collection

Texts: TypeAlias = Mapping[str, Sequence[str]]
"""By language."""


def _json_lines(file: Path) -> pl.DataFrame:
    rows = []
    for where, line in lines([file]):
        if line.isspace():
            continue
        row = decoded(where, line)
        if not isinstance(row, dict) or not isinstance(row.get("text"), str | None):
            raise RepairError(f"{where}: expected an object with a 'text' and its 'language'")
        if missing := {"text", "language"} - set(row):
            raise RepairError(
                f"{where}: no {' and '.join(sorted(missing))}; found {', '.join(row)[:200]}"
            )
        rows.append((row["text"], row["language"] and str(row["language"])))
    return pl.DataFrame(rows, {"text": pl.String, "language": pl.String}, orient="row")


FORMATS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".jsonl": _json_lines,
    ".parquet": read_parquet,
    ".csv": lambda file: pl.read_csv(content(file), infer_schema=False),
    ".tsv": lambda file: pl.read_csv(
        content(file), infer_schema=False, separator="\t", quote_char=None
    ),
}
"""Readers of a corpus by the end of its name; that of text may be followed by ``.gz``."""


@dataclass(frozen=True)
class Corpus:
    """Texts to fit on, and others to judge by.

    Attributes:
        name: Where they come from, without a path.
        fit: Texts to fit on.
        held_out: Others; none of them is in `fit`.
        parallel: Whether row i of all languages is one text and its translations.
        tasks: MTEB tasks on whose texts a model fitted on them is no longer zero-shot; None if
            that is unknown.
    """

    name: str
    fit: Texts
    held_out: Texts
    parallel: bool
    tasks: tuple[str, ...] | None


def read_corpus(source: str, per_language: int = 200, seed: int = 0) -> Corpus:
    """Read texts and draw some of each language.

    Args:
        source: A folder with a file for each language, ``CODE.txt``, one text a line, parallel if
            all have as many lines; or a collection (``ntrex``: its passages), which wins over a
            folder or file of its name; or a corpus (JSON
            lines, Parquet, CSV, TSV) with the columns ``text`` and ``language``. Languages may be
            written in any way (``EN``, ``zh_TW``); of texts that repeat, the first is taken.
        per_language: How many to fit on, and how many to hold out; half of what there is if it is
            less than both.
        seed: Decides which.

    Raises:
        RepairError: If the source is none of these, a file is empty or not called by a language,
            or texts are in fewer than two languages.
        DataError: If files of a collection are missing, or a file is malformed or not UTF-8.
    """
    path = Path(source)
    tasks: tuple[str, ...] | None = None
    if is_name(source, collections(), "collection"):
        rows, parallel = _collection(load_collection(source))
        tasks = tuple(collection_tasks(source))
    elif path.is_dir():
        rows, parallel = _folder(path)
    elif path.is_file():
        rows, parallel = _table(path), False
    else:
        raise RepairError(
            f"{source}: neither a folder, nor a file, nor a collection"
            f"{did_you_mean(str(source), collections())} There are the collections "
            f"{', '.join(collections())}"
        )
    read = rows
    rows = _different_rows(read) if parallel else {x: _different(some) for x, some in read.items()}
    if len(rows) < 2:
        raise RepairError(
            f"{source}: texts in {len(rows)} language(s) ({', '.join(rows) or 'none'}); bias "
            "towards a language shows only beside others: give at least two"
        )
    fit, held_out = {}, {}
    for language, texts in rows.items():
        if len(texts) < 2 or (parallel and len(texts) < 4 <= len(read[language])):
            # A text that repeats takes its translations with it: the language that repeats it.
            few = min(read, key=lambda x: len(set(read[x]))) if parallel else language
            raise RepairError(
                f"{source}: {len(set(read[few]))} different text(s) in {few}, of {len(read[few])}; "
                f"expected four at least, better {2 * per_language}: half of them are held out"
            )
        # The same seed for all languages: the same rows, where they are parallel.
        drawn = np.random.default_rng(seed).permutation(len(texts))
        half = min(per_language, len(texts) // 2)
        fit[language] = [texts[row] for row in drawn[:half]]
        held_out[language] = [texts[row] for row in drawn[half:]]
    return Corpus(path.resolve().name if tasks is None else source, fit, held_out, parallel, tasks)


def _folder(folder: Path) -> tuple[Texts, bool]:
    found: dict[str, list[str]] = {}
    files = sorted(folder.glob("*.txt"))
    for file in files:
        if language_tag(file.stem) is None:
            raise RepairError(
                f"{file}: {file.stem!r} is no language code; expected files such as de.txt alone. "
                "Move it away, or rename it"
            )
    names = one_name_each(file.stem for file in files)
    for file in files:
        language = names[file.stem]
        if language in found:
            raise RepairError(f"{file}: a second file of {language}; put them together")
        found[language] = [text_of(where, line).strip() for where, line in lines([file])]
        if not any(found[language]):
            raise RepairError(f"{file}: empty; expected one text a line in {language}")
    if not found:
        raise RepairError(
            f"{folder}: no .txt file; expected a file for each language, such as de.txt, one text "
            "a line"
        )
    if len({len(texts) for texts in found.values()}) == 1:
        whole = [row for row in zip(*found.values(), strict=True) if all(row)]
        if len(whole) >= 2:
            return dict(zip(found, map(list, zip(*whole, strict=True)), strict=True)), True
    return found, False


def _table(file: Path) -> Texts:
    suffix = Path(file.name.removesuffix(".gz")).suffix
    if suffix not in FORMATS:
        raise RepairError(f"{file}: expected a folder, or a file in {', '.join(FORMATS)}")
    try:
        table = FORMATS[suffix](file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RepairError(f"{file}: not readable as {suffix}: {error}") from None
    if missing := {"text", "language"} - set(table.columns):
        found = ", ".join(table.columns)[:200]
        raise RepairError(f"{file}: no column {' and '.join(sorted(missing))}; found {found}")
    rows = table.with_row_index().select("index", pl.col("text", "language").cast(pl.String))
    nameless = rows.filter(pl.col("language").fill_null("").str.strip_chars() == "")
    if len(nameless):
        raise RepairError(
            f"{file}: {len(nameless)} of {len(rows)} rows have no language, the first is row "
            f"{nameless['index'][0] + 1}"
        )
    names = one_name_each(rows["language"].unique())
    rows = rows.with_columns(pl.col("language").replace(names))
    return dict(
        rows.group_by("language", maintain_order=True).agg("text").sort("language").iter_rows()
    )


def _collection(collection: Collection) -> tuple[Texts, bool]:
    """Passages by language; in rows of translations where most groups have one in each language."""
    passages, languages = collection.passages, collection.languages
    counted = passages.group_by("group", maintain_order=True).agg(
        pl.len(), pl.col("language").n_unique().alias("languages")
    )
    whole = counted.filter(
        (pl.col("len") == len(languages)) & (pl.col("languages") == pl.col("len"))
    )
    parallel = len(languages) * len(whole) > len(passages) / 2
    if parallel:
        passages = passages.filter(pl.col("group").is_in(whole["group"].implode())).sort("group")
    return {x: passages.filter(language=x)["text"].to_list() for x in languages}, parallel


def _different_rows(rows: Texts) -> Texts:
    """Rows of translations none of whose texts stands in an earlier one: no text leaks."""
    seen: dict[str, set[str]] = {language: set() for language in rows}
    kept = []
    for row in zip(*rows.values(), strict=True):
        if not any(text in seen[language] for language, text in zip(rows, row, strict=True)):
            kept.append(row)
            for language, text in zip(rows, row, strict=True):
                seen[language].add(text)
    return {language: [row[place] for row in kept] for place, language in enumerate(rows)}


def _different(texts: Sequence[str | None]) -> list[str]:
    """Each text once, without blank ones."""
    return list(dict.fromkeys(text.strip() for text in texts if text and text.strip()))
