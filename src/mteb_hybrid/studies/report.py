"""The report of a study: Markdown, figures and CSV in one folder, made from results alone.

The same results give the same bytes, in whatever order they were made: nothing of it is a time, a
machine or a path.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.whole import whole_folder, write_text
from mteb_hybrid.model_card.markdown import Markdown, render
from mteb_hybrid.report.svg import file_bytes
from mteb_hybrid.results.text_table import html, markdown
from mteb_hybrid.studies.answer import Answer, answers
from mteb_hybrid.studies.evidence import Evidence, find
from mteb_hybrid.studies.report_csv import claims_csv, results_csv
from mteb_hybrid.studies.report_figures import curves, forest, trade_off
from mteb_hybrid.studies.report_made import (
    commands,
    conditions,
    data,
    model_runs,
    not_run,
    seen,
    starts,
    versions,
)
from mteb_hybrid.studies.report_tables import Table, tables
from mteb_hybrid.studies.report_words import (
    LEGEND,
    TABLE_LEGEND,
    claim_table,
    collection_of,
    sentence,
    tally,
)
from mteb_hybrid.studies.study import BudgetName, Study

PAGE = "index.md"
OURS = re.compile(r"index\.md|(results|claims)\.csv|(claims|curve|trade-off)[\w.-]*\.svg")
"""The files of a report: a folder that holds nothing else is written anew."""


def write_report(study: Study, name: str, budget: BudgetName, store: Path, output: Path) -> Path:
    """Write the report of a study at a budget. Needs the extra ``report``.

    Args:
        study: The study.
        name: What the command calls it.
        budget: Name of one of its budgets.
        store: Where ``mteb-hybrid study run`` files results.
        output: The folder; an earlier report there is replaced.

    Returns:
        The page, ``index.md``.

    Raises:
        ResultError: If nothing was run yet, or a result file is damaged or of another run.
        PerQueryError: If values per query are damaged.
        CompareError: If runs have other queries than each other.
        ExportError: If the folder holds anything but a report.
    """
    if output.is_dir():
        others = sorted(path.name for path in output.iterdir() if not OURS.fullmatch(path.name))
        if others:
            raise ExportError(
                f"{output}: holds {others[0]!r}, which is no part of a report; expected a new or "
                "empty folder, or one with a report. Choose another --output."
            )
    evidence = find(study, name, budget, store)
    found = answers(evidence)
    with whole_folder(output, overwrite=True) as part:
        write_text(part / PAGE, _page(evidence, name, found, part))
        write_text(part / "claims.csv", claims_csv(found) + "\n")
        write_text(part / "results.csv", results_csv(evidence) + "\n")
    return output / PAGE


def _page(evidence: Evidence, name: str, found: list[Answer], folder: Path) -> str:
    """The page; its figures are written into the folder."""
    tested = [answer for answer in found if answer.effect]
    if tested:
        (folder / "claims.svg").write_bytes(file_bytes(forest(tested), "svg"))
    return render(
        Path(__file__).with_name("report.md.jinja"),
        study=evidence.study,
        budget=evidence.budget,
        models=list(dict.fromkeys(row[1] for row in starts(evidence)[1])),
        tally=tally(found, len(evidence.lacking)),
        seen=seen(evidence),
        claims=[
            (claim, [_told(answer) for answer in found if answer.number == number])
            for number, claim in enumerate(evidence.study.claims, 1)
        ],
        claim_table=Markdown(markdown(*claim_table(found), labels=5)),
        legend=LEGEND,
        forest=bool(tested),
        sections=list(_sections(evidence, folder)),
        table_legend=TABLE_LEGEND,
        not_run=not_run(evidence, found),
        commands=commands(name, evidence.budget),
        starts=Markdown(markdown(*starts(evidence), labels=5)),
        conditions=Markdown(markdown(*conditions(evidence), labels=2)),
        data=Markdown(markdown(*data(evidence), labels=5)),
        versions=versions(evidence),
        runs=_folded("Every run, and the key of its results", *model_runs(evidence), labels=6),
    )


def _told(answer: Answer) -> dict[str, str]:
    return {
        "start": answer.start,
        "collection": collection_of(answer),
        "sentence": sentence(answer),
    }


def _sections(evidence: Evidence, folder: Path) -> Iterator[dict[str, object]]:
    """One section for each test collection and starting model that has results."""
    for collection, tests in evidence.collections.items():
        for number, start in enumerate(evidence.starts, 1):
            several = len(evidence.starts) > 1
            shown = tables(evidence, collection, start)
            if not shown:
                continue
            stem = next(iter(tests.values())).card.file.stem
            stem += f"-{number}" if several else ""
            found = list(curves(evidence, collection, start).items())
            figures = {
                f"curve-{stem}{f'-{place}' if place > 1 else ''}.svg": (
                    f"{collection}: every measure by {key}, every seed a dot",
                    figure,
                )
                for place, (key, figure) in enumerate(found, 1)
            }
            if scatter := trade_off(evidence, collection, start):
                caption = f"{collection}: map in the pool against rank distance, every seed a mark"
                figures[f"trade-off-{stem}.svg"] = caption, scatter
            for file, (_, figure) in figures.items():
                (folder / file).write_bytes(file_bytes(figure, "svg"))
            yield {
                "title": f"{collection}, {start}" if several else collection,
                "tables": [_shown(table) for table in shown],
                "figures": [(caption, Markdown(file)) for file, (caption, _) in figures.items()],
            }


def _shown(table: Table) -> Markdown:
    if table.is_folded:
        return _folded("By query language", table.head, table.body, table.labels)
    return Markdown(markdown(table.head, table.body, table.labels))


def _folded(summary: str, head: list[str], body: list[list[str]], labels: int) -> Markdown:
    """A table that opens when its summary is clicked; HTML, as Markdown in it stays unread."""
    shown = html(head, body, labels)
    return Markdown(f"<details><summary>{summary}</summary>\n{shown}\n</details>")
