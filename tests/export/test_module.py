"""Modules for MTEB's repository: formatted by its rules, and texts of cards stay texts."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.proposals import DATASET, REVISION, classes, ruff, source_of
from mteb_hybrid.cards.catalogue import collections, task_cards
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.retrieval.views import Setting


def test_formatted_and_linted_as_mteb_wants_it(published):
    folder, modules = published
    for command in (("format", "--check"), ("check", "--exclude", "create_data.py")):
        done = ruff(folder, *command)
        assert done.returncode == 0, done.stdout
    assert done.stdout == "All checks passed!\n"
    assert len(modules) >= 7


def test_modules_import_only_mteb_and_name_their_data_set(published):
    for module in published[1].values():
        tree = ast.parse(module.read_text(encoding="utf-8"))
        imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert imported == {"mteb.abstasks.retrieval", "mteb.abstasks.task_metadata"}
        assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))
        # MTEB's scripts/tools/extract_datasets.py finds no other data set than a literal one.
        named = [
            ast.literal_eval(keyword.value)
            for made in tree.body
            if isinstance(made, ast.ClassDef)
            for call in ast.walk(made)
            if isinstance(call, ast.Call)
            for keyword in call.keywords
            if keyword.arg == "dataset"
        ]
        assert named and all(d == {"path": DATASET, "revision": REVISION} for d in named)


def test_languages_of_all_subsets(published):
    """The comprehensions of the module give what the cards give."""
    for stem, module in published[1].items():
        card, made = collections()[stem], classes(module)
        for task in task_classes({card.name: card}):
            assert made[task.setting].metadata.eval_langs == task.metadata.eval_langs
            assert list(made[task.setting].metadata.hf_subsets) == task.metadata.hf_subsets


def test_languages_where_subsets_are_missing(sample_card, tmp_path):
    languages = {short: sample_card.languages[short] for short in ("en", "de", "th")}
    source = sample_card.source.model_copy(update={"empty_subsets": ("en-de", "de-multi")})
    card = sample_card.model_copy(update={"languages": languages, "source": source})
    (tmp_path / "module.py").write_text(source_of(card), encoding="utf-8")
    found = {s: made.metadata.eval_langs for s, made in classes(tmp_path / "module.py").items()}
    expected = {task.setting: task.metadata.eval_langs for task in task_classes({card.name: card})}
    assert found == expected
    assert set(found[Setting.MULTILINGUAL]) == {"en-multi", "th-multi"}
    assert len(found[Setting.CROSSLINGUAL]) == 5
    assert ruff(tmp_path, "format", "--check").returncode == 0


def test_citations_are_formatted_as_mteb_wants_them(published):
    """MTEB's tests/test_validate_metadata/test_citation_formatting.py."""
    bibtexparser = pytest.importorskip("bibtexparser", minversion="2.0", reason="bibtexparser 2")
    style = bibtexparser.BibtexFormat()
    style.indent, style.trailing_comma, style.block_separator = "  ", True, "\n"
    checked = 0
    for module in published[1].values():
        for made in classes(module).values():
            if citation := made.metadata.bibtex_citation.strip():
                library = bibtexparser.parse_string(citation)
                assert bibtexparser.write_string(library, bibtex_format=style).strip() == citation
                checked += len(library.entries)
    assert checked > 10


AWKWARD = [
    "say \"x\" and 'y'",
    "it's",
    '"quoted"',
    "two\nlines\r\n\x0b\x1c\u2028end",
    'r""" + __import__("os").name + r"""',
    "back\\slash\\",
    "\\",
    "\u202e\u2066 bidi \u200b",
    "nul \x00 \x7f \xa0 \x85",
    "한국어 문장 " * 12,
    "中文" * 30,
    "e\u0301" * 60,
    "🙂👩‍👩‍👧" * 20,
    "${name} {braces} %s",
]


def with_text(card, text):
    about = card.metadata.model_copy(
        update={
            "bibtex_citation": text,
            "dialect": [text, text[:9]],
            "prompt": card.metadata.prompt.model_copy(update={"query": text}),
        }
    )
    return card.model_copy(update={"description": text, "metadata": about})


@settings(max_examples=25, deadline=None)
@given(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=120)))
def test_texts_of_cards_stay_texts(text):
    tree = ast.parse(source_of(with_text(task_cards()["HybridSample"], text)))
    (citation,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_BIBTEX_CITATION"
    )
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    found = {key.arg: key.value for key in keywords}
    assert citation.strip() == text.strip()
    assert ast.literal_eval(found["description"]).startswith(f"{text} Queries are in ")
    assert ast.literal_eval(found["prompt"]) == {"query": text}
    assert ast.literal_eval(found["dialect"]) == [text, text[:9]]
    assert {type(node).__name__ for node in tree.body} == {"ImportFrom", "Assign", "ClassDef"}


def test_awkward_texts_are_formatted_too(tmp_path):
    for number, text in enumerate(AWKWARD):
        source = source_of(with_text(task_cards()["HybridSample"], text))
        (tmp_path / f"module_{number}.py").write_text(source, encoding="utf-8", newline="\n")
    done = ruff(tmp_path, "format", "--diff")
    assert done.returncode == 0, done.stdout
