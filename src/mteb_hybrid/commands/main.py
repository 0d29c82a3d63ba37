"""The command line: ``mteb-hybrid`` and ``python -m mteb_hybrid``.

What goes wrong is said here, for all commands. The commands themselves are imported in `main`, so
that it is at work when somebody interrupts their import.
"""

import errno
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from mteb_hybrid.commands.terminal import complain, prepare, tell_stopped

_NO_RIGHT = "; name another place, or change its permissions or its owner"
REMEDIES = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), _NO_RIGHT),
    errno.EROFS: "; name a place on another file system",
    errno.ENOSPC: "; make room there, or name a place on another disk",
}
"""What helps where the system's words do not say."""
PRINTING = {"say", "echo", "_write_buffer", "flush"}
"""Functions of ours, typer and rich that write to the terminal."""


def main() -> None:
    """Run the command line; expected errors become one line and exit status 1.

    Ctrl-C (130), SIGTERM (143) and SIGHUP (129) end it quietly: what is being written is removed.
    """
    try:
        _stop_quietly()
        _open_descriptors()
        prepare()
        from mteb_hybrid.commands.app import app

        app()
    except KeyboardInterrupt:
        _leave(128 + signal.SIGINT)
    except SystemExit as end:
        _leave(end.code)
    except Exception as error:
        said = _sentence(error)
        if said is None or os.environ.get("MTEB_HYBRID_TRACEBACK", "0") not in ("", "0"):
            raise
        complain(said)
        _leave(1)


def _stop_quietly() -> None:
    """Turn signals into exceptions, so that what is unfinished is tidied up."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            # Importing torch or numpy, an exception may be swallowed, or told as another one;
            # and nothing is unfinished.
            with suppress(Exception):
                tell_stopped()
            os._exit(128 + number)
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice, the second amid the end
    sys.exit(128 + number)


def _open_descriptors() -> None:
    """Open what was closed: else the next file takes its number, and gets what is printed."""
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        null = os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, os.fdopen(null, "r" if name == "stdin" else "w", encoding="utf-8"))
    if "stdout" in closed:
        raise OSError("standard output is closed; give it a place, such as `> /dev/null`")


def _sentence(error: Exception) -> str | None:
    """What to say of an error that is expected; None if it is none of those."""
    if not isinstance(error, ValueError | ImportError | OSError | MemoryError):
        return None
    if isinstance(error, OSError) and error.strerror:
        if error.filename is not None:
            remedy = REMEDIES.get(error.errno or 0, "")
            return f"{os.fsdecode(error.filename)}: {error.strerror}{remedy}"
        if _printed(error):
            return f"standard output: {error.strerror}"
        return f"{error.strerror}; with MTEB_HYBRID_TRACEBACK=1 you see where"
    return str(error) or "not enough memory"


def _printed(error: Exception) -> bool:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name in PRINTING


def _leave(code: int | str | None) -> None:
    """End with a status, and without a word about output that can no longer be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise SystemExit(code)
