"""Corpora of several languages: one that is built, and one mixed from real collections."""

import json

import numpy as np
import polars as pl
import pytest

from conftest import HashEncoder

LANGUAGES = ("en", "fr", "ru")
SOURCES = {
    "xtd10": {"en": "en", "fr": "fr", "ru": "ru"},
    "tico-19": {"en": "en", "fr": "fr", "ru": "ru"},
    "ntrex-128": {"en": "eng", "fr": "fra", "ru": "rus"},
}


def write_lines(file, rows):
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return file


@pytest.fixture
def built(tmp_path):
    """24 passages about 8 things, in languages of different size; queries about each in all."""
    counts = {"en": 12, "fr": 7, "ru": 5}
    passages = [
        {
            "_id": f"p{language}{number}",
            "language": language,
            "text": f"{language} {number % 8} a{number}",
        }
        for language, count in counts.items()
        for number in range(count)
    ]
    queries = [
        {
            "_id": f"q{language}{number}",
            "language": language,
            "text": f"{language} {number} ?",
            "group": f"g{number}",
        }
        for language in counts
        for number in range(8)
    ]
    return (
        write_lines(tmp_path / "corpus.jsonl", passages),
        write_lines(tmp_path / "queries.jsonl", queries),
    )


def mix(data, folder, seed=0, sizes=(40, 25, 15), asked=8):
    """Lines of XTD10, TICO-19 and NTREX-128, each in one language; and beginnings of some in all.

    Args:
        data: The folder of the collections.
        folder: Where the two files go.
        seed: Decides which lines.
        sizes: Passages of each language from each collection.
        asked: Queries of each language from each collection.
    """
    random = np.random.default_rng(seed)
    passages, queries = [], []
    for source, files in SOURCES.items():
        texts = {
            language: (data / source / f"{name}.txt").read_text("utf-8").split("\n")
            for language, name in files.items()
        }
        count = min(map(len, texts.values())) - 1
        rows = random.permutation(count)[: sum(sizes)].tolist()
        spoken = [
            language for language, size in zip(LANGUAGES, sizes, strict=True) for _ in range(size)
        ]
        for row, language in zip(rows, spoken, strict=True):
            text = texts[language][row]
            passages.append({"_id": f"{source}-{row}", "text": text, "language": language})
        for row in random.choice(rows, asked, replace=False).tolist():
            for language in LANGUAGES:
                words = texts[language][row].split()
                queries.append(
                    {
                        "_id": f"{source}-{row}-{language}",
                        "text": " ".join(words[: max(1, len(words) // 2)]),
                        "language": language,
                        "group": f"{source}-{row}",
                    }
                )
    return write_lines(folder / "corpus.jsonl", passages), write_lines(
        folder / "queries.jsonl", queries
    )


class SpokenEncoder(HashEncoder):
    """Vectors that are the sum of one of a text's language, one of its content, and a little noise.

    Args:
        spoken: The language of each text.
        content: What each text is about; itself, by default.
        strength: How long the vector of a language is.
    """

    def __init__(self, spoken, content=None, strength=1.5, dimensions=8, name="test/spoken"):
        super().__init__(dimensions, name=name)
        self.spoken, self.content, self.strength = spoken, content or {}, strength

    def vector(self, text, hf_subset, task_metadata):
        language, content = self.spoken[text], self.content.get(text, text)
        draw = lambda what: super(SpokenEncoder, self).vector(what, None, None)  # noqa: E731
        found = draw(f"about {content}") + self.strength * draw(language) + 0.3 * draw(text)
        return found / np.linalg.norm(found)


def encoder_of(corpus, content=None, **options):
    """A `SpokenEncoder` for what was read."""
    texts = pl.concat(
        [corpus.passages.select("text", "language"), corpus.queries.select("text", "language")]
    )
    return SpokenEncoder(dict(texts.iter_rows()), content, **options)


@pytest.fixture
def mixed(real_data, tmp_path):
    return mix(real_data, tmp_path)
