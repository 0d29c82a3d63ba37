"""What foreign names and prompts do in the card that sentence-transformers renders: nothing."""

from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.card_section import HEADING, PLACE, _lines, add_section

HOSTILE = "{% endraw %}{{ 7 * 7 }}{# `a` <script> \n## b"
ODD = st.text(st.characters(exclude_categories=[])) | st.text("{}%#'\"\\`\n a")


def render(folder, prompt):
    file = folder / "template.md"
    file.write_text(f"---\n{{{{ card_data }}}}\n---\n{PLACE}\nend\n")
    data = SimpleNamespace(template_path=file, citations={})
    add_section(SimpleNamespace(model_card_data=data), BatchPlan(), {}, {prompt: prompt})
    card = ModelCard.from_template(ModelCardData(), template_path=data.template_path)
    data.template_path.unlink()
    return card.text


@pytest.mark.parametrize("prompt", [HOSTILE, "{{ self.__init__.__globals__ }}", "query: "])
def test_nothing_is_read_as_template(tmp_path, prompt):
    text = render(tmp_path, prompt)
    assert "49" not in text
    assert (text.count("7 \\* 7"), text.count("7 * 7")) == (("7 * 7" in prompt,) * 2)
    types = {token.type for token in MarkdownIt("commonmark").parse(text)}
    assert "html_block" not in types


def test_only_hybrid_batches_have_an_alpha():
    for method in ("hybrid", "mixed", "shuffle"):
        said = "\n".join(_lines(BatchPlan(method=method), {}, {}, None))
        assert f"`method`: {method}" in said
        for key in ("alpha", "crosslingual", "language_weights"):
            assert (f"`{key}`" in said) == (method == "hybrid")


@given(ODD)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_prompt_is_one_item_of_the_list(tmp_path, prompt):
    text = render(tmp_path, prompt)
    tokens = MarkdownIt("commonmark").parse(text)
    assert next(t.content for t in tokens if t.type == "inline") == HEADING.removeprefix("### ")
    assert sum(t.type == "heading_open" for t in tokens) == 2
    assert not any(c.type == "html_inline" for t in tokens for c in t.children or ())
