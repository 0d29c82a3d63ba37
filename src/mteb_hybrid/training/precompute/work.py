"""Results that are kept until all are there, so that a run that was killed goes on."""

import gzip
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import json_file, json_line
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.safe_text import line, message
from mteb_hybrid.files.whole import whole, write_json

T = TypeVar("T")
Floats = npt.NDArray[np.float32]

ABOUT = "about.json"

PART = 2048
"""Items of a part, which is what a kill costs at most."""


class PrecomputeError(DataError):
    """Hard negatives or labels that cannot be made. The message says what was expected."""


class Work:
    """A folder beside an output, ``OUTPUT.work``, with all that was made for it so far.

    Args:
        folder: The folder.
        about: All that the results depend on.

    Raises:
        PrecomputeError: If the folder has results that depend on something else.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder = folder
        file = folder / ABOUT
        here = json.loads(json.dumps(about))
        if file.is_file():
            before = json_file(file, dict)
            for key in sorted({*before, *here}):
                if before.get(key) != here.get(key):
                    raise PrecomputeError(
                        f"{folder}: an unfinished run with {key} {before.get(key)!r}, and now it "
                        f"is {here.get(key)!r}; give the same again to go on, or remove that "
                        "folder to begin anew"
                    )
            print(message(f"{folder}: going on with what is there"), file=sys.stderr, flush=True)
        else:
            write_json(file, here)

    def arrays(
        self, name: str, items: Sequence[T], make: Callable[[list[T]], npt.ArrayLike]
    ) -> Floats:
        """An array with a row for every item, made in parts; those that are there are read.

        Args:
            name: What it is; names files and the progress bar.
            items: N items.
            make: Makes the rows of some items.

        Returns:
            Shape (N, …), float32.
        """
        parts = []
        with tqdm(total=len(items), desc=line(name), unit=" texts", disable=None) as bar:
            for start in range(0, len(items), PART):
                some = list(items[start : start + PART])
                file = self.folder / name / f"{start:012}.npy"
                if not file.is_file():
                    made = np.asarray(make(some), dtype=np.float32)
                    with whole(file) as part, part.open("xb") as stream:
                        np.save(stream, made, allow_pickle=False)
                parts.append(np.load(file, allow_pickle=False))
                bar.update(len(some))
        return stacked(parts)

    def remove(self) -> None:
        """Remove the folder: the output is whole."""
        _remove(self.folder)


def stacked(parts: Sequence[Floats]) -> Floats:
    """Arrays one after another, also where there is none."""
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else np.empty((0, 0), np.float32)


@contextmanager
def new_output(output: Path, about: Mapping[str, Any]) -> Iterator[tuple[Work, Path]]:
    """Write an output whole or not at all, with what it was made of beside it.

    Another process that makes the same waits, and is then told that it is there.

    Args:
        output: Where it goes; ``OUTPUT.provenance.json`` tells of it.
        about: All that it depends on.

    Yields:
        The work folder, which goes once the output is there, and the path to write to.

    Raises:
        PrecomputeError: If the output is there already.
    """
    told = output.with_name(f"{output.name}.provenance.json")
    folder = output.with_name(f"{output.name}.work")
    with lock(output):
        if output.exists():
            _remove_finished(folder, told)
            raise PrecomputeError(f"{output}: is there already; remove it or give another --output")
        work = Work(folder, about)
        with whole(output, follow=True) as part:
            yield work, part
            write_json(told, about)
        work.remove()


def _remove_finished(folder: Path, told: Path) -> None:
    """Remove a work folder that a kill left after its output was whole."""
    with suppress(OSError):  # it is empty, if the kill came before its last operation
        folder.rmdir()
    file = folder / ABOUT
    if file.is_file() and told.is_file():
        about, provenance = (json_file(each, dict) for each in (file, told))
        if about.items() <= provenance.items():
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a work folder; what tells that it may be removed goes last."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ABOUT:
            path.unlink()
    shutil.rmtree(folder)


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]], *, gzipped: bool) -> None:
    """Write rows as JSON lines; the same rows give the same bytes."""
    lines = (f"{json_line(row)}\n".encode() for row in rows)
    with file.open("xb") as raw:
        if not gzipped:
            raw.writelines(lines)
            return
        with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as stream:
            stream.writelines(lines)
