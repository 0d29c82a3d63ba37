"""What a killed process leaves, without killing one."""

import os
import subprocess
import sys

from mteb_hybrid.files.leftovers import unfinished


def of_the_dead(path, kind):
    """Where a process that is no more wrote a file or folder (part), or put what it was (old)."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    assert dead.wait(30) == 0
    name = unfinished(path.name).replace(f"-{os.getpid()}-", f"-{dead.pid}-")
    return path.with_name(f"{name}01234567.{kind}")
