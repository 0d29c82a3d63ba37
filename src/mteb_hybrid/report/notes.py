"""What limits the results: a report says so instead of hiding it."""

from collections.abc import Iterator

from mteb_hybrid.results.cells import short_revision
from mteb_hybrid.results.evaluation import our_versions
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary

HOW_TO_KEEP = (
    "evaluate again with mteb-hybrid run, which keeps them beside the results (add "
    "--overwrite-strategy always for subsets that are there already)"
)


def notes(collection: CollectionSummary) -> list[str]:
    """All that limits the results of one collection, one sentence each."""
    ours = [e for model in collection.models for e in model.evaluations.values()]
    said = list(collection.card.source.limits)
    for model in collection.models:
        for setting in collection.settings:
            found = model.evaluations.get(setting)
            if found is None:
                said.append(f"{model.label}: the {setting} setting was not evaluated.")
                continue
            if found.missing:
                some = ", ".join(found.missing[:6]) + (" …" if len(found.missing) > 6 else "")
                said.append(
                    f"{model.label}: {len(found.missing)} of {len(found.expected)} {setting} "
                    f"subsets are missing ({some}). Its means are over the rest, marked as in "
                    f"({len(found.scores)}/{len(found.expected)}), and not comparable with whole "
                    "ones."
                )
            if tied := model.cells.get((setting, "tied_scores")):
                said.append(
                    f"{model.label}: {tied.value:.0%} of the scores of {tied.subsets} {setting} "
                    "subsets tie with many others: among those the model knows no order, and a low "
                    "bias means little."
                )
            if found.is_on_other_data:
                said.append(
                    f"{model.label}: the {setting} setting was evaluated on revision "
                    f"{short_revision(found.dataset_revision)} of the data, which now have "
                    f"{short_revision(found.current_revision)}: not comparable with results on "
                    "these. `mteb-hybrid run` sets them aside and evaluates anew."
                )
            if len(found.mteb_versions) > 1:
                said.append(
                    f"{model.label}: subsets of {found.task} come from several versions of MTEB: "
                    f"{', '.join(found.mteb_versions)}."
                )
        said += _cut_notes(model)
        said += _cell_notes(model)
    without = [
        model.label
        for model in collection.models
        if not any("map" in frame["measure"] for frame in model.queries.values())
    ]
    if without:
        said.append(
            f"No values per query of {', '.join(without)}: no intervals, and no tests between "
            f"models. To get them, {HOW_TO_KEEP}."
        )
    revisions: dict[str, set[str]] = {}
    for e in ours:  # by task, as translated queries have a revision of their own
        revisions.setdefault(e.task, set()).add(e.dataset_revision)
    for what, versions in (
        ("versions of MTEB", {version for e in ours for version in e.mteb_versions}),
        ("versions of mteb-hybrid", our_versions(ours)),
        ("revisions of the data set", set().union(*(r for r in revisions.values() if len(r) > 1))),
    ):
        if len(versions) > 1:
            shown = ", ".join(sorted(short_revision(v) or "unknown" for v in versions))
            said.append(
                f"Results of different {what} stand side by side here ({shown}); differences "
                "between them may have that cause."
            )
    names = [model.model for model in collection.models]
    for name in sorted({name for name in names if names.count(name) > 1}):
        said.append(f"{name} is here in several revisions; each has its own row.")
    return said


def _cut_notes(model: ModelSummary) -> Iterator[str]:
    cuts: dict[int, list[str]] = {}
    for setting, found in model.evaluations.items():
        if found.truncated_at:
            cuts.setdefault(found.truncated_at, []).append(setting)
    for k, settings in cuts.items():
        which = f"setting{'s' * (len(settings) != 1)} {', '.join(settings)}"
        yield (
            f"{model.label}: rankings of the {which} were cut at {k}; a passage below counts with "
            f"rank {k + 1}, and a query without any answer above the cut has no rank distance."
        )


def _cell_notes(model: ModelSummary) -> Iterator[str]:
    for note in dict.fromkeys(note for cell in model.cells.values() for note in cell.notes):
        yield f"{model.label}: {note}"
