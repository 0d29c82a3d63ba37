"""The demo: a real encoder on the embedded sample, in all three settings."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.files.safe_text import line

if TYPE_CHECKING:
    from mteb_hybrid.results.summary import Summary
    from mteb_hybrid.results.table import Row

NEXT_STEPS = """Now the real collections, which are downloaded; -m takes a folder or hub name too:

  {place}mteb run -m {model} -t XQuADRMonolingualRetrieval \\
      XQuADRCrosslingualRetrieval XQuADRMultilingualRetrieval
  {place}mteb-hybrid run -m {model} xquad-r mlqa-r
  {place}mteb-hybrid table results
  {place}mteb-hybrid report results -o report.html
"""


def demo(
    output_folder: Annotated[
        Path, typer.Option(help="Where to keep the results; a second demo there resumes.")
    ] = Path("demo-results"),
) -> None:
    """Evaluate a real multilingual encoder on the embedded sample, in all three settings.

    Needs no network: the encoder comes with the extra `offline`.
    """
    say("Evaluating on the sample: 528 + 1,056 short texts, 132 subsets ...", err=True)
    print(run_demo(output_folder, terminal_width()))


def run_demo(output_folder: Path, width: int | None = None) -> str:
    """Evaluate the offline encoder on the sample through MTEB.

    Args:
        output_folder: Where MTEB keeps the results; a second demo there resumes.
        width: Columns of the terminal.

    Returns:
        The table, what it means, where the results and the report are, and what to run next.

    Raises:
        ImportError: If the extra ``offline`` is not installed.
    """
    from mteb_hybrid import plugin
    from mteb_hybrid.evaluation.evaluate import evaluate
    from mteb_hybrid.evaluation.select import select_tasks
    from mteb_hybrid.models.load import load_model
    from mteb_hybrid.models.offline import MODEL_NAME
    from mteb_hybrid.results.results import load_results
    from mteb_hybrid.results.summary import summarise
    from mteb_hybrid.results.table import LEGEND, render, rows_of

    plugin.register()
    results = evaluate(load_model(MODEL_NAME), select_tasks(["sample"]), output_folder)
    summary = summarise(load_results(results))
    (row,) = [r for r in rows_of(summary) if r.collection.startswith("sample")]
    report = _report(summary, output_folder / "report.html")
    made = f"Results: {line(str(results))}\nReport:  {line(report)}"
    steps = NEXT_STEPS.format(model=MODEL_NAME, place=_place())
    return "\n\n".join([render([row], width=width), LEGEND, meaning(row), made, steps])


def _place() -> str:
    """What to write before our commands, in an environment that is not active."""
    folder = Path(sys.executable).parent
    found = shutil.which("mteb-hybrid")
    if found and Path(found).parent == folder:
        return ""
    here = Path.cwd()
    return shlex.quote(f"{folder.relative_to(here) if folder.is_relative_to(here) else folder}/")


def _report(summary: "Summary", file: Path) -> str:
    """Write the report; say where it is, or what is missing."""
    try:
        from mteb_hybrid.report.page import write_report
    except ModuleNotFoundError:
        return 'not written; it needs the extra: pip install "mteb-hybrid[report]"'
    write_report(summary, file)
    return str(file)


def meaning(row: "Row") -> str:
    """What a row with all cells says about its model, in two sentences."""
    mono, cross, multi, distance = (cell.value if cell else float("nan") for cell in row.cells)
    return (
        f"Asked in one language, the encoder reaches a map of {mono:.3f} where it searches that "
        f"language, {cross:.3f} where it searches another one, and {multi:.3f} where it searches a "
        "pool of all languages at once. In that pool the best and the worst placed translation of "
        f"one answer lie {distance:.0f} ranks apart on average, where a model that looks at the "
        "meaning alone would rank all 11 of them side by side, 10 ranks apart."
    )
