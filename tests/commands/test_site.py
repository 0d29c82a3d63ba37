import subprocess
import sys

from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from results.conftest import write_task

runner = CliRunner()


def test_site(tmp_path):
    write_task(tmp_path / "results", "org/a", "HybridSampleMultilingualRetrieval", 0.5)
    output = tmp_path / "site"
    given = ["site", str(tmp_path / "results"), "-o", str(output), "--title", "Ours <b>"]
    result = runner.invoke(app, given)
    assert result.exit_code == 0, result.output
    assert f"Site: {output / 'index.html'} (models on it: 1)" in result.output
    assert "<h1>Ours &lt;b&gt;</h1>" in (output / "index.html").read_text(encoding="utf-8")
    assert list((output / "reports").iterdir())


def test_missing_extra_is_named(tmp_path):
    """Neither torch nor mteb is needed either."""
    folder = write_task(tmp_path, "org/a", "HybridSampleMonolingualRetrieval", 0.5)
    code = """
import sys
sys.modules["matplotlib"] = None
from mteb_hybrid.commands.main import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "site", str(folder), "-o", str(tmp_path / "s")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        'mteb-hybrid: a site needs matplotlib, of an extra: pip install "mteb-hybrid[report]"\n'
    )
    assert not (tmp_path / "s").exists()


def test_neither_torch_nor_mteb_is_needed(tmp_path):
    folder = write_task(tmp_path, "org/a", "HybridSampleMonolingualRetrieval", 0.5)
    code = f"""
import sys
from mteb_hybrid.commands.app import app
app(["site", {str(folder)!r}, "-o", {str(tmp_path / "s")!r}], standalone_mode=False)
assert not {{"torch", "mteb"}} & set(sys.modules), sorted(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
