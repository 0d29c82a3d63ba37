"""The demo: a real encoder on the embedded sample, in all three settings, and then repaired."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import goes_on, say, told_when_stopped
from mteb_hybrid.files.command_line import publishable
from mteb_hybrid.files.places import check_writable
from mteb_hybrid.files.safe_text import line

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from mteb_hybrid.results.summary import Summary
    from mteb_hybrid.results.table import Row

NEXT_STEPS = """Now the real collections, which are downloaded, before and after a repair; your own
model, a hub name or a folder, may take the place of the encoder:

  {place}mteb-hybrid run -m {model} xquad-r mlqa-r
  {place}mteb-hybrid repair {model} --texts ntrex -o repaired
  {place}mteb-hybrid run -m repaired xquad-r mlqa-r
  {place}mteb-hybrid table results
  {place}mteb-hybrid report results -o report.html

Or with MTEB alone:

  {place}mteb run -m {repaired} -t XQuADRMonolingualRetrieval \\
      XQuADRCrosslingualRetrieval XQuADRMultilingualRetrieval
"""


def demo(
    output_folder: Annotated[
        Path,
        typer.Option(
            "--output-folder", "-o", help="Where to keep the results; a second demo there resumes."
        ),
    ] = Path("demo-results"),
) -> None:
    """Evaluate a real multilingual encoder on the embedded sample, repair it, evaluate it again.

    All three settings, in about two minutes. Needs no network: the encoder comes with the extra
    `offline`, the repair with the package.

    Example: mteb-hybrid demo --output-folder my-results
    """
    check_writable(output_folder)
    say(
        "Evaluating the encoder on the sample, as it is and repaired: 2 x 132 subsets ...", err=True
    )
    with told_when_stopped(goes_on):
        made = run_demo(output_folder, terminal_width())
    print(made)


def run_demo(output_folder: Path, width: int | None = None) -> str:
    """Evaluate the offline encoder on the sample through MTEB, as it is and repaired.

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
    from mteb_hybrid.models import offline
    from mteb_hybrid.models.load import load_model
    from mteb_hybrid.repair.offline import MODEL_NAME, with_shipped_repair
    from mteb_hybrid.results.results import load_results
    from mteb_hybrid.results.summary import summarise
    from mteb_hybrid.results.table import legend, render, rows_of

    plugin.register()
    encoder: Any = load_model(offline.MODEL_NAME)
    _compute_once(encoder.model)
    tasks = select_tasks(["sample"])
    results = [
        evaluate(model, tasks, output_folder) for model in (encoder, with_shipped_repair(encoder))
    ]
    summary = summarise(load_results(results))
    rows = [row for row in rows_of(summary) if row.collection.startswith("sample")]
    report = _report(summary, output_folder / "report.html")
    made = f"Results: {line(str(output_folder / 'results'))}\nReport:  {line(report)}"
    steps = NEXT_STEPS.format(model=offline.MODEL_NAME, repaired=MODEL_NAME, place=_place())
    return "\n\n".join([render(rows, width=width), legend(rows), meaning(*rows), made, steps])


def _compute_once(model: "SentenceTransformer") -> None:
    """Let the first module of a model keep what it makes of a batch, for a model that shares it."""
    module: Any = model[0]
    compute, kept = module.forward, {}

    def forward(features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        ids = features["input_ids"].cpu().numpy()
        key = (ids.shape, ids.tobytes())
        if key not in kept:
            kept[key] = dict(compute(features, **kwargs))
        return dict(kept[key])

    module.forward = forward


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
    from mteb_hybrid.repair.offline import RECORD
    from mteb_hybrid.repair.record import record_in

    command = publishable(["mteb-hybrid", "demo", "--output-folder", str(file.parent)])
    write_report(summary, file, repairs=[record_in(RECORD)], command=command)
    return str(file)


def meaning(before: "Row", after: "Row") -> str:
    """What the rows of a model, as it is and with the shipped repair, say of it.

    Args:
        before: A row with all cells.
        after: Likewise.
    """
    from mteb_hybrid.repair.offline import RECORD
    from mteb_hybrid.repair.record import record_in

    (mono, cross, multi, distance), (own, _, pool, near) = (
        [cell.value if cell else float("nan") for cell in row.cells] for row in (before, after)
    )
    fit = record_in(RECORD)
    return (
        f"Asked in one language, the encoder reaches a map of {mono:.3f} where it searches that "
        f"language, {cross:.3f} where it searches another one, and {multi:.3f} where it searches a "
        "pool of all languages at once. In that pool the best and the worst placed translation of "
        f"one answer lie {distance:.0f} ranks apart on average, where a model that looks at the "
        "meaning alone would rank all 11 of them side by side, 10 ranks apart.\n\n"
        f"The repair takes out of every vector the {fit.directions} directions in which the "
        f"means of {len(fit.languages)} languages differ, and trains nothing. With it the "
        f"map is {pool:.3f} in the pool and {own:.3f} within a language, and translations lie "
        f"{near:.0f} ranks apart. It was fitted on other text: 200 sentences a language of "
        "TICO-19, which lacks 5 of these 11 languages."
    )
