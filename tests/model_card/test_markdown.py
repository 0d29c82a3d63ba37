"""Markdown from data shows the data's characters, checked with an independent parser."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mteb_hybrid.files.safe_text import prose, visible
from mteb_hybrid.model_card.markdown import escape, fence, link

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(
    "`*_[]<>()#|~-+=.1! \\&:;\n\"'"
)


def shown(inline):
    """The text of an inline token that holds nothing but text."""
    assert {child.type for child in inline.children} <= {"text"}, inline.content
    return "".join(child.content for child in inline.children)


@given(TEXTS.filter(str.strip))
def test_any_text_is_a_paragraph_that_shows_it(text):
    opening, inline, closing = PARSER.parse(escape(text))
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert shown(inline).strip() == prose(text).strip()  # the parser strips what Python does


@given(
    TEXTS.filter(str.strip),
    TEXTS.filter(str.strip),
)
def test_any_texts_are_cells_of_a_table(first, second):
    tokens = PARSER.parse(f"| a | b |\n| --- | --- |\n| {escape(first)} | {escape(second)} |")
    cells = [shown(token) for token in tokens if token.type == "inline"]
    assert cells == ["a", "b", *(prose(text).strip() for text in (first, second))]


@given(TEXTS)
def test_any_text_stays_in_its_code_block(text):
    lines = f"({text})".replace("\r\n", "\n").split("\n")
    (block,) = PARSER.parse(fence(f"({text})", "toml"))
    assert (block.type, block.info) == ("fence", "toml")
    assert block.content == "\n".join(map(visible, lines)) + "\n"


def test_links_go_to_web_pages_only():
    assert link("a]b", "https://example.org/x_y") == r"[a\]b](<https://example.org/x_y>)"
    for url in ("javascript:alert(1)", "https://a b", "https://a>b", None):
        assert link("a", url) == "a"


def test_what_is_escaped_is_not_escaped_again():
    assert escape(escape("a_b")) == r"a\_b"
