"""The numbers of a site as CSV, with full precision."""

from mteb_hybrid.results.text_table import write_csv
from mteb_hybrid.site.boards import other_data
from mteb_hybrid.site.kept import Site

HEAD = (
    *("collection", "model", "revision", "setting", "measure", "value", "low", "high"),
    *("subsets", "of", "measured_on", "top", "data_revision", "other_data", "date"),
    *("signature", "command"),
)


def csv(site: Site) -> str:
    """A row for each model, collection, setting and measure."""
    collections = {collection.name: collection for collection in site.collections}
    return write_csv(
        HEAD,
        (
            (
                *(collections[e.collection].title, e.model, e.revision, str(e.setting), measure),
                *(mean.value, mean.low, mean.high, mean.subsets, len(e.expected)),
                *(mean.measured_on, e.truncated_at, e.data_revision),
                "yes" if other_data(e, collections[e.collection]) else "no",
                *(e.date, e.signature, e.command_text),
            )
            for e in site.evaluations
            for measure, mean in e.means.items()
        ),
    )
