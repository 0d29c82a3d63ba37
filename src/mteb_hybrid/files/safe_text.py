r"""Foreign text in every format that we write: it shows what it holds, and does nothing.

Names of models, texts of collections, paths and messages that quote them may hold anything. What
cannot be seen becomes an escape as Python writes it (``\x1b``, ``\u202e``; ``\xff`` for a byte of a
path that is not UTF-8), and what a format reads as markup becomes the characters themselves. There
is one function per format; JSON and YAML writers quote by themselves.
"""

import html as html_entities
import re
import unicodedata

_RLI, _PDI = "\u2067", "\u2069"
# The blocks that are right to left by default: Unicode Standard Annex 9, table 4.
_RTL = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
_BETWEEN = f"(?:(?!{_RTL})[^\\w\\s{_RLI}{_PDI}]| (?! ))"
_RUN = f"{_RTL}+(?:{_BETWEEN}+{_RTL}+)*"
_ISOLATED = re.compile(f"{_RLI}({_RUN}){_PDI}")
_RUNS = re.compile(_RUN)

# Letters and marks by their category, of which nothing is seen (Default_Ignorable_Code_Point).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_VIRAMA = 9
_EMOJI = "\ufe0f"
"""Has the symbol before it shown in colours."""
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|~$&!@]|:(?=//)|(?<=www)\.")
_STARTS_A_BLOCK = re.compile(r"^(\d*)([-+=.)])(?=[-=\s]|$)")
_LATEX = {c: rf"\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
}
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")


def visible(text: str) -> str:
    """The text on one line, with an escape for every character that is not seen.

    The joiners that Persian, Hindi and others spell words with stay, where they join, and what
    makes an emoji of the symbols before and after it.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _shows(text, place) else _escape(c) for place, c in enumerate(text))


def line(text: str) -> str:
    """For a terminal: `visible`, with words of right-to-left scripts kept apart from their line.

    Given what it returned, it returns the same.
    """
    return _RUNS.sub(f"{_RLI}\\g<0>{_PDI}", visible(_ISOLATED.sub(r"\1", text)))


def message(text: str) -> str:
    """For a terminal, in several lines; those after the first are indented."""
    first, *others = text.replace("\r\n", "\n").split("\n")
    return "\n".join([line(first), *(line(f"  {other.removeprefix('  ')}") for other in others)])


def prose(text: str) -> str:
    """For a page: `line`, where line breaks and tabs are spaces."""
    return line(re.sub(r"[ \t\r\n]+", " ", text))


def html(text: str) -> str:
    """For HTML and XML, in an element or a quoted attribute."""
    return html_entities.escape(prose(text))


def markdown(text: str) -> str:
    """For Markdown, as one line, in a cell too: no markup, no HTML, no link."""
    # By CommonMark, a backslash before any of these gives the character itself.
    return _STARTS_A_BLOCK.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", prose(text).strip(" ")))


def link(text: str, url: str | None) -> str:
    """For Markdown: a link to a web page; the text alone if that is no address of one."""
    if url is None or url != visible(url) or not re.fullmatch(r"https?://[^\s<>\\]+", url):
        return markdown(text)
    return f"[{markdown(text)}](<{url}>)"


def code(text: str) -> str:
    """For Markdown: a code span; not in a table, where a ``|`` would end it."""
    shown = visible(text)
    ticks = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    ends = {shown[:1], shown[-1:]}
    pad = " " if "`" in ends or ends == {" "} or not shown else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def code_block(text: str, language: str) -> str:
    """For Markdown: a code block, fenced with more backticks than the text has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    shown = "\n".join(map(visible, text.strip().replace("\r\n", "\n").split("\n")))
    return f"{ticks}{language}\n{shown}\n{ticks}"


def latex(text: str) -> str:
    """For LaTeX, in a cell too, where ``[`` and ``*`` after a row's end belong to that."""
    escaped = "".join(_LATEX.get(c, c) for c in re.sub(r"-(?=-)", "-\0", visible(text)))
    return re.sub(r"^\s*[\[*]", r"{\g<0>}", escaped.replace("\0", "{}"))


def csv_cell(text: str) -> str:
    """For CSV: with an apostrophe before what a spreadsheet would compute.

    For text only: a number is no formula, also if it is negative.
    """
    shown = visible(text)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def _shows(text: str, place: int) -> bool:
    char = text[place]
    if char in "\u200c\u200d":
        around = text[max(place - 2, 0) : place], text[place + 1 : place + 2]
        return _joins(around[0][-1:], around[1]) or (char == "\u200d" and _is_emoji(*around))
    if char == _EMOJI:
        return _is_symbol(text[max(place - 1, 0) : place])
    if char.isprintable():
        return not _UNSEEN.match(char)
    return unicodedata.category(char) == "Zs"


def _joins(before: str, after: str) -> bool:
    """Whether a joiner is spelling: after a virama, or within a word in Arabic script."""
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    return bool(before and after) and all(
        unicodedata.bidirectional(char) == "AL" for char in (before, after)
    )


def _is_emoji(before: str, after: str) -> bool:
    """Whether a joiner stands between two symbols, the first perhaps with what colours it."""
    plain = len(before) > 1 and (before[-1] == _EMOJI or unicodedata.category(before[-1]) == "Sk")
    return _is_symbol(before[-2:-1] if plain else before[-1:]) and _is_symbol(after)


def _is_symbol(char: str) -> bool:
    return bool(char) and unicodedata.category(char) == "So"


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # how Python writes a byte that is not UTF-8 (PEP 383)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return ascii(char)[1:-1]
