"""Captions of images in many languages, as Crossmodal-3600 publishes them: text to text.

Format: google.github.io/crossmodal-3600, ``captions.jsonl`` in ``captions.zip``. A line is an
image: ``{"image/key": …, "image/locale": …, "en": {"caption": ["…", "…"], …}, "de": …}``. Other
keys are ignored, so the tokenised captions are not read: they are the same ones, made for
computing BLEU and the like.

Every caption is a query and a passage, both with the id ``language:image key.index``. Its group is
the image: all other captions of it are relevant, in its own language too. A caption that repeats
another one of its image word for word, in the same language, is left out, for to find it would be
to find the query's own text. Captions of different images that read alike stay apart, and tie.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.known_faults import LeftOut
from mteb_hybrid.files.archives import opened
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import decoded, lines, numbered
from mteb_hybrid.languages.codes import find_language
from mteb_hybrid.retrieval.collection import TEXTS, Collection
from mteb_hybrid.sources.locate import locate_file

_EXAMPLE = '{"image/key": "…", "en": {"caption": ["…", "…"]}, "de": {"caption": ["…"]}}'
_REMEDY = "Get the published file again, or correct that line."


def read(card: TaskCard) -> Collection:
    """Read the captions of all languages of a card, one image at a time.

    Args:
        card: Its card.

    Returns:
        The collection. Its queries are its passages, and images are their groups.

    Raises:
        DataError: If the file is missing, altered, no zip file of one file, not UTF-8 or not JSON
            lines; an image's key is missing or repeats; or a language of the card is missing or
            has an empty caption. With the line.
    """
    (entry,) = card.source.further_files()
    file = locate_file(card, entry)
    columns: dict[str, list[str]] = {name: [] for name in TEXTS}
    seen: dict[str, int] = {}
    left_out = LeftOut(card.title, card.source.known_faults)
    with _opened(file) as found:
        for number, (where, line) in enumerate(found, 1):
            image = decoded(where, line)
            if not isinstance(image, dict):
                raise _error(where, "is no object", f"a line such as {_EXAMPLE}")
            key = image.get("image/key")
            if not isinstance(key, str) or not key:
                raise _error(where, f"'image/key' is {key!r}", "the image's key, a string")
            if key in seen:
                if left_out("repeated_ids", [where]):
                    continue
                raise _error(where, f"repeats the image {key!r} of line {seen[key]}", "it once")
            seen[key] = number
            for language in card.languages:
                captions = _captions(where, language, _of(image, language), left_out)
                for text, index in captions.items():
                    columns["id"].append(f"{language}:{key}.{index}")
                    columns["text"].append(text)
                    columns["language"].append(language)
                    columns["group"].append(key)
    if not seen:
        raise DataError(f"{file}: is empty; expected lines such as {_EXAMPLE}. {_REMEDY}")
    left_out.log()
    table = pl.DataFrame(columns, TEXTS)
    # Passages of one language together, in the order of tables, as in the other formats.
    order = pl.col("language").cast(pl.Enum(list(card.languages)))
    table = table.sort(order, maintain_order=True)
    return Collection(
        name=card.title,
        languages=tuple(card.languages),
        passages=table,
        queries=table,
        qrels=None,
    )


@contextmanager
def _opened(file: Path) -> Iterator[Iterator[tuple[str, bytes]]]:
    """The JSON lines: the file itself, or the one file in it."""
    if file.suffix != ".zip":
        yield lines([file])
        return
    with opened(file) as archive:
        names = [
            name
            for name in archive.namelist()
            if name.endswith(".jsonl") and not PurePosixPath(name).name.startswith(".")
        ]
        if len(names) != 1:
            raise DataError(
                f"{file}: holds {', '.join(archive.namelist()[:10])}; expected one file of JSON "
                f"lines (.jsonl). {_REMEDY}"
            )
        with archive.open(names[0]) as stream:
            yield numbered(file, stream)


def _of(image: dict[str, object], language: str) -> object:
    """What an image has under the key of a language, however it is written."""
    found = image.get(language)
    if found is None and (key := find_language(language, {key: key for key in image})):
        found = image[key]
    return found


def _captions(where: str, language: str, value: object, left_out: LeftOut) -> dict[str, int]:
    """Distinct captions of one image in one language, and where each stands first."""
    listed = value.get("caption") if isinstance(value, dict) else None
    if not isinstance(listed, list) or not listed:
        raise _error(
            where,
            f"no captions in {language!r}",
            f'"{language}": {{"caption": ["…"]}}, as the card has that language',
        )
    found: dict[str, int] = {}
    for index, text in enumerate(listed):
        place = f"'{language}.caption[{index}]'"
        if isinstance(text, str) and not text.strip():
            if left_out("blank_texts", [f"{where}: {place}"]):
                continue
            raise _error(where, f"{place} is {text!r}", f"a text.{left_out.more('blank_texts')}")
        if not isinstance(text, str):
            raise _error(where, f"{place} is {text!r}", "a text")
        found.setdefault(text, index)
    return found


def _error(where: str, found: str, expected: str) -> DataError:
    return DataError(f"{where}: {found}; expected {expected}. {_REMEDY}")
