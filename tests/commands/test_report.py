import json
import subprocess
import sys

from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.repair.sample import RepairError
from repair.conftest import RECORD

runner = CliRunner()


def test_report(made, tmp_path):
    output = tmp_path / "new" / "report.html"
    arguments = ["report", str(made.folder), "-o", str(output)]
    arguments += ["--figures", str(tmp_path / "f"), "--tables", str(tmp_path / "t")]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"Report: {output}" in result.output
    assert output.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list((tmp_path / "f").glob("*.png")) and list((tmp_path / "t").glob("*.tex"))


def test_it_leads_to_the_explorer(made, tmp_path):
    place = tmp_path / "an <explorer>"
    command = ["report", str(made.folder), "-o", str(tmp_path / "new" / "r.html")]
    command += ["--explorer", str(place)]
    assert "has no index.html; make it with" in str(runner.invoke(app, command).exception)
    place.mkdir()
    (place / "index.html").touch()
    assert runner.invoke(app, command).exit_code == 0
    html = (tmp_path / "new" / "r.html").read_text(encoding="utf-8")
    assert '<a href="../an%20%3Cexplorer%3E/index.html">Query by query</a>' in html


def test_repairs_are_a_section(made, tmp_path):
    folder = tmp_path / "repaired" / "model_card"
    folder.mkdir(parents=True)
    output = tmp_path / "r.html"
    command = ["report", str(made.folder), "-o", str(output), "--repair", str(folder.parent)]
    (folder / "repair.json").write_text(json.dumps(RECORD), encoding="utf-8")
    result = runner.invoke(app, [*command, "--figures", str(tmp_path / "f")])
    assert result.exit_code == 0, result.output
    assert '<h2 id="repairs">' in output.read_text(encoding="utf-8")
    assert (tmp_path / "f" / "repair-1-strength.svg").is_file()
    output.unlink()
    record = {key: value for key, value in RECORD.items() if key != "where"}
    (folder / "repair.json").write_text(json.dumps(record), encoding="utf-8")
    result = runner.invoke(app, command)
    assert isinstance(result.exception, RepairError)
    assert f"{folder / 'repair.json'}: key 'where': Field required" in str(result.exception)
    assert not output.exists()


def test_help_teaches():
    result = runner.invoke(app, ["report", "--help"])
    assert result.exit_code == 0 and "Example" in result.output
    assert "--repair" in result.output


def test_missing_extra_is_named(made, tmp_path):
    """Neither torch nor mteb is needed, and a missing matplotlib is said to be missing."""
    code = """
import sys
sys.modules["matplotlib"] = None
from mteb_hybrid.commands.main import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "report", str(made.folder), "-o", str(tmp_path / "r.html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        'mteb-hybrid: a report needs matplotlib, of an extra: pip install "mteb-hybrid[report]"\n'
    )


def test_a_table_needs_no_statistics(made):
    """`table` and `tasks list` are not to wait for what they do not use."""
    code = f"""
import sys
from mteb_hybrid.commands.app import app
app(["tasks", "list"], standalone_mode=False)
assert "mteb_hybrid.results.results" not in sys.modules
app(["table", {str(made.folder)!r}], standalone_mode=False)
assert not {{"scipy", "torch", "mteb", "matplotlib"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_report_needs_neither_torch_nor_mteb(made, tmp_path):
    code = f"""
import sys
from mteb_hybrid.commands.app import app
app(["report", {str(made.folder)!r}, "-o", {str(tmp_path / "r.html")!r}], standalone_mode=False)
assert not {{"torch", "mteb", "datasets", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
