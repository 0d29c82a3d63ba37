from html.parser import HTMLParser

from mteb_hybrid.results.text_table import html


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
