"""What is given to work on, checked before anything heavy is imported."""

from pathlib import Path

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.files.named import is_name
from mteb_hybrid.languages.near import did_you_mean


def check_given(what: str) -> None:
    """Find out whether something is the name of a collection, or a file.

    Raises:
        ParallelDataError: If it is neither.
    """
    file, known = Path(what), collections()
    if not is_name(what, known, "collection") and not file.is_file():
        beside = sorted(str(other) for other in file.parent.glob("*.json*"))
        raise ParallelDataError(
            f"{what}: neither a file of parallel JSON lines nor a collection"
            f"{did_you_mean(what, [*beside, *known])} There are {', '.join(known)}"
        )
