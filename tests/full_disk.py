"""Gives the commands of ``benchmarks/kills.py`` where no file can grow, as on a full disk.

Run as a program, whose forks can use what threads of another would hold. It prints a line for each
command: what it said, what it left, and what came of it without the limit.
"""

import json
import resource
import sys
from pathlib import Path

from kills import COMMANDS, Place, Process, alone, import_all, make_inputs, together

MOST = 1_000
"""Bytes that a file may have; what a command says has to fit as well."""

LEAST = 300
"""For entries of models, which are small."""


def tried(place, name):
    """What became of a command."""
    command = COMMANDS[name]
    place.begin()
    alone(place, command.before, command.ended)
    before = {*place.trial.rglob("*")}
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = LEAST if name == "models" else MOST
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, unlimited[1]))
    try:
        together(first := Process(place, command.lines, command.ended))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    left = [path.name for path in {*place.trial.rglob("*")} - before]
    together(again := Process(place, command.lines, command.ended))
    said = first.log.read_text().strip().splitlines()
    return {
        "command": name,
        "status": first.status,
        "said": said[-1] if said else "",
        "left": sorted(left),
        "again": again.fault() if again.status else "",
    }


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # it would be cut, and others would read it
    root = Path(sys.argv[1]).resolve()
    import_all()
    place = Place(*(root / part for part in ("in", "trial", "start", "logs")))
    place.logs.mkdir(parents=True)
    make_inputs(place)
    for name in COMMANDS:
        if name != "mteb run":  # its messages are MTEB's
            print(json.dumps(tried(place, name)), flush=True)
