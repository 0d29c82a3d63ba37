"""The pictures of a model card. Needs matplotlib."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mteb_hybrid.files.whole import whole
from mteb_hybrid.report import Results, figures, svg
from mteb_hybrid.retrieval.views import Setting


def draw_results(results: Results, folder: Path) -> dict[str, str]:
    """Draw the results of one model.

    Args:
        results: Results of one model.
        folder: Where the PNG files go.

    Returns:
        Names of the files, and what each shows.
    """
    drawn: dict[str, tuple[str, Figure]] = {}
    for collection, card in results.collections.items():
        (model,) = results.models(collection)
        if not np.isnan(results.matrix(collection, model)).all():
            caption = f"{collection}: map, query language against passage language"
            figure = figures.transfer_matrix(results, collection, model)
            drawn[f"results-{card.file.stem}-pairs.png"] = (caption, figure)
        if results.evaluation(collection, model, Setting.MULTILINGUAL):
            caption = f"{collection}: map in the pool of all languages, by query language"
            figure = figures.pool_map(results, collection)
            drawn[f"results-{card.file.stem}-pool.png"] = (caption, figure)
    for name, (_, figure) in drawn.items():
        with whole(folder / name) as part:
            part.write_bytes(svg.file_bytes(figure, "png"))
    return {name: caption for name, (caption, _) in drawn.items()}
