"""A model against a baseline, question by question, over the subsets that both have."""

import polars as pl

from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.results.compare import CompareError, compare
from mteb_hybrid.results.results import COMPARED
from mteb_hybrid.results.summary import ModelSummary
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.site.kept import Compared


def compared(
    collection: str, first: ModelSummary, second: ModelSummary
) -> tuple[list[Compared], list[str]]:
    """Compare two models in every setting that both have values per query of.

    Args:
        collection: Name of the card.
        first: The baseline.
        second: The other model.

    Returns:
        A row for each setting and measure; and what could not be compared, and why.
    """
    rows: list[Compared] = []
    refused = []
    for setting in Setting:
        if setting not in first.evaluations or setting not in second.evaluations:
            continue
        try:
            rows += _compared(collection, first, second, setting)
        except CompareError as error:
            why = visible(str(error).replace("\n  ", " ").replace("\n", ". "))
            refused.append(f"{said(collection, setting, first, second)}{why}")
    return rows, refused


def said(collection: str, setting: Setting, first: ModelSummary, second: ModelSummary) -> str:
    """How it begins to be said that two models could not be compared."""
    models = (f"{m.model} @ {m.revision[:12]}" for m in (second, first))
    return f"{collection}, {setting}: {' and '.join(models)}: "


def _compared(
    collection: str, first: ModelSummary, second: ModelSummary, setting: Setting
) -> list[Compared]:
    data = {m.evaluations[setting].dataset_revision for m in (first, second)} - {""}
    if len(data) > 1:
        raise CompareError("they were evaluated on different revisions of the data.")
    if setting not in first.queries or setting not in second.queries:
        raise CompareError(
            "one has no values per query; `mteb-hybrid run` keeps them beside the results."
        )
    sides = first.queries[setting], second.queries[setting]
    pools = [set(side["pool"]) for side in sides]
    if not (both := pools[0] & pools[1]):
        raise CompareError("they have no subset in common.")
    known = pl.col("value").is_not_nan()
    common = pl.col("pool").is_in(list(both))
    one, other = (side.filter(common) for side in sides)
    has = [set(side.filter(known)["measure"]) for side in (one, other)]
    measures = [measure for measure in COMPARED if measure in has[0] & has[1]]
    if not measures:
        raise CompareError("they have values per query of no measure in common.")
    table = compare(one, other, measures, names=(first.label, second.label))
    table = table.rename({"left_out": "queries_left_out"})
    fields = set(Compared.model_fields) & set(table.columns)
    both_evaluated = first.evaluations[setting], second.evaluations[setting]
    expected = {subset for e in both_evaluated for subset in e.expected}
    cut = max(e.truncated_at or 0 for e in both_evaluated) or None
    return [
        Compared(
            collection=collection,
            setting=setting,
            baseline=(first.model, first.revision),
            model=(second.model, second.revision),
            pools=sorted(both),
            left_out=sorted(expected - both),
            truncated_at=cut,
            **{name: value for name, value in row.items() if name in fields},
        )
        for row in table.iter_rows(named=True)
    ]
