"""The card of a repaired model, with names that try to be more than names."""

from types import SimpleNamespace

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mteb_hybrid.repair.card import card
from mteb_hybrid.repair.where import Where

ODD = st.text(st.characters(exclude_categories=[])) | st.text("/:-#'\"\n\u2028\x85| <>`a")
SEAT = Where(between=0.1, spectrum=[0.5], probe=0.5)
FIGURES = SimpleNamespace(repair="lir-2", merging="a|b", monolingual=0.5, pool=0.4, rank_distance=2)


@given(ODD, ODD)
@settings(max_examples=50)
def test_names_add_no_key_and_no_markup(base, title):
    outcome = SimpleNamespace(
        fitted=SimpleNamespace(
            directions=2, repair=SimpleNamespace(name="lir", formula="x - `y`", citation="<b>")
        ),
        corpus=SimpleNamespace(fit={title: ["a"], "en": ["b"]}, parallel=True, name=title),
        choice=SimpleNamespace(curve=[FIGURES], place=0, mergings=[]),
        before=SEAT,
        after=SEAT,
        held_out={"de": 2, "en": 2},
        warnings=[title],
        encoding=1.0,
        fitting=1.0,
    )
    front, text = card(outcome, f"org/{base}", title).removeprefix("---\n").split("\n---\n", 1)
    known = yaml.safe_load(front)
    assert known.keys() == {"library_name", "pipeline_tag", "base_model", "tags"}
    assert isinstance(known["base_model"], str)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert sum(token.type == "heading_open" for token in tokens) == 2
    assert sum(token.type == "tr_open" for token in tokens) == 2
    inline = {child.type for token in tokens for child in token.children or ()}
    assert inline <= {"text", "softbreak", "strong_open", "strong_close", "code_inline"}
    assert "html_block" not in {token.type for token in tokens}
