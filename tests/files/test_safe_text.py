"""Foreign text in every format, read back by parsers that are not ours."""

import csv
import io
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pylatexenc.latex2text import LatexNodes2Text

from mteb_hybrid.files import safe_text

HEBREW, ARABIC, PERSIAN, HINDI = "דגם שלום", "نموذج عربي", "می\u200cخواهم", "क्\u200dष"
NASTY = st.text(
    st.sampled_from("\x1b[]31m\x07\x9b\r\n\t\0\u202e\u2066\u2067\u2069\u200b\u2028אبع-1a ")
)
ANYTHING = st.text(st.characters(exclude_categories=[])) | NASTY
PLAIN = st.text(
    st.characters(exclude_categories=["C", "Z", "M"], exclude_characters="\u115f\u1160\u3164\uffa0")
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
FORMATS = [safe_text.visible, safe_text.line, safe_text.prose, safe_text.markdown, safe_text.code,
           safe_text.latex, safe_text.csv_cell, safe_text.html]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
@given(ANYTHING)
def test_nothing_acts(format, text):
    shown = format(text)
    shown.encode()
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
    depth = 0
    for char in shown:  # what is isolated ends, and nothing else turns the direction
        assert (
            char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2068\u200e\u200f\u061c\u200b\ufeff"
        )
        depth += {"\u2067": 1, "\u2069": -1}.get(char, 0)
        assert depth in (0, 1)
    assert depth == 0


@given(ANYTHING)
def test_what_is_safe_stays_as_it_is(text):
    for format in (safe_text.visible, safe_text.line, safe_text.prose):
        assert format(format(text)) == format(text)
    assert safe_text.message(safe_text.message(text)) == safe_text.message(text)


@given(PLAIN)
def test_what_can_be_seen_is_left_alone(text):
    assert safe_text.visible(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(HEBREW, ARABIC, PERSIAN, HINDI, "日本\u3000語", "1\u202f000", "naïve"),
        *("\u2764\ufe0f", "\U0001f469\U0001f3fd\u200d\U0001f52c", "\U0001f468\u200d\u2695\ufe0f"),
    ],
)
def test_words_of_every_script_stay_readable(text):
    assert safe_text.visible(text) == text
    assert safe_text.line(text).strip("\u2067\u2069") == text


def test_right_to_left_names_are_kept_apart():
    assert safe_text.line(f"{HEBREW}: no such file") == f"\u2067{HEBREW}\u2069: no such file"
    assert safe_text.line(f"{HEBREW}  0.93  {ARABIC}") == (
        f"\u2067{HEBREW}\u2069  0.93  \u2067{ARABIC}\u2069"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb", r"a\nb"),
        ("a\u200cb", r"a\u200cb"),
        ("a\u200d\u2764\ufe0f\ufe0f", "a\\u200d\u2764\ufe0f\\ufe0f"),
        ("a\u00ad\ufe0f\U000e0041", r"a\xad\ufe0f\U000e0041"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_be_seen_is_an_escape(text, shown):
    assert safe_text.visible(text) == shown


def test_lines_of_a_message_are_indented():
    assert safe_text.message("a\nmteb-hybrid: b\n  c") == "a\n  mteb-hybrid: b\n  c"


@given(ANYTHING)
def test_no_markup_in_markdown(text):
    opening, inline, closing = MARKDOWN.parse(f"x {safe_text.markdown(text)} x")
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert {child.type for child in inline.children} == {"text"}
    words = "".join(child.content for child in inline.children)
    assert words.split(" ") == f"x {safe_text.prose(text).strip(' ')} x".split(" ")


def test_addresses_in_markdown_are_no_links():
    # GitHub makes links of bare addresses too, unless something is escaped in them.
    assert safe_text.markdown("https://a.org") == r"https\://a.org"
    assert safe_text.markdown("www.a.org, a@b.org") == r"www\.a.org, a\@b.org"


@given(ANYTHING)
def test_code_spans_show_their_text(text):
    (_, inline, _) = MARKDOWN.parse(f"x {safe_text.code(text)} x")
    assert [child.type for child in inline.children] == ["text", "code_inline", "text"]
    assert inline.children[1].content.strip(" ") == safe_text.visible(text).strip(" ")


@given(ANYTHING)
@example("^")
@settings(max_examples=50)
def test_latex_shows_the_text(text):
    written = safe_text.latex(text)
    unknown = {"bar": "|", "less": "<", "greater": ">", "asciigrave": "'",
               "asciicircum": "^"}  # to that parser  # fmt: skip
    for name, char in unknown.items():
        written = written.replace(rf"\text{name}{{}}", char)
    read = LatexNodes2Text(strict_latex_spaces=True).latex_to_text(written)
    assert re.sub(r"\s+", " ", read.replace("–", "-")) == re.sub(
        r"\s+", " ", safe_text.visible(text).replace("–", "-").replace("`", "'")
    )


def test_latex_does_not_join_cells_with_the_end_of_the_row_before():
    assert safe_text.latex("[published] a") == "{[}published] a"
    assert safe_text.latex("*") == "{*}"
    assert safe_text.latex("a--b_–") == r"a-{}-b\_--"


@given(st.lists(ANYTHING, min_size=2))
def test_cells_of_csv_are_the_texts(cells):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(map(safe_text.csv_cell, cells))
    assert out.getvalue().count("\n") == 1
    (read,) = csv.reader(io.StringIO(out.getvalue()))
    for cell, text in zip(read, cells, strict=True):
        shown = safe_text.visible(text)
        assert cell in (shown, f"'{shown}")
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


class _Texts(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.titles = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.titles.append(dict(attributes)["title"])

    def handle_data(self, data):
        self.texts += data


@given(ANYTHING)
def test_html_has_the_text_and_no_other_element(text):
    read = _Texts(f'<b title="{safe_text.html(text)}">{safe_text.html(text)}</b>')
    assert read.tags == ["b"]
    assert read.titles == [safe_text.prose(text)]
    assert read.texts == safe_text.prose(text)
