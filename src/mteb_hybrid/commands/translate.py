"""The command ``mteb-hybrid translate``."""

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collections, task_cards
from mteb_hybrid.cards.tasks import task_views
from mteb_hybrid.commands.options import (
    BatchSizeOption,
    DeviceOption,
    checked_model,
    checked_what,
)
from mteb_hybrid.commands.terminal import goes_on, say, told_when_stopped
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.languages.codes import check_language_code, find_language, short_code
from mteb_hybrid.languages.near import did_you_mean_language
from mteb_hybrid.retrieval.views import Setting

if TYPE_CHECKING:
    from mteb_hybrid.translation.translator import Translator


SHOWN = 10


class Dtype(StrEnum):
    """Types of numbers that a model computes with."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def translate(
    what: Annotated[
        str,
        typer.Argument(
            help="A collection (scifact), whose queries are translated, or a file of question-"
            "passage pairs as parallel JSON lines, for training.",
            callback=checked_what,
        ),
    ],
    into: Annotated[
        list[str],
        typer.Option(
            help="Language to translate into, as cards call it (de), or with its code "
            "(sv=swe-Latn); may be repeated."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="A translation model of NLLB-200, M2M-100 or MADLAD-400, on the hub or in a "
            "folder. Mind its licence: NLLB-200 is for noncommercial use.",
            callback=checked_model,
        ),
    ],
    of: Annotated[
        list[str] | None,
        typer.Option(
            help="Language of the queries; may be repeated; all of the collection by default. "
            "For pairs, the one language that is translated."
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="Revision of the model on the hub, which is recorded; by default the newest."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="For pairs: where the parallel data go.")
    ] = None,
    beams: Annotated[int, typer.Option(help="Beams of the search; 1 is greedy.", min=1)] = 4,
    max_length: Annotated[
        int, typer.Option(help="Longest translation, in tokens; what reaches it is listed.", min=2)
    ] = 256,
    batch_size: BatchSizeOption = 32,
    device: DeviceOption = None,
    dtype: Annotated[
        Dtype, typer.Option(help="What it computes in; bfloat16 or float16 is faster on a GPU.")
    ] = Dtype.FLOAT32,
    data: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder that holds the collections' files; overrides {DATA_VARIABLE}. "
            "Translated queries go below it; without either, below the user's data folder.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Translate queries, for cross-lingual evaluation, or pairs, for training, by machine.

    Translated queries keep their judgments: scifact --into de adds the subset de-en, German
    queries on English abstracts. System and revision are recorded, and stand in every result.
    Translations are kept in the user's cache; the same command again goes on where it stopped.

    Example: mteb-hybrid translate scifact --into de --into zh -m google/madlad400-3b-mt

    Example: mteb-hybrid translate pairs.jsonl --of en --into de -m MODEL -o parallel.jsonl
    """
    from mteb_hybrid.models.load import check_device
    from mteb_hybrid.translation.translator import Options, Translator

    if data:
        os.environ[DATA_VARIABLE] = str(data)
    card = collections().get(what)
    targets = language_codes(into, card)
    sources = language_codes(of or (), card)
    if card is None and (output is None or len(sources) != 1):
        raise ValueError(
            "pairs need --output, and the one language that is translated: --of en -o out.jsonl"
        )
    if card and output:
        raise ValueError("--output is for pairs; translated queries have a place of their own")
    options = Options(beams=beams, max_length=max_length, dtype=dtype.value)
    if device:
        check_device(device)
    translator = Translator(model, revision, options, device)
    with told_when_stopped(goes_on):
        if card:
            _queries(card, translator, targets, list(sources), batch_size)
        elif output:
            _pairs(Path(what), output, translator, sources, targets, batch_size)


def language_codes(values: Iterable[str], card: TaskCard | None = None) -> dict[str, str]:
    """Codes such as ``deu-Latn`` by short code.

    Args:
        values: Short codes that cards have, or others with their code: ``sv=swe-Latn``.
        card: The card whose codes come first.

    Raises:
        ValueError: If a short code is on no card, or a code is none.
    """
    known = {
        short: language.code
        for other in (*reversed(task_cards().values()), *([card] if card else []))
        for short, language in other.languages.items()
    }
    found = {}
    for value in values:
        short, given, code = value.partition("=")
        found_short = short_code(short) if given else find_language(short, known)
        if found_short is None:
            raise ValueError(
                f"language {short!r}: on no card{did_you_mean_language(short, known)} Known are "
                f"{', '.join(sorted(known))}. Give its code as well, as in sv=swe-Latn"
            )
        found[found_short] = check_language_code(code) if given else known[found_short]
    return found


def _queries(
    card: TaskCard,
    translator: "Translator",
    into: dict[str, str],
    of: list[str],
    batch_size: int,
) -> None:
    from mteb_hybrid.cards.translations import overlay_folder
    from mteb_hybrid.translation.queries import translate_queries

    for entry in translate_queries(card, translator, into, of, batch_size):
        if entry.cut:
            shown = ", ".join(entry.cut[:SHOWN]) + (", …" if len(entry.cut) > SHOWN else "")
            say(
                f"{entry.into}-{entry.of}: {len(entry.cut)} cut by the length limit: {shown}",
                err=True,
            )
    subsets = ", ".join(task_views(card, Setting.CROSSLINGUAL))
    say(f"{overlay_folder(card.file.stem)}: the cross-lingual subsets are now {subsets}")


def _pairs(
    file: Path,
    output: Path,
    translator: "Translator",
    of: dict[str, str],
    into: dict[str, str],
    batch_size: int,
) -> None:
    from mteb_hybrid.translation.pairs import translate_pairs

    (source,) = of.items()
    about = translate_pairs(file, output, translator, source, into, batch_size)
    for fault in about["left_out"][:SHOWN]:
        say(
            f"{file}:{fault['line']}: {fault['role']} in {fault['language']} left out: its "
            f"translation is {fault['fault']}",
            err=True,
        )
    left_out = len(about["left_out"])
    say(
        f"{output}: {about['rows']} rows in {', '.join(about['languages'])}; {left_out} "
        f"translation(s) left out, listed in {output.name}.provenance.json"
    )
