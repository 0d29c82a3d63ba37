"""``mteb-hybrid explore``, as it is given."""

from typer.testing import CliRunner

from mteb_hybrid.commands.app import app


def test_explore(kept, tmp_path):
    output = tmp_path / "new" / "page"
    arguments = ["explore", str(kept), "-o", str(output), "--task", "sample"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"Page: {output / 'index.html'}" in result.output
    assert "bridge" in (output / "data" / "rows-000.js").read_text(encoding="utf-8")
    result = CliRunner().invoke(app, [*arguments, "--without-text"])
    assert "Texts are left out, as was asked" in result.output
    assert "as was asked" in (output / "index.html").read_text(encoding="utf-8")
    assert "Lorvel" not in (output / "data" / "rows-000.js").read_text(encoding="utf-8")
    (output / "data" / "mine.txt").write_text("mine")
    result = CliRunner().invoke(app, arguments)
    assert "holds other files" in str(result.exception)
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 0
    assert not (output / "data" / "mine.txt").exists()
