"""The keys of each data format in the ``[source]`` table of a card: a closed set.

A format is read by the adapter of its name in `mteb_hybrid.sources`.
"""

from typing import Annotated

from pydantic import Field

from mteb_hybrid.cards.formats.beir import BeirSource
from mteb_hybrid.cards.formats.captions import CaptionsSource
from mteb_hybrid.cards.formats.lareqa import LareqaSource
from mteb_hybrid.cards.formats.lines import LinesSource
from mteb_hybrid.cards.formats.miracl import MiraclSource
from mteb_hybrid.cards.formats.mixed import MixedSource
from mteb_hybrid.cards.formats.mteb_task import MtebSource
from mteb_hybrid.cards.formats.pairs import PairsSource
from mteb_hybrid.cards.formats.parallel import ParallelSource

Source = Annotated[
    BeirSource
    | CaptionsSource
    | LareqaSource
    | LinesSource
    | MiraclSource
    | MixedSource
    | MtebSource
    | PairsSource
    | ParallelSource,
    Field(discriminator="format"),
]
