"""Kills whole commands while they write, and gives them again until they end by themselves.

A trial begins with a small folder. In it a process, or two at once, is killed (SIGKILL): before a
file operation in that folder, drawn of those of an uninterrupted run, or at a moment between the
first of these and the end. The same command is given again, killed up to three times in all, and
at last left alone: it must end with status 0, and leave the files of an uninterrupted run.
README.md says what is compared. Rows of the table that --output has already are not made again.
"""

import argparse
import atexit
import hashlib
import importlib
import json
import os
import pkgutil
import random
import re
import select
import shutil
import signal
import string
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

LEFTOVER = re.compile(r".*\.(part|old|lock|damaged|work|tmp)|tmp.*", re.DOTALL)
UNCOMPARED = re.compile(
    r"cache/mteb-hybrid/(digests/.*|translations.sqlite)|.*/versions\.json|temporary|data"
)
"""Named by a time, in the order of work, or of each part of a run; and folders of our own."""
FREE = re.compile(r"evaluation_(time|phases)|date|kg_co2_emissions|encode_kwargs|train_.*")
"""Keys of JSON that may differ."""
MASKED = re.compile(rb"[\d.]+ s(?:econds)?\b|; resumed [\w ]+|\b[mp][0-9a-f]{10}\b")
"""What may differ in texts and drawings: times that it took, how often, and random ids."""
LIMIT = 300
"""Seconds after which a process is taken for stuck."""

Lines = tuple[str, ...]


class Command(NamedTuple):
    """What is killed.

    Attributes:
        lines: Command lines, one after another.
        second: Those of a second process; by default the same.
        before: What the folder of a trial is made with; is not killed.
        ended: What a command says, with status 1, if a killed one had ended its work.
    """

    lines: Lines
    second: Lines = ()
    before: Lines = ()
    ended: str = "(?!)"


ADD = "models add {in}/tiny --name me/"
RUN = "run -m {in}/tiny sample --output-folder {}/results --setting monolingual --query-language "
MTEB = (
    "mteb run -m me/tiny -t HybridSampleMonolingualRetrieval -l eng deu --output-folder {}/results"
)
TRAIN = "train {in}/tiny.toml -o {}/run --resume"
EXPORT = "export sample -o {} --setting multilingual --query-language de --overwrite -f "
TRANSLATE = "translate toy -m {in}/nllb --beams 1 --max-length 8 --into "
REPAIR = "repair {in}/tiny -o {}/repaired --texts {in}/texts --overwrite --directions "
REPORT = "report {in}/results -o {}/report.html --tables {}/tables"
MINE = "mine {in}/pairs.jsonl -m {in}/tiny -o {}/mined.jsonl --from all"
TEACH = "teach {in}/pairs.jsonl -m {in}/tiny -l en -o {}/labels.parquet"
COMMANDS = {
    "run": Command((f"{RUN}en",), (f"{RUN}en --query-language de",)),
    "mteb run": Command((MTEB,), before=(f"{ADD}tiny",)),
    "train": Command((TRAIN,)),
    "translate": Command((f"{TRANSLATE}de --into zh",), (f"{TRANSLATE}ar --into de",)),
    "export": Command((f"{EXPORT}beir",), before=(f"{EXPORT}trec",)),
    "models": Command(
        (f"{ADD}new --replace", "models remove me/old"),
        (f"{ADD}other --replace", f"{ADD}new --replace"),
        before=(f"{ADD}old", f"{ADD}third"),
        ended="no model 'me/old' is registered",
    ),
    "mine": Command((MINE,), ended="is there already"),
    "teach": Command((TEACH,), ended="is there already"),
    "report": Command((REPORT,), before=(REPORT,)),
    "repair": Command((f"{REPAIR}2",), before=(f"{REPAIR}1",)),
}


@dataclass
class Row:
    """What came of a command that was killed again and again.

    Attributes:
        operations: File operations in its folder, without a kill.
        kills: Processes that were killed.
        writing: Times that something unfinished was left by kills.
        trials: Times that it was let end.
        leftovers: What was left then.
        differences: Files that were not those of an uninterrupted run.
        faults: Processes that were not killed and ended with another status than 0.
    """

    command: str
    processes: int
    operations: int = 0
    kills: int = 0
    writing: int = 0
    trials: int = 0
    leftovers: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Place(NamedTuple):
    """Where all happens: what is only read, the folder of a trial, how it begins, and logs."""

    inputs: Path
    trial: Path
    start: Path
    logs: Path

    def begin(self, start: Path | None = None) -> None:
        """Make the folder of a trial anew."""
        shutil.rmtree(self.trial, ignore_errors=True)
        if start:
            shutil.copytree(start, self.trial)
        for name in ("data", "temporary"):
            (self.trial / name).mkdir(parents=True, exist_ok=True)

    def files(self) -> dict[str, object]:
        """What lies in the folder of a trial, less what may differ."""
        found = {p.relative_to(self.trial).as_posix(): p for p in sorted(self.trial.rglob("*"))}
        return {
            name: _comparable(path)
            for name, path in found.items()
            if not UNCOMPARED.fullmatch(name)
        }


def _comparable(path: Path) -> object:
    if path.is_dir():
        return "folder"
    raw = path.read_bytes()
    if path.suffix == ".json":
        return _settled(json.loads(raw))
    if path.suffix == ".jsonl":
        return [_settled(json.loads(line)) for line in raw.splitlines()]
    return hashlib.sha256(MASKED.sub(b"", raw)).hexdigest()


def _settled(value: Any) -> Any:
    """JSON without what may differ, and with the subsets of a result file in one order."""
    if isinstance(value, dict):
        return {key: _settled(some) for key, some in value.items() if not FREE.fullmatch(key)}
    if isinstance(value, list):
        return sorted(map(_settled, value), key=json.dumps)
    return str(value) if value != value else value


class Process:
    """A forked process that runs command lines in the folder of a trial.

    Args:
        place: Where.
        lines: The command lines.
        ended: As of `Command`.
        operation: Kill it before this file operation in the folder of the trial.
        moment: Kill it this many seconds after the first.
    """

    def __init__(
        self, place: Place, lines: Lines, ended: str, operation: int = 0, moment: float = 0
    ) -> None:
        self.planned, self._moment = bool(operation or moment), moment
        self._limit, self._due = time.monotonic() + LIMIT, float("inf")
        self.status, self.operations, self.seconds = 0, 0, 0.0
        self._told, tell = os.pipe()
        self.number = os.fork()
        self.log = place.logs / str(self.number or os.getpid())
        if self.number:
            os.close(tell)
            return
        try:
            for descriptor in (1, 2):
                os.dup2(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
            atexit._clear()
            count = Count(place.trial, tell, operation)
            code = run(lines, ended, place, self.log)
            atexit._run_exitfuncs()
            os.write(tell, f"{count.operations} {time.monotonic() - count.began}".encode())
            os._exit(code)
        except BaseException:
            traceback.print_exc()
            os._exit(99)

    def has_ended(self) -> bool:
        """Whether it has; kills it when its time has come."""
        if self._moment and select.select([self._told], [], [], 0)[0]:
            self._due, self._moment = time.monotonic() + self._moment, 0
        if is_stuck := time.monotonic() > self._limit:
            self.planned = False
        if late := is_stuck or time.monotonic() > self._due:
            os.kill(self.number, signal.SIGKILL)
        number, status = os.waitpid(self.number, 0 if late else os.WNOHANG)
        if number:
            self.status = os.waitstatus_to_exitcode(status)
            told = os.read(self._told, 99).lstrip(b".").split()
            os.close(self._told)
            self.operations, self.seconds = (int(told[0]), float(told[1])) if told else (0, 0.0)
        return bool(number)

    @property
    def killed(self) -> bool:
        """Whether it was killed as planned."""
        return self.planned and self.status == -signal.SIGKILL

    def fault(self) -> str:
        """How it ended, and its last words."""
        said = self.log.read_text(encoding="utf-8", errors="replace")
        return f"{self.status}: {said.strip()[-300:]}"


class Count:
    """Counts the file operations of this process in a folder; it dies before one of them.

    Args:
        folder: The folder.
        tell: A pipe that is told of the first.
        last: Before which to die; never if 0.
    """

    def __init__(self, folder: Path, tell: int, last: int) -> None:
        self.operations, self.began = 0, time.monotonic()
        self._folder, self._tell, self._last = f"{folder}/", tell, last
        self._flush, os.fsync = os.fsync, self._sync
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._count(arguments[0])
        elif event in ("os.remove", "os.rmdir"):
            self._count(*arguments)
        elif event in ("os.rename", "os.mkdir"):
            self._count(arguments[0])

    def _sync(self, descriptor: int) -> None:
        self._count(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        self._flush(descriptor)

    def _count(self, path: Any, within: int = -1) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.fsdecode(path)
        if within >= 0:  # a folder that is open
            name = f"{os.readlink(f'/proc/self/fd/{within}')}/{name}"  # noqa: PTH115
        if name.startswith(self._folder):
            self.operations += 1
            if self.operations == 1:
                self.began = time.monotonic()
                os.write(self._tell, b".")
            if self.operations == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def run(lines: Lines, ended: str, place: Place, log: Path) -> int:
    """Run command lines as their own processes would; returns the first status that is not 0."""
    from mteb.cli import main as mteb_main

    from mteb_hybrid import plugin
    from mteb_hybrid.commands.main import main

    tempfile.tempdir = None
    os.environ |= {
        "TMPDIR": str(place.trial / "temporary"),
        "XDG_CACHE_HOME": str(place.trial / "cache"),
        "MTEB_HYBRID_DATA": str(place.trial / "data"),
        "MTEB_HYBRID_MODELS": str(place.trial / "models"),
        "MTEB_HYBRID_TASKS": str(place.inputs / "cards"),
    }
    plugin.register()
    for line in lines:
        line = line.replace("{in}", str(place.inputs)).replace("{}", str(place.trial))
        sys.argv = line.split() if line.startswith("mteb ") else ["mteb-hybrid", *line.split()]
        try:
            (mteb_main if line.startswith("mteb ") else main)()
        except SystemExit as end:
            said = log.read_text(encoding="utf-8", errors="replace")
            if end.code and not (end.code == 1 and re.search(ended, said)):
                return int(end.code)
    return 0


def together(*processes: Process) -> None:
    """Wait until all have ended."""
    running: Sequence[Process] = processes
    while running := [process for process in running if not process.has_ended()]:
        time.sleep(0.002)


def alone(place: Place, lines: Lines, ended: str) -> Process:
    """Run command lines to the end."""
    together(process := Process(place, lines, ended))
    if process.status:
        raise RuntimeError(f"{lines} fails without a kill: {process.fault()}")
    return process


def campaign(name: str, processes: int, kills: int, seed: int, place: Place) -> Row:
    """Kill a command so many times."""
    command, row = COMMANDS[name], Row(name, processes)
    chance = random.Random(f"{seed} {name} {processes}")  # noqa: S311
    work = [command.lines, command.second or command.lines][:processes]
    place.begin()
    alone(place, command.before, command.ended)
    shutil.rmtree(place.start, ignore_errors=True)
    shutil.move(place.trial, place.start)
    place.begin(place.start)
    first, *_ = [alone(place, lines, command.ended) for lines in work]
    expected, row.operations = place.files(), first.operations

    def plan() -> dict[str, Any]:
        if chance.random() < 0.5:
            return {"operation": chance.randint(1, first.operations)}
        return {"moment": chance.uniform(0.001, first.seconds)}

    while row.kills < kills:
        place.begin(place.start)
        row.trials += 1
        for last in [*[False] * chance.randint(1, 3), True]:
            running = [
                Process(place, lines, command.ended, **({} if last else plan())) for lines in work
            ]
            together(*running)
            row.kills += sum(process.killed for process in running)
            row.faults += [p.fault() for p in running if p.status and not p.killed]
            if not any(process.killed for process in running):
                break
            row.writing += any(LEFTOVER.fullmatch(path.name) for path in place.trial.rglob("*"))
        found = place.files()
        row.leftovers += [file for file in found if LEFTOVER.fullmatch(Path(file).name)]
        row.differences += [
            file
            for file in sorted(found.keys() | expected.keys())
            if found.get(file) != expected.get(file)
        ]
    return row


def make_inputs(place: Place) -> None:
    """Models, data, a recipe, a card and results that commands read."""
    from cards.test_translations import TOY
    from conftest import write_beir_card, write_tiny_model
    from repair.conftest import WORDS
    from training.run.test_train import RECIPE
    from translation.conftest import write_nllb

    folder, chance = place.inputs, random.Random(0)  # noqa: S311
    (folder / "texts").mkdir(parents=True)
    write_tiny_model(folder)
    write_nllb(folder / "nllb")
    write_beir_card(folder / "cards", TOY)
    with (folder / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for number in range(64):
            word = "".join(chance.choices(string.ascii_lowercase, k=3)) * 2
            query = {"en": f"what {word}", "de": f"was {word}"}
            passage = {"en": f"{word} is this", "de": f"{word} ist das"}
            file.write(json.dumps({"id": number, "query": query, "passage": passage}) + "\n")
    recipe = RECIPE.format(model=folder / "tiny").replace("pairs.jsonl", f"{folder}/pairs.jsonl")
    recipe = recipe.partition("[evaluation]")[0] + 'precision = "fp32"\n'
    recipe = recipe.replace("max_steps = 12\nsave_steps = 4", "max_steps = 4\nsave_steps = 2")
    (folder / "tiny.toml").write_text(recipe, encoding="utf-8")
    rows = [chance.choices(range(10), k=6) for _ in range(60)]
    for language, words in WORDS.items():
        text = "".join(" ".join(words[word] for word in row) + "\n" for row in rows)
        (folder / "texts" / f"{language}.txt").write_text(text, encoding="utf-8")
    place.begin()
    alone(place, (f"{RUN}en",), "(?!)")
    shutil.copytree(place.trial / "results", folder / "results")


def import_all() -> None:
    """Import everything once, for all forks."""
    importlib.import_module("conftest")
    package = importlib.import_module("mteb_hybrid")
    for module in pkgutil.walk_packages(package.__path__, "mteb_hybrid."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def main() -> None:
    """Make the rows that are missing; the exit status is 1 if anything was wrong in any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--processes", nargs="+", type=int, choices=(1, 2), default=[1, 2])
    parser.add_argument("--output", type=Path, default=Path("kills.json"))
    options = parser.parse_args()
    import_all()
    rows = json.loads(options.output.read_bytes()) if options.output.exists() else []
    wanted = [(name, number) for name in options.commands for number in options.processes]
    missing = [one for one in wanted if one not in [(r["command"], r["processes"]) for r in rows]]
    with tempfile.TemporaryDirectory() as root:
        place = Place(*(Path(root).resolve() / part for part in ("in", "trial", "start", "logs")))
        place.logs.mkdir()
        make_inputs(place)
        for name, number in missing:
            row = campaign(name, number, -(-options.kills // len(wanted)), options.seed, place)
            rows.append(asdict(row))
            options.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print("|", " | ".join(rows[0]), "|\n" + "| --- " * len(rows[0]) + "|")
    for row in rows:
        cells = [len(cell) if isinstance(cell, list) else cell for cell in row.values()]
        print("|", *cells, "|", sep=" | ")
    sys.exit(any(row["leftovers"] or row["differences"] or row["faults"] for row in rows))


if __name__ == "__main__":
    main()
