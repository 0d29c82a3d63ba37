"""What limits the results: a report says so instead of hiding it."""

from mteb_hybrid.cards.tasks import card_settings
from mteb_hybrid.results.results import Results

HOW_TO_KEEP = (
    "evaluate again with mteb-hybrid run, which keeps them beside the results (add "
    "--overwrite-strategy always for subsets that are there already)"
)


def notes(results: Results, collection: str) -> list[str]:
    """All that limits the results of one collection, one sentence each."""
    ours = [e for e in results.evaluations if e.card.title == collection]
    said = []
    for model in results.models(collection):
        for setting in card_settings(results.collections[collection]):
            found = results.evaluation(collection, model, setting)
            if found is None:
                said.append(f"{model}: the {setting} setting was not evaluated.")
                continue
            if found.missing:
                some = ", ".join(found.missing[:6]) + (" …" if len(found.missing) > 6 else "")
                said.append(
                    f"{model}: {len(found.missing)} of {len(found.expected)} {setting} subsets are "
                    f"missing ({some}). Its means are over the rest, marked as in "
                    f"({len(found.scores)}/{len(found.expected)}), and not comparable with whole "
                    "ones."
                )
            if k := results.truncated_at(collection, model, setting):
                said.append(
                    f"{model}: rankings of the {setting} setting were cut at {k}; a passage below "
                    f"counts with rank {k + 1}."
                )
            if len(found.mteb_versions) > 1:
                said.append(
                    f"{model}: subsets of {found.task} come from several versions of MTEB: "
                    f"{', '.join(found.mteb_versions)}."
                )
    without = [
        model
        for model in results.models(collection)
        if results.queries(collection, model, ["map"]).is_empty()
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
        ("revisions of the data set", set().union(*(r for r in revisions.values() if len(r) > 1))),
    ):
        if len(versions) > 1:
            shown = ", ".join(sorted(_short(version) for version in versions))
            said.append(
                f"Results of different {what} stand side by side here ({shown}); differences "
                "between them may have that cause."
            )
    names = [name for name, _ in {(e.model, e.revision) for e in ours}]
    for name in sorted({name for name in names if names.count(name) > 1}):
        said.append(f"{name} is here in several revisions; each has its own row.")
    return said


def _short(version: str) -> str:
    commit, plus, translations = version.partition("+")
    return f"{commit[:12]}{plus}{translations}" or "unknown"
