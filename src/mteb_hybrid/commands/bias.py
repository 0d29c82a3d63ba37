"""``mteb-hybrid bias``."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from mteb_hybrid.commands.options import IgnoreIdenticalIdsOption, SubsetOption, terminal_width
from mteb_hybrid.commands.probe import show
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.results.cells import NONE
from mteb_hybrid.results.text_table import Format, write_csv, write_table


def bias(
    run: Annotated[
        Path, typer.Option(help="TREC run, BEIR run (JSON) or MTEB predictions.", dir_okay=False)
    ],
    languages: Annotated[
        Path,
        typer.Option(
            help="Language of every document of the pool: two columns, JSON, or a BEIR corpus "
            "(JSON lines) with a column 'language'.",
            dir_okay=False,
        ),
    ],
    qrels: Annotated[
        Path | None,
        typer.Option(
            help="TREC or BEIR qrels, or JSON. Without, what the rankings show by themselves is "
            "measured, as `probe` does.",
            dir_okay=False,
        ),
    ] = None,
    query_languages: Annotated[
        Path | None,
        typer.Option(help="Language of every query, likewise; for measures that need it."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="The content that each document translates, likewise (column 'group'). Then "
            "translations of a relevant document are relevant too, in languages in which none is, "
            "and the measures for parallel pools are added."
        ),
    ] = None,
    query_groups: Annotated[
        Path | None,
        typer.Option(
            help="Without --qrels: the question that each query asks, likewise (column 'group'); "
            "its translations have the same."
        ),
    ] = None,
    subset: SubsetOption = None,
    ignore_identical_ids: IgnoreIdenticalIdsOption = False,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
) -> None:
    r"""Measure the language bias of any ranking, made by any program.

    Prints every measure, for all queries and for those of each language. A value that not all
    queries have is followed by how many have it, as in (31/52); one from
    rankings that do not hold the whole pool by where they end, as in \[top 1000].

    Without judgments: the languages of the first places, and, with --query-groups, whether
    translated queries get the same ranking, with 95% intervals.

    Example: mteb-hybrid bias --run bm25.trec --qrels qrels.txt --languages corpus.jsonl
    """
    from mteb_hybrid.files.runs import read_mapping, read_qrels, read_run

    if qrels is None:
        if groups is not None:
            raise ValueError("--groups says which documents answer, given --qrels; give both")
        from mteb_hybrid.probe.of_run import probe_run

        rankings = probe_run(
            read_run(run, subset),
            read_mapping(languages, "language"),
            read_mapping(query_languages, "language") if query_languages else None,
            read_mapping(query_groups, "group") if query_groups else None,
            ignore_identical_ids,
        )
        show(rankings, format)
        return
    if query_groups is not None:
        raise ValueError("--query-groups is for rankings without --qrels; leave one of them out")
    from mteb_hybrid.measures.bias_of_run import bias_of_run, mean_notes

    found = bias_of_run(
        read_run(run, subset),
        read_qrels(qrels),
        read_mapping(languages, "language"),
        read_mapping(query_languages, "language") if query_languages else None,
        read_mapping(groups, "group") if groups else None,
        ignore_identical_ids,
    )
    if format is Format.CSV:
        print(write_csv(found.columns, found.iter_rows()))
        return
    head = ["measure", *found["query_language"].unique(maintain_order=True)]
    lines: dict[str, list[str]] = {}
    for row in found.iter_rows(named=True):
        lines.setdefault(row["measure"], [row["measure"]]).append(_cell(row, len(head) - 2))
    print(write_table(head, list(lines.values()), format, terminal_width(), labels=1))
    if groups is None:
        say(
            "Without --groups, rank_distance and the other measures between translations are left "
            "out.",
            err=True,
        )
    for note in mean_notes(found):
        say(note, err=True)


def _cell(row: dict[str, Any], languages: int) -> str:
    """A value, and what limits it: queries and languages that have none, and a cut."""
    text = NONE if math.isnan(row["value"]) else f"{row['value']:.4f}"
    if row["measured_on"] < 1:
        text += f" ({round(row['measured_on'] * row['queries'])}/{row['queries']})"
    if row["query_language"] == "all" and row["languages"] < languages:
        text += f" ({row['languages']}/{languages} languages)"
    return text if row["truncated_at"] is None else f"{text} [top {row['truncated_at']}]"
