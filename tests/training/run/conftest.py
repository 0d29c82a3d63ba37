"""Runs without their pictures, unless a test asks for them."""

import pytest


@pytest.fixture
def curves():
    """Has the curves of runs drawn, which takes longer than a minute training."""


@pytest.fixture(autouse=True)
def curves_if_asked_for(request, monkeypatch):
    if "curves" not in request.fixturenames:
        monkeypatch.setattr(
            "mteb_hybrid.training.run.curves.draw_curves",
            lambda log, folder, languages: (folder / "curves.png").write_bytes(b"curves"),
        )
