"""The curves of a run: what a reader finds in them, and the same bytes each time."""

import re

from mteb_hybrid.training.run.curves import draw_curves

LOG = [
    {
        "step": step,
        "loss": 1 / step,
        "hybrid/monolingual": 0.4,
        "hybrid/alpha": 0.5,
        "hybrid/pairs/en-de": step,
        "hybrid/pairs/de-de": 2 * step,
    }
    for step in range(1, 5)
] + [{"step": 4, f"eval_sample_{setting}_map": 0.5} for setting in ("monolingual", "multilingual")]
LOG[-1]["step"] = 3


def written(folder):
    """The words in the picture, which are drawn as paths."""
    return re.findall(r"<!-- (.*?) -->", (folder / "curves.svg").read_text())


def test_the_curves_of_a_run(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        draw_curves(LOG, tmp_path / name, ("en", "de"))
    words = written(tmp_path / "one")
    assert [word for word in words if not word.replace(".", "").isdigit()] == [
        *("training loss", "map", "monolingual", "multilingual", "step"),
        *("share of batches", "monolingual so far", "alpha", "step"),
        *("examples so far, by language", "de", "en"),
    ]
    for file in ("curves.svg", "curves.png"):
        one, other = ((tmp_path / name / file).read_bytes() for name in ("one", "other"))
        assert one == other and len(one) > 10_000


def test_a_run_without_steps_says_so(tmp_path):
    draw_curves([], tmp_path, ("en", "de"))
    assert written(tmp_path).count("none") == 3
