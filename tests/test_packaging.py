"""Cards and startup hook are found in a wheel, a wheel from an sdist, and an editable install.

Each install goes into a fresh environment that has the dependencies of this one, but not its
mteb-hybrid; nothing is downloaded, and everything is built from a copy of the tree.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HOOK = ("mteb_hybrid.pth", "mteb_hybrid.start")
MODES = ("wheel", "wheel-from-sdist", "editable")
NOT_COPIED = (".*", "__pycache__", "*.egg-info", "dist", "build", "demo-results", "study-runs")

# What a user sees: mteb alone is imported first, and finds our tasks through the hook.
PROBE = """
import json, mteb
task = mteb.get_task("HybridSampleMultilingualRetrieval")
import mteb_hybrid
from importlib import metadata
from mteb_hybrid.cards.catalogue import card_folder, task_cards
from mteb_hybrid.sources import load_collection
collection = load_collection(task_cards()["HybridSample"])
plugins = metadata.entry_points(group="mteb.plugins")
print(json.dumps({
    "package": mteb_hybrid.__file__,
    "cards": [str(card.file) for card in task_cards().values()],
    "languages": collection.languages,
    "passages": len(collection.passages),
    "subsets": len(task.hf_subsets),
    "statistics": str(task.metadata.descriptive_stat_path),
    "plugins": {plugin.name: plugin.load().__module__ for plugin in plugins},
    "recorded": [str(file) for file in metadata.files("mteb-hybrid")],
    "version": metadata.version("mteb-hybrid"),
}))
"""


class Installed(NamedTuple):
    environment: Path
    site_packages: Path
    tree: Path
    cwd: Path

    def run(self, *command: str | Path) -> str:
        return run(self.environment / "bin" / command[0], *command[1:], cwd=self.cwd)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that sees neither the checkout nor the network; the hook has no complaint."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_", "MTEB_"))}
    env = {**kept, "HF_HUB_OFFLINE": "1", "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "could not register" not in done.stderr and "Error processing" not in done.stderr
    return done.stdout


def build(source: Path, kind: str, out: Path) -> Path:
    command = (sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, ".")
    run(*command, cwd=source)
    (artefact,) = out.iterdir()
    return artefact


def copy_tree(destination: Path) -> Path:
    # .gitignore, which the copy lacks, names nothing that is not left out here.
    def left_out(folder: str, names: list[str]) -> set[str]:
        at_root = {"results"} if Path(folder) == ROOT else set()
        return shutil.ignore_patterns(*NOT_COPIED)(folder, names) | (at_root & set(names))

    return shutil.copytree(ROOT, destination, ignore=left_out)


def relative_files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob(pattern)
    }


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("built") / "tree")


@pytest.fixture(scope="session")
def wheel(tree, tmp_path_factory) -> Path:
    return build(tree, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tree, tmp_path_factory) -> Path:
    return build(tree, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel_from_sdist(sdist, tmp_path_factory) -> Path:
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return build(source, "wheel", tmp_path_factory.mktemp("wheel-from-sdist"))


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory) -> Path:
    """All that is installed here except mteb-hybrid, whose editable install must not help."""
    folder = tmp_path_factory.mktemp("dependencies")
    for site_packages in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(site_packages).iterdir():
            if not re.search(r"mteb.hybrid|\.pth$|__pycache__", entry.name, re.IGNORECASE):
                (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="session")
def install(dependencies, tmp_path_factory):
    """Install something with pip into an environment of its own, once."""
    made: dict[str, Installed] = {}

    def into_fresh_environment(mode: str, tree: Path, *what: str | Path) -> Installed:
        if mode not in made:
            base = tmp_path_factory.mktemp(mode)
            venv.create(base / "env", symlinks=True, with_pip=False)
            place = {"base": str(base / "env"), "platbase": str(base / "env")}
            site_packages = Path(sysconfig.get_path("purelib", "venv", place))
            # Read after the files of ours: the hook may not depend on any dependency.
            (site_packages / "zz_dependencies.pth").write_text(f"{dependencies}\n")
            (base / "cwd").mkdir()
            made[mode] = Installed(base / "env", site_packages, tree, base / "cwd")
            pip = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check")
            options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
            python = base / "env" / "bin" / "python"
            run(*pip, "--python", python, "install", *options, *what, cwd=base)
        return made[mode]

    return into_fresh_environment


@pytest.fixture(scope="session")
def editable(install, tmp_path_factory) -> Installed:
    tree = copy_tree(tmp_path_factory.mktemp("edited") / "tree")
    return install("editable", tree, "--editable", tree)


@pytest.fixture(scope="session", params=MODES)
def installed(request, install) -> Installed:
    mode = request.param
    if mode == "editable":
        return request.getfixturevalue("editable")
    tree = request.getfixturevalue("tree")
    return install(mode, tree, request.getfixturevalue(mode.replace("-", "_")))


@pytest.fixture(scope="session")
def probed(installed) -> dict[str, Any]:
    return json.loads(installed.run("python", "-c", PROBE))


def expected_folders(installed: Installed) -> tuple[Path, Path]:
    """Where the package and its task cards have to be found."""
    if list(installed.site_packages.glob("_mteb_hybrid.pth")):
        return installed.tree / "src" / "mteb_hybrid", installed.tree / "tasks"
    package = installed.site_packages / "mteb_hybrid"
    return package, package / "_cards" / "tasks"


def test_package_under_test_is_the_installed_one(installed, probed):
    package, _ = expected_folders(installed)
    assert Path(probed["package"]) == package / "__init__.py"
    assert ROOT not in package.parents


def test_every_card_of_the_tree_is_found(installed, probed):
    _, cards = expected_folders(installed)
    assert (ROOT / "tasks" / "sample.toml").is_file()
    names = sorted(file.name for file in (installed.tree / "tasks").glob("*.toml"))
    assert probed["cards"] == [str(cards / name) for name in names]


def test_sample_is_read_and_its_task_known_to_mteb_through_the_hook(probed, sample_card):
    assert probed["languages"] == list(sample_card.languages)
    assert probed["subsets"] == len(sample_card.languages)
    assert probed["passages"] > probed["subsets"]


def test_json_files_of_the_cards_are_installed_unchanged(installed, probed):
    _, cards = expected_folders(installed)
    shipped = relative_files(installed.tree / "tasks", "*.json")
    assert "sample/en.json" in shipped
    assert relative_files(cards, "*.json") == shipped
    assert Path(probed["statistics"]).parent == cards / "statistics"


def test_hook_files_are_installed_and_recorded_for_removal(installed, probed):
    for name in HOOK:
        assert (installed.site_packages / name).read_bytes() == (ROOT / "src" / name).read_bytes()
    assert set(HOOK) <= set(probed["recorded"])


def test_entry_points_work(installed, probed):
    assert probed["plugins"] == {"mteb-hybrid": "mteb_hybrid.plugin"}
    assert installed.run("mteb-hybrid", "--version") == f"mteb-hybrid {probed['version']}\n"


def test_interpreter_start_runs_the_hook_and_imports_nothing_else(installed):
    code = "import sys; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    started = installed.run("python", "-c", code).split()
    assert "mteb_hybrid" in started
    assert not {"mteb", "torch", "numpy", "pydantic", "typing"} & set(started)


def test_wheel_holds_what_it_should(wheel):
    files = contents(wheel)
    (info,) = {name.partition("/")[0] for name in files if ".dist-info/" in name}
    assert {name.partition("/")[0] for name in files} == {"mteb_hybrid", info, *HOOK}
    assert files[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    entry_points = configparser.ConfigParser(delimiters="=")
    entry_points.read_string(files[f"{info}/entry_points.txt"].decode())
    assert {group: dict(entry_points[group]) for group in entry_points.sections()} == {
        "console_scripts": {"mteb-hybrid": "mteb_hybrid.commands.main:main"},
        "mteb.plugins": {"mteb-hybrid": "mteb_hybrid.plugin:register"},
    }


def test_wheel_leaves_out_what_it_should(tree, wheel):
    assert all((tree / folder / "README.md").is_file() for folder in ("tasks", "models"))
    files = contents(wheel)
    unwanted = re.compile(r"README|conftest|\.pyc$|\.git|(^|/)(src/|benchmarks/|tests?/|test_)")
    assert [name for name in files if unwanted.search(name)] == []


def test_wheel_names_no_path_of_this_machine(wheel, tree):
    folders = {ROOT, tree, Path.home(), Path(sys.prefix), Path(sys.base_prefix)} - {Path("/")}
    private = re.compile(b"|".join(re.escape(f"{folder}/".encode()) for folder in folders))
    assert [name for name, data in contents(wheel).items() if private.search(data)] == []


def test_wheel_from_sdist_equals_wheel_from_tree(wheel, wheel_from_sdist):
    assert wheel_from_sdist.name == wheel.name
    assert contents(wheel_from_sdist) == contents(wheel)


def test_citation_and_changelog_name_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["title"], cited["version"], cited["license"]) == (
        project["name"],
        project["version"],
        project["license"],
    )
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.findall(r"^## \[(\d.*)\] - (\S+)$", changes, re.MULTILINE)[0]
    assert (version, date) == (cited["version"], cited["date-released"])


def test_card_added_to_the_tree_is_found_live_by_an_editable_install(editable, request):
    card = (editable.tree / "tasks" / "sample.toml").read_text(encoding="utf-8")
    added = editable.tree / "tasks" / "added.toml"
    card = card.replace('name = "HybridSample"', 'name = "Added"').replace(
        'title = "', 'title = "added '
    )
    added.write_text(card, encoding="utf-8")
    request.addfinalizer(added.unlink)
    listed = editable.run("mteb-hybrid", "tasks", "list")
    assert "AddedMultilingualRetrieval" in listed
    assert "HybridSampleMultilingualRetrieval" in listed
