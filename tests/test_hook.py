"""The startup hook: the unmodified mteb knows our tasks, and is never harmed by us.

Most tests run in a subprocess whose startup executes the line of ``mteb_hybrid.pth``, installed or
not: see `start`.
"""

import importlib
import io
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from unittest.mock import Mock

import mteb
import pytest

from mteb_hybrid import _hook, plugin
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import tasks_by_name

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODEL = "mteb-hybrid/multilingual-e5-small-q4"
WARNING = "mteb-hybrid could not register its tasks"
REGISTRIES = [
    ("mteb.get_tasks", "_TASKS_REGISTRY", dict),
    ("mteb.get_tasks", "_SIMILAR_TASKS", dict),
    ("mteb.get_tasks", "TASK_LIST", tuple),
    ("mteb.models.model_implementations", "MODEL_REGISTRY", dict),
]

# How often mteb has each of our tasks; every number should be 1.
COUNTS = """
import json, sys
from collections import Counter
from mteb_hybrid.cards.tasks import tasks_by_name
registry = sys.modules["mteb.get_tasks"]
listed = Counter(task.metadata.name for task in registry.TASK_LIST)
similar = Counter((old, new) for old, names in registry._SIMILAR_TASKS.items() for new in names)
finders = [type(finder).__name__ for finder in sys.meta_path].count("RegisteringFinder")
print(json.dumps({
    "finders": finders,
    **{name: listed[name] for name in tasks_by_name()},
    **{f"{new} is like {old}": count for (old, new), count in similar.items()
       if new in tasks_by_name()},
    **{f"same {name}": int(registry._TASKS_REGISTRY.get(name) in registry.TASK_LIST)
       for name in tasks_by_name()},
}))
"""

# An mteb that works, but calls its private registry by another name.
CHANGED_MTEB = """
from importlib.machinery import SourceFileLoader
get_code = SourceFileLoader.get_code
def changed(self, name):
    source = self.get_data(self.path) if name.startswith("mteb.") else b""
    if b"_TASKS_REGISTRY" not in source:
        return get_code(self, name)
    return compile(source.replace(b"_TASKS_REGISTRY", b"_ALL_TASKS"), self.path, "exec")
SourceFileLoader.get_code = changed
"""

STILL_WORKS = """
import mteb
assert mteb.get_task("XQuADRetrieval").metadata.name == "XQuADRetrieval"
assert len(mteb.get_tasks(languages=["tur"])) > 20
try:
    mteb.get_task("XQuADRMultilingualRetrieval")
except KeyError:
    print("works without our tasks")
"""


@pytest.fixture(scope="session")
def startup(tmp_path_factory) -> Path:
    """A folder that makes the interpreter run our ``.pth`` line, wherever the package is."""
    folder = tmp_path_factory.mktemp("startup")
    (folder / "sitecustomize.py").write_bytes((SOURCE / "mteb_hybrid.pth").read_bytes())
    return folder


@pytest.fixture
def start(startup, tmp_path):
    """Run a command in a process with the hook, away from the checkout."""

    def run(*command: str | Path, source: Path = SOURCE, **variables: str):
        # All other variables, so that both sides see the same cards, translations and models.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTHON") and name != "MTEB_HYBRID_DISABLE"
        }
        kept |= {"PYTHONPATH": os.pathsep.join([str(startup), str(source)]), "HF_HUB_OFFLINE": "1"}
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=kept | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def python(start, code: str, *options: str, **settings) -> tuple[str, str]:
    """Run Python code with the hook; it has to succeed. Returns stdout and stderr."""
    done = start(sys.executable, *options, "-c", code, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def without_site(start, code: str, **settings) -> str:
    """Run code in an interpreter without site-packages, so without mteb; nothing on stderr."""
    stdout, stderr = python(start, code, "-S", **settings)
    assert stderr == ""
    return stdout


def complaints(stderr: str) -> list[str]:
    """Warnings that we give, or that our code causes."""
    ours = re.compile(re.escape(WARNING) + "|" + re.escape(f"{SOURCE}{os.sep}") + r".*Warning:")
    return [line for line in stderr.splitlines() if ours.search(line)]


def test_installing_imports_nothing(start):
    code = """
import sys
before = set(sys.modules)
import mteb_hybrid._hook; mteb_hybrid._hook.install()
print(*sorted(set(sys.modules) - before))
"""
    assert without_site(start, code) == "mteb_hybrid mteb_hybrid._hook\n"


def test_pth_line_runs_at_startup_and_imports_nothing_else(start, tmp_path):
    (tmp_path / "site").mkdir()
    shutil.copy(SOURCE / "mteb_hybrid.pth", tmp_path / "site")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "other.pth").write_text("import sys\n")
    code = """
import site, sys
site.addsitedir("other")
before = set(sys.modules)
site.addsitedir("site")
print(*sorted(set(sys.modules) - before), type(sys.meta_path[0]).__name__)
"""
    assert without_site(start, code) == "mteb_hybrid mteb_hybrid._hook RegisteringFinder\n"


def test_start_file_names_the_same_function():
    (line,) = (SOURCE / "mteb_hybrid.start").read_text(encoding="utf-8").splitlines()
    assert pkgutil.resolve_name(line) is _hook.install
    assert "mteb_hybrid._hook.install()" in (SOURCE / "mteb_hybrid.pth").read_text()


def test_installing_twice_adds_one_finder(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    _hook.install()
    once = [*sys.meta_path]
    _hook.install()
    assert sys.meta_path == once
    assert [type(finder).__name__ for finder in once].count("RegisteringFinder") == 1


def test_finder_leaves_other_modules_alone():
    finder = _hook.RegisteringFinder()
    for name in ("json", "mteb.tasks", "mteb_hybrid", "mteb_hybridised", "mtebx"):
        assert finder.find_spec(name) is None


def test_absent_mteb_is_missing_as_ever(start):
    code = """
import importlib.util, sys
assert importlib.util.find_spec("mteb") is None
def attempt():
    try:
        import mteb
    except ImportError as error:
        return type(error), str(error), error.name
bare = attempt()
import mteb_hybrid._hook; mteb_hybrid._hook.install()
assert importlib.util.find_spec("mteb") is None
assert attempt() == bare, (attempt(), bare)
sys.modules["mteb"] = None
halted = attempt()
sys.meta_path.pop(0)
assert attempt() == halted
print(bare[1])
"""
    assert without_site(start, code) == "No module named 'mteb'\n"


def test_failing_mteb_fails_as_ever_and_is_registered_with_when_it_succeeds(start, tmp_path):
    (tmp_path / "mteb.py").write_text(
        "import os\nif 'FIXED' not in os.environ: raise ZeroDivisionError('in mteb')\n"
    )
    code = """
import os, mteb_hybrid._hook
mteb_hybrid._hook.install()
mteb_hybrid._hook.register = lambda: print("registered")
try:
    import mteb
except ZeroDivisionError as error:
    print(error)
import mteb_hybrid.plugin  # a module of ours: still nothing to register with
os.environ["FIXED"] = "1"
print("fixed")
import mteb
"""
    assert without_site(start, code) == "in mteb\nfixed\nregistered\n"


def test_mteb_knows_the_tasks_and_the_model_and_is_otherwise_the_same(start):
    code = f"""
import mteb, sys
from mteb.results import TaskResult
name = "HybridSampleMultilingualRetrieval"
task = mteb.get_task(name)
assert task.metadata.name == name
assert [t.metadata.name for t in mteb.get_tasks(tasks=[name])] == [name]
turkish = [t.metadata.name for t in mteb.get_tasks(languages=["tur"])]
assert turkish.count("XQuADRMultilingualRetrieval") == 1
assert "MLQARMultilingualRetrieval" not in turkish
assert mteb.get_model_meta({MODEL!r}).name == {MODEL!r}
scores = [{{"main_score": 0.5, "hf_subset": "en-multi", "languages": ["eng-Latn"]}}]
result = TaskResult(dataset_revision="1", mteb_version="2.26.0", scores={{"test": scores}},
                    evaluation_time=1, task_name=name)
assert type(result.task) is type(task)
assert result.languages == ["eng"], result.languages

import copy, importlib, importlib.resources, importlib.util, inspect, pickle
assert "get_task" in inspect.getsource(mteb)
assert (importlib.resources.files("mteb") / "get_tasks.py").is_file()
assert type(mteb.__loader__) is importlib.machinery.SourceFileLoader
assert importlib.util.find_spec("mteb").origin == mteb.__file__
assert pickle.loads(pickle.dumps(mteb.get_tasks)) is mteb.get_tasks
copied = copy.deepcopy(task)
assert type(copied) is type(task) and copied.metadata == task.metadata
assert importlib.reload(mteb) is mteb
assert mteb.get_task(name).metadata == task.metadata
{COUNTS}
"""
    stdout, stderr = python(start, code, "-W", "always")
    assert complaints(stderr) == []
    assert set(json.loads(stdout).values()) == {1}


@pytest.mark.parametrize("how", [pytest.param("module", marks=pytest.mark.soak), "script"])
def test_command_line_of_mteb_lists_the_tasks(start, how):
    script = Path(sys.executable).with_name("mteb")
    if how == "script" and not script.is_file():
        pytest.skip("mteb is not installed beside this interpreter")
    command = [script] if how == "script" else [sys.executable, "-m", "mteb"]
    done = start(*command, "available-tasks")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\bXQuADRMultilingualRetrieval\b", done.stdout)
    assert complaints(done.stderr) == []


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param("import mteb_hybrid.evaluation.task", marks=pytest.mark.soak),
        pytest.param(
            "import mteb_hybrid.plugin; mteb_hybrid.plugin.register()", marks=pytest.mark.soak
        ),
        pytest.param(
            "from mteb_hybrid.evaluation.scores import mteb_scores", marks=pytest.mark.soak
        ),
        pytest.param("import mteb_hybrid.retrieval.embeddings, mteb", marks=pytest.mark.soak),
        "import mteb.abstasks",
    ],
)
def test_any_order_of_imports_registers_once(start, imports):
    stdout, stderr = python(start, f"{imports}\n{COUNTS}", "-W", "always")
    assert complaints(stderr) == []
    counts = json.loads(stdout)
    assert {name for name in counts if name in tasks_by_name()} == set(tasks_by_name())
    assert set(counts.values()) == {1}


def test_registering_again_changes_nothing():
    def state():
        found = [getattr(importlib.import_module(m), name) for m, name, _ in REGISTRIES]
        tasks, similar, listed, models = found
        similar = {parent: list(names) for parent, names in similar.items()}
        return dict(tasks), similar, listed, dict(models)

    before = state()
    plugin.register()
    assert state() == before
    assert {"HybridSampleMultilingualRetrieval", "XQuADRetrieval"} <= set(before[0])
    assert MODEL in before[3]


def test_names_that_mteb_has_itself_are_left_to_mteb(monkeypatch):
    module = importlib.import_module("mteb.get_tasks")
    name = "HybridSampleMultilingualRetrieval"
    theirs = module._TASKS_REGISTRY["XQuADRetrieval"]
    monkeypatch.setitem(module._TASKS_REGISTRY, name, theirs)
    listed = module.TASK_LIST
    plugin.register()
    assert module._TASKS_REGISTRY[name] is theirs
    assert listed == module.TASK_LIST


@pytest.mark.parametrize(
    "value", [None, "", " ", "0", "false", "False", "f", "no", "No", "n", "off", "OFF "]
)
def test_hook_registers_unless_disabled(monkeypatch, value):
    calls = []
    monkeypatch.setattr(plugin, "register", lambda: calls.append(1))
    monkeypatch.delenv("MTEB_HYBRID_DISABLE", raising=False)
    if value is not None:
        monkeypatch.setenv("MTEB_HYBRID_DISABLE", value)
    _hook.register()
    assert calls == [1]


@pytest.mark.parametrize("value", ["1", "true", "t", "yes", "Y", "on", "anything else"])
def test_hook_does_not_register_when_disabled(monkeypatch, value):
    calls = []
    monkeypatch.setattr(plugin, "register", lambda: calls.append(1))
    monkeypatch.setenv("MTEB_HYBRID_DISABLE", value)
    _hook.register()
    assert not calls


def test_disabled_mteb_works_and_does_not_know_the_tasks(start):
    code = f"{STILL_WORKS}\nimport sys\nassert 'mteb_hybrid.plugin' not in sys.modules"
    stdout, stderr = python(start, code, "-W", "always", MTEB_HYBRID_DISABLE="1")
    assert stdout == "works without our tasks\n"
    assert complaints(stderr) == []


@pytest.mark.parametrize("warn", ["always", pytest.param("error", marks=pytest.mark.soak)])
def test_changed_mteb_gives_one_warning_and_works(start, warn):
    options = ("-W", "always") if warn == "always" else ("-W", "error::RuntimeWarning")
    stdout, stderr = python(start, f"{CHANGED_MTEB}\n{STILL_WORKS}", *options)
    assert stdout == "works without our tasks\n"
    (line,) = complaints(stderr)
    assert re.search(r"no dict mteb\.get_tasks\._TASKS_REGISTRY", line)
    assert "MTEB_HYBRID_DISABLE=1" in line
    assert "tested with mteb 2.26" in line
    assert "Traceback" not in stderr


@pytest.mark.parametrize(("module", "name", "type_"), REGISTRIES)
@pytest.mark.parametrize("change", ["gone", "other type"])
def test_every_registry_is_checked_before_anything_changes(
    monkeypatch, module, name, type_, change
):
    registry = importlib.import_module("mteb.get_tasks")._TASKS_REGISTRY
    monkeypatch.delitem(registry, "HybridSampleMultilingualRetrieval")
    before = dict(registry)
    if change == "gone":
        monkeypatch.delattr(importlib.import_module(module), name)
    else:
        monkeypatch.setattr(importlib.import_module(module), name, frozenset())
    said = re.escape(f"mteb {mteb.__version__} has no {type_.__name__} {module}.{name}")
    with pytest.raises(plugin.UnsupportedMtebError, match=said):
        plugin.register()
    with pytest.warns(RuntimeWarning, match=said) as given:
        _hook.register()
    assert len(given) == 1
    assert registry == before


class Panic(BaseException):
    """As libraries written in Rust raise it."""


@pytest.mark.parametrize(
    "error",
    [ImportError("no such module"), KeyError("x"), SystemError("y"), SystemExit(3), Panic("z")],
)
def test_any_failure_becomes_one_warning_and_under_w_error_a_message(monkeypatch, capsys, error):
    def fail():
        raise error

    monkeypatch.setattr(plugin, "register", fail)
    with pytest.warns(RuntimeWarning, match=WARNING) as given:
        _hook.register()
    assert len(given) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _hook.register()
    assert capsys.readouterr().err == f"{given[0].message}\n"
    assert type(error).__name__ in str(given[0].message)


def test_an_interruption_is_left_to_who_imports_mteb(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(plugin, "register", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _hook.register()


def test_what_shares_its_loader_is_registered_once(start, tmp_path):
    """From a zip file, where mteb, our modules and all others have one loader."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("mteb/__init__.py", "import mteb.inner, other, mteb_hybrid.first\n")
        archive.writestr("mteb/inner.py", "import mteb_hybrid.second\n")
        archive.writestr("other.py", "")
        archive.writestr("later.py", "")
        archive.writestr("mteb_hybrid/__init__.py", "")
        archive.writestr("mteb_hybrid/_hook.py", (SOURCE / "mteb_hybrid/_hook.py").read_text())
        archive.writestr("mteb_hybrid/first.py", "")
        archive.writestr("mteb_hybrid/second.py", "import mteb\n")
    code = """
import sys
sys.path.insert(0, "all.zip")
import importlib.util, mteb_hybrid._hook as hook
hook.install()
hook.register = lambda: print("registered with", hasattr(sys.modules["mteb"], "inner"))
for _ in range(1000):
    importlib.util.find_spec("mteb")
import mteb_hybrid.second
import mteb, later
assert mteb.__file__.startswith("all.zip")
"""
    assert without_site(start, code, source=tmp_path) == "registered with True\n"


def test_a_loader_that_cannot_be_wrapped_is_left_alone():
    class Loader:
        __slots__ = ()

        def exec_module(self, module):
            pass

    spec = ModuleSpec("mteb", Loader())
    _hook.RegisteringFinder().watch(spec)
    assert spec.loader.exec_module.__func__ is Loader.exec_module


def test_bad_card_gives_one_warning_that_names_it_and_mteb_works(start, tmp_path):
    source = tmp_path / "checkout" / "src"
    ignored = shutil.ignore_patterns("__pycache__", "_cards")
    shutil.copytree(SOURCE / "mteb_hybrid", source / "mteb_hybrid", ignore=ignored)
    cards = tmp_path / "checkout" / "tasks"
    cards.mkdir()
    good = (ROOT / "tasks" / "sample.toml").read_text(encoding="utf-8")
    (cards / "bad.toml").write_text(good.replace('\nlicense = "', '\nlicence = "'))
    (cards / "good.toml").write_text(good)
    stdout, stderr = python(start, STILL_WORKS, "-W", "always", source=source)
    assert stdout == "works without our tasks\n"
    assert stderr.count(WARNING) == 1
    message = stderr[stderr.index(WARNING) :]
    assert re.search(r"bad\.toml: key 'metadata\.licence'", message)
    assert "MTEB_HYBRID_DISABLE=1" in message


def test_own_command_line_lists_tasks_with_and_without_the_hook_and_without_mteb(start):
    code = """
import runpy, sys
sys.argv = ["mteb_hybrid", "tasks", "list"]
try:
    runpy.run_module("mteb_hybrid", run_name="__main__", alter_sys=True)
except SystemExit as stop:
    assert not stop.code
    assert not {"mteb", "torch"} & set(sys.modules)
"""
    listed, _ = python(start, code)
    plain = start(sys.executable, "-m", "mteb_hybrid", "tasks", "list", PYTHONPATH=str(SOURCE))
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout == listed
    for card in task_cards().values():
        assert f"{card.file.stem}: {card.title}" in listed
    for name in tasks_by_name():
        assert name in listed


class _UnspeakableError(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit("\x1b[31mred\nmteb: fine \u202e"), r"red\\nmteb: fine \\u202e\)"),
        (_UnspeakableError(), r"tasks \(_UnspeakableError\)"),
    ],
)
def test_a_failure_is_told_without_escapes(monkeypatch, error, said):
    monkeypatch.setattr(plugin, "register", Mock(side_effect=error))
    monkeypatch.delenv("MTEB_HYBRID_DISABLE", raising=False)
    with pytest.warns(RuntimeWarning, match=said) as found:
        _hook.register()
    assert "\x1b" not in str(found[0].message) and "\n" not in str(found[0].message)
    stream = io.StringIO()
    stream.close()
    for closed in (None, stream):
        monkeypatch.setattr(sys, "stderr", closed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _hook.register()
