"""``format = "lareqa"``: questions, and paragraphs cut into sentences."""

from typing import Literal

from mteb_hybrid.cards.source import FileSource


class LareqaSource(FileSource):
    """Questions, and paragraphs cut into sentences; read by `mteb_hybrid.sources.lareqa`.

    Attributes:
        candidates: What a passage is: a ``sentence``, or a ``sentence-with-context`` (the
            sentence followed by its paragraph, as LAReQA encodes its candidates).
    """

    format: Literal["lareqa"]
    candidates: Literal["sentence", "sentence-with-context"] = "sentence"
