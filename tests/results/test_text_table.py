import csv
import io
import json
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mteb_hybrid.results.text_table import Format, html, write_csv, write_table

CELLS = st.text(st.characters(exclude_categories=[])) | st.text(
    "|\\\\\n\r\t=-+@[*`<&א\u202e\x1b\u2028a "
)
TABLES = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4)


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.rows = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append((self.open[-1], data))


def test_html_is_well_formed_and_shows_its_cells_as_they_are():
    head, body = ["Model", "map"], [["<script>alert(1)</script>", "0.5"], ['a"b&c', "–"]]
    text = html(head, body, labels=1)
    assert "<script" not in text
    assert Cells(text).rows == [
        [("th", cell) for cell in head],
        *([("td", cell) for cell in row] for row in body),
    ]
    assert text.count("text-align: right") == 3


@given(TABLES)
def test_any_cells_are_rows_of_markdown(body):
    text = write_table(["a", "b"], body, Format.MARKDOWN, labels=1)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert sum(token.type == "tr_open" for token in tokens) == 1 + len(body)
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 2 + 2 * len(body)
    assert {child.type for cell in cells for child in cell.children} <= {"text"}
    assert {token.type for token in tokens} == TABLE_TOKENS


TABLE_TOKENS = {
    *("inline", "table_open", "table_close", "thead_open", "thead_close", "tbody_open"),
    *("tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
}


@given(TABLES)
@settings(max_examples=50)
def test_any_cells_are_rows_of_text_and_latex(body):
    rows = write_table(["a", "b"], [("x" + a, "0.5") for a, _ in body], Format.TEXT, labels=1)
    assert len(rows.split("\n")) == 2 + len(body)
    assert rows == "".join(
        c for c in rows if c.isprintable() or c in "\n\u2067\u2069" or c.isspace()
    )
    latex = write_table(["a", "b"], body, Format.LATEX, labels=1)
    between = latex.split("\\midrule\n")[1].split("\n\\bottomrule")[0].split("\n")
    assert len(between) == len(body)
    assert all(line.replace("\\&", "").count("&") == 1 for line in between)


@given(st.lists(st.tuples(CELLS, st.floats(allow_nan=False), st.integers()), min_size=1))
def test_any_cells_are_rows_of_csv_and_numbers_stay_numbers(body):
    head, *rows = csv.reader(io.StringIO(write_csv(["a", "b", "c"], body)))
    assert head == ["a", "b", "c"]
    assert [(float(b), int(c)) for _, b, c in rows] == [(b, c) for _, b, c in body]
    assert not any(a.startswith(("=", "+", "-", "@", "\t", "\r")) for a, _, _ in rows)


@given(TABLES)
@settings(max_examples=50)
def test_any_cells_are_rows_of_html(body):
    parsed = Cells(html(["a", "b"], [(f"x{a}", f"x{b}") for a, b in body]))
    assert [len({place for place, _ in row}) for row in parsed.rows] == [1] * (1 + len(body))
    json.dumps(parsed.rows).encode()


def test_a_long_right_to_left_name_is_kept_apart_in_every_line_that_it_takes():
    text = write_table(["a", "b"], [("דגם " * 12, "0.93")], Format.TEXT, width=30, labels=1)
    assert all(line.count("\u2067") == line.count("\u2069") for line in text.split("\n"))
    assert "\u2069  " in text
