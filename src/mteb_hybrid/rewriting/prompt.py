"""What a language model is asked: the prompts of the package, ``prompts/KIND.txt``, or one's own.

A prompt is a text in which ``{language}`` (in English), ``{passage}`` (a relevant one in the
query's language, shortened) and ``{question}`` are replaced.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mteb_hybrid.files.lines import content
from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.rewriting.overlay import RewriteError, kind_fault

_FOLDER = Path(__file__).with_name("prompts")
_PLACE = re.compile(r"\{(language|passage|question)\}")

PASSAGE_CHARACTERS = 2_000
"""How much of a passage is shown."""


@dataclass(frozen=True)
class Prompt:
    """A prompt.

    Attributes:
        name: Name of its file.
        text: With the places to fill.
    """

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Checksum of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def fill(self, question: str, code: str, passage: str) -> str:
        """What is asked about one question."""
        values = {
            "language": language_name(code),
            "passage": passage[:PASSAGE_CHARACTERS],
            "question": question,
        }
        return _PLACE.sub(lambda found: values[found[1]], self.text)

    def own_words(self) -> str:
        """The prompt without what is filled in."""
        return _PLACE.sub(" ", self.text)


def prompt_kinds() -> list[str]:
    """The kinds of rewrites that the package has a prompt for."""
    return sorted(file.stem for file in _FOLDER.glob("*.txt"))


def read_prompt(kind: str, file: Path | None = None) -> Prompt:
    """The prompt of a kind.

    Args:
        kind: The kind.
        file: A prompt of one's own.

    Raises:
        RewriteError: If there is none, it has no place for the question, or no kind can be called
            so.
        TextError: If a file is not text.
    """
    if file is None:
        if kind not in prompt_kinds():
            raise RewriteError(
                f"--kind {kind}: no prompt for it{did_you_mean(kind, prompt_kinds())} There are "
                f"prompts for {', '.join(prompt_kinds())}; for another kind give your own with "
                "--prompt FILE"
            )
        file = _FOLDER / f"{kind}.txt"
    elif fault := kind_fault(kind):
        raise RewriteError(f"--kind: {fault}")
    elif not file.is_file():
        raise RewriteError(f"--prompt {file}: no such file")
    try:
        text = content(file).decode()
    except UnicodeDecodeError as error:
        raise RewriteError(f"--prompt {file}: not UTF-8 ({error.reason}); convert it") from None
    if "{question}" not in text:
        raise RewriteError(
            f"--prompt {file}: says nowhere {{question}}; that is where the question goes, "
            "{language} and {passage} are the others"
        )
    return Prompt(file.name, text)
