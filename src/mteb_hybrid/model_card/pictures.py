"""The pictures of a model card. Needs matplotlib."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mteb_hybrid.files.whole import whole
from mteb_hybrid.report import figures, matrices, svg
from mteb_hybrid.results.summary import Summary
from mteb_hybrid.retrieval.views import Setting


def draw_results(summary: Summary, folder: Path) -> dict[str, str]:
    """Draw the results of one model.

    Args:
        summary: Results of one model, summed up.
        folder: Where the PNG files go.

    Returns:
        Names of the files, and what each shows.
    """
    drawn: dict[str, tuple[str, Figure]] = {}
    for collection in summary.collections:
        (model,) = collection.models
        stem = collection.card.file.stem
        if not np.isnan(model.transfer).all():
            caption = f"{collection.title}: map, query language against passage language"
            figure = matrices.pairs(collection, model)
            drawn[f"results-{stem}-pairs.png"] = (caption, figure)
        if Setting.MULTILINGUAL in model.evaluations:
            caption = f"{collection.title}: map in the pool of all languages, by query language"
            figure = figures.pool_map(collection)
            drawn[f"results-{stem}-pool.png"] = (caption, figure)
    for name, (_, figure) in drawn.items():
        with whole(folder / name) as part:
            part.write_bytes(svg.file_bytes(figure, "png"))
    return {name: caption for name, (caption, _) in drawn.items()}
