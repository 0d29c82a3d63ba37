"""Line-aligned text of pairs of languages: two files, in which lines of one number say the same.

A pair is apart from all others: where English stands in several, its texts differ from one to the
other, and a query of a pair searches the other language's texts of that pair alone. Relevant is the
line of its number. Every line is a query of one direction and a passage of the other, with the id
``language:pair.line number``, as in ``sw:sw-en.12``. Lines whose text repeats within a pair stay
candidates of their own, and tie: the one with the right number counts, as in bitext mining.

What is no part of a text, and what is refused, is as for `mteb_hybrid.sources.lines`.
"""

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.formats.pairs import PairsSource
from mteb_hybrid.retrieval.collection import TEXTS, Collection
from mteb_hybrid.sources.lines import check_length, read_lines
from mteb_hybrid.sources.locate import locate_file


def read(card: TaskCard) -> Collection:
    """Read all pairs of a collection.

    Args:
        card: Its card.

    Returns:
        The collection. Its queries are its passages, and the lines of a number in a pair a group.

    Raises:
        DataError: If a file is missing, altered or not UTF-8, has a blank line, or not as many
            lines as the other one of its pair.
    """
    source = card.source
    if not isinstance(source, PairsSource):
        raise TypeError(f"{card.file}: not a source of format 'pairs'")
    rows = []
    for pair in source.pairs:
        files = {language: locate_file(card, entry) for language, entry in pair.items()}
        texts = {language: read_lines(file) for language, file in files.items()}
        first, second = files
        expected = len(texts[first])
        check_length(files[second], len(texts[second]), expected, f"as many as {files[first]}")
        for language, found in texts.items():
            for number, text in enumerate(found, 1):
                group = f"{first}-{second}.{number}"
                rows.append((f"{language}:{group}", text, language, group))
    # Passages of one language together, in the order of tables, as in the other formats.
    order = pl.col("language").cast(pl.Enum(list(card.languages)))
    table = pl.DataFrame(rows, TEXTS, orient="row").sort(order, maintain_order=True)
    return Collection(
        name=card.title,
        languages=tuple(card.languages),
        passages=table,
        queries=table,
        qrels=None,
        paired=True,
    )
