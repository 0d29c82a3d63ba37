"""What commands print: safe for any terminal, and in any encoding."""

import codecs
import logging
import os
import shlex
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mteb_hybrid.files.safe_text import line, message, visible

# What our own words hold beyond ASCII, for encodings that lack it; directions are isolated by no
# terminal that has no letters to isolate.
_PLAIN = {
    **{"–": "-", "─": "-", "━": "-", "…": "...", "×": "x", "±": "+/-", "≥": ">=", "≤": "<="},
    **{"“": '"', "”": '"', "’": "'", "\u2067": "", "\u2069": ""},
}
PROSE = 100
"""How many columns lines of prose have at most."""
_format_warning = warnings.formatwarning
_told: list[Callable[[], str]] = []


def say(*lines: str, err: bool = False) -> None:
    """Print lines of words in which names, paths and texts may stand, as they are.

    Each argument stays one line. What is in a format of its own, such as a table, is printed as it
    is: `mteb_hybrid.results.text_table` makes it safe.
    """
    print(*map(line, lines), sep="\n", file=sys.stderr if err else sys.stdout, flush=True)


def prose(text: str, indent: str = "") -> None:
    """Print a paragraph of words in lines that are not too long, whatever reads them.

    Args:
        text: The paragraph, in which names may stand.
        indent: What lines after the first begin with.
    """
    width = PROSE
    if sys.stdout.isatty():
        width = min(width, os.get_terminal_size(sys.stdout.fileno()).columns or width)
    wrapper = textwrap.TextWrapper(
        width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    say(*wrapper.wrap(visible(text)))


def complain(error: object) -> None:
    """Say on stderr what went wrong; an error that lists several things has several lines."""
    print(message(f"mteb-hybrid: {error}"), file=sys.stderr, flush=True)


@contextmanager
def told_when_stopped(how: Callable[[], str]) -> Iterator[None]:
    """Say how to go on when Ctrl-C, SIGTERM or SIGHUP ends what is done.

    Args:
        how: Gives a sentence, asked at that moment.
    """
    _told.append(how)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        tell_stopped()
        raise
    finally:
        _told.pop()


def tell_stopped() -> None:
    """Say how to go on, if `told_when_stopped` is at work."""
    if _told:
        complain(f"stopped; {_told[-1]()}")


def goes_on() -> str:
    """For `told_when_stopped`: what is said of commands that keep what they have made."""
    return f"the same command goes on from here: {again()}"


def again(*further: str) -> str:
    """The command that is running, as one that can be pasted, with further options."""
    if "RANK" in os.environ:  # whoever started several processes knows how
        return " ".join(["the same command", *(f"with {option}" for option in further)])
    program = ["mteb-hybrid"]
    if not shutil.which("mteb-hybrid"):
        program = [sys.executable, "-m", "mteb_hybrid"]
    words = sys.argv[1:]
    return shlex.join([*program, *words, *(word for word in further if word not in words)])


def prepare() -> None:
    """Make everything that this process prints safe: what others print, warnings and logs too.

    A character that the encoding of a stream lacks is replaced; it stops nothing.
    """
    codecs.register_error("mteb_hybrid.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # None where it is closed
            stream.reconfigure(errors="mteb_hybrid.plain")
    warnings.formatwarning = _safe_warning
    if logging.lastResort:  # prints what is logged where no handler was configured
        logging.lastResort.setFormatter(_SafeFormatter())


class _SafeFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return message(super().format(record))


def _safe_warning(*args: Any, **kwargs: Any) -> str:
    said, category, *_ = args
    if category.__module__.startswith("mteb_hybrid"):  # where in our code it is helps nobody
        return message(f"mteb-hybrid: {said}") + "\n"
    return message(_format_warning(*args, **kwargs).rstrip("\n")) + "\n"


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _escape(c) for c in lacking), error.end


def _escape(char: str) -> str:
    return "" if char in _PLAIN else char.encode("ascii", "backslashreplace").decode()
