"""The drawings of the pages: part of the page, in its colours and fonts, light or dark."""

import html
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mteb_hybrid.report.style import INK, MUTED, PAPER, SERIES, STYLE
from mteb_hybrid.report.svg import inline

WIDTH = 1.3  # of a box, in heights
COLOURS = dict(zip(("en", "de", "th"), SERIES, strict=False))
BY_LANGUAGE = "en1 en2 en3 de1 de2 de3 th1 th2 th3"
BY_MEANING = "en1 de1 th1 en2 th2 de2 en3 de3 th3"
EXAMPLE = "en1 en2 en3 de1 en4 de2 de3 th2 th1 de4 th3 th4"


def figure(name: str) -> str:
    """One of `FIGURES` with its caption, as HTML."""
    draw, caption = FIGURES[name]
    with mpl.rc_context(STYLE):
        drawn = inline(draw(), f"figure-{name}", name.replace("-", " "), caption)
    return f"<figure>{drawn}<figcaption>{html.escape(caption)}</figcaption></figure>"


def settings() -> Figure:
    """A query of one language, and what it is searched in, for each setting."""
    drawn, axes = _sheet(13.1, 7)
    pools = {"monolingual": ["en"], "cross-lingual": ["de"], "multilingual": ["en", "de", "th"]}
    for index, (setting, languages) in enumerate(pools.items()):
        middle = (2.7, 6.6, 10.8)[index]
        axes.text(middle, 0.4, setting, ha="center", va="center", fontweight="bold", fontsize=10)
        _box(axes, middle - WIDTH / 2, 1, "en", "en", filled=True)
        axes.text(middle - 0.9, 1.5, "query", ha="right", va="center", color=MUTED, fontsize=9)
        arrow = {"arrowstyle": "->", "color": MUTED}
        axes.annotate("", (middle, 3.05), (middle, 2.1), arrowprops=arrow)
        for column, language in enumerate(languages):
            for row in range(3):
                x = middle + 1.5 * (column - (len(languages) - 1) / 2) - WIDTH / 2
                _box(axes, x, 3.2 + 1.2 * row, language, language, filled=row == 1)
    return drawn


def rankings() -> Figure:
    """Two rankings of one pool, and the rank distance of the answer's translations."""
    drawn, axes = _sheet(13.1, 7.9)
    _ranking(axes, 0.3, "ranked by language first, then by meaning", BY_LANGUAGE)
    _ranking(axes, 4.5, "ranked by meaning alone", BY_MEANING)
    return drawn


def example() -> Figure:
    """The ranking that all measures are worked out on."""
    drawn, axes = _sheet(17.3, 3.8)
    _ranking(axes, 0.3, "answer: en1, de1, th1", EXAMPLE)
    return drawn


def batches() -> Figure:
    """What three batches of hybrid training can consist of."""
    drawn, axes = _sheet(13.1, 6.8)
    pairs = {
        "monolingual": "en-en en-en en-en en-en",
        "cross-lingual": "en-de th-en de-th en-th",
        "monolingual ": "th-th th-th th-th th-th",
    }
    for index, (title, batch) in enumerate(pairs.items()):
        left = 0.3 + 4.5 * index
        axes.text(
            left + 1.8, 0.4, title.strip(), ha="center", va="center", fontweight="bold", fontsize=10
        )
        for side, x in (("query", left + 0.65), ("passage", left + 2.85)):
            axes.text(x, 1.25, side, ha="center", va="center", color=MUTED, fontsize=9)
        for row, pair in enumerate(batch.split()):
            query, passage = pair.split("-")
            y = 1.8 + 1.25 * row
            _box(axes, left, y, query, query, filled=True)
            _box(axes, left + 2.2, y, passage, passage, filled=True)
            axes.plot([left + 1.4, left + 2.1], [y + 0.5, y + 0.5], color=MUTED, linewidth=1)
    return drawn


def _sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty drawing in units of a box's height, from the top left."""
    drawn = Figure(figsize=(width * 0.3, height * 0.3))
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return drawn, axes


def _box(axes: Axes, x: float, y: float, language: str, text: str, filled: bool) -> None:
    colour = COLOURS[language]
    inside = colour if filled else "none"
    axes.add_patch(Rectangle((x, y), WIDTH, 1, facecolor=inside, edgecolor=colour, linewidth=1.2))
    style = {"ha": "center", "va": "center_baseline", "fontsize": 10}
    axes.text(x + WIDTH / 2, y + 0.5, text, color=PAPER if filled else INK, **style)


def _ranking(axes: Axes, top: float, title: str, ranking: str) -> None:
    axes.text(0.3, top + 0.2, title, va="center", fontweight="bold", fontsize=10)
    answers = []
    for place, passage in enumerate(ranking.split()):
        x, is_answer = 0.3 + (WIDTH + 0.1) * place, passage.endswith("1")
        _box(axes, x, top + 0.9, passage[:2], passage, filled=is_answer)
        if is_answer:
            answers.append((x + WIDTH / 2, place + 1))
    (first, best), *_, (last, worst) = answers
    y = top + 2.3
    axes.plot([first, first, last, last], [y - 0.2, y, y, y - 0.2], color=INK, linewidth=1)
    text = f"rank {best} to rank {worst}: rank distance {worst - best}"
    axes.text(first, y + 0.5, text, va="center", fontsize=9, color=INK)


FIGURES: dict[str, tuple[Callable[[], Figure], str]] = {
    "settings": (
        settings,
        "The three settings, for an English query. Filled passages answer it; in the multilingual "
        "setting, every translation of the answer does.",
    ),
    "rankings": (
        rankings,
        "Two rankings of one pool for an English query. Filled passages are translations of its "
        "answer. Within each single language, both are without fault.",
    ),
    "example": (
        example,
        "The example: 4 passages in English, German and Thai, ranked for an English query. Filled "
        "passages are translations of its answer.",
    ),
    "batches": (
        batches,
        "Three hybrid batches of four pairs each. Lines join a question with its passage; the "
        "other passages of the batch are its negatives.",
    ),
}
