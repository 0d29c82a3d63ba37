"""Cards that `mteb-hybrid tasks new` writes: they work, or nothing is written."""

import json
import tomllib

import pytest
from typer.testing import CliRunner

from mteb_hybrid.cards.card import CardError, read_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.new_card import About, write_card
from mteb_hybrid.cards.tasks import task_views
from mteb_hybrid.commands.app import app
from mteb_hybrid.commands.new_task import try_card
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.languages.guess import UnknownLanguageError
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_collection

HOW = About("human-translated")


def row(*languages, question=True):
    texts = {"en": "{} in English", "de": "{} auf Deutsch", "ru": "{} по-русски"}
    found = {side: {x: texts[x].format(side) for x in languages} for side in ("query", "passage")}
    return found if question else {"passage": found["passage"]}


@pytest.fixture
def written(tmp_path):
    def write(*rows, name="my faq.v2.jsonl", folder="cards"):
        (tmp_path / folder).mkdir(exist_ok=True)
        file = tmp_path / folder / name
        lines = (json.dumps({"id": i, **one}, ensure_ascii=False) for i, one in enumerate(rows))
        file.write_text("\n".join(lines), encoding="utf-8")
        return file

    return write


def only_texts(file):
    return {other.suffix for other in file.parent.iterdir()} == {".jsonl"}


def test_a_card_that_works(written):
    file = written(row("en", "de"), row("en", "ru"), row("ru", question=False))
    card = write_card([file], file.parent, HOW, try_card)
    assert (card.file.name, card.name, card.title) == ("my-faq.toml", "MyFaq", "MyFaq")
    assert card == read_card(card.file)
    assert {k: v.code for k, v in card.languages.items()} == {
        "en": "eng-Latn",
        "de": "deu-Latn",
        "ru": "rus-Cyrl",
    }
    assert card.source.empty_subsets == ("de-ru", "ru-de")
    assert len(task_views(card, Setting.CROSSLINGUAL)) == 4
    assert len(load_collection(card).passages) == 3, "texts that repeat are one passage"
    metadata = task_classes({card.name: card})[0].metadata
    assert metadata.reference is None and not metadata.is_filled()
    assert (metadata.license, metadata.sample_creation) == ("not specified", "human-translated")


def test_what_is_said_about_it_is_taken_as_it_is(written):
    odd = 'A "quoted" \\ text,\nwith\ttwo lines, {braces}, \x7f and 漢字.'
    about = About(
        "created",
        name="Other",
        title=odd,
        description=odd,
        license="cc-by-4.0",
        reference="https://example.org/faq",
        prompt=odd,
        codes={"ru": "bul-Cyrl"},
    )
    file = written(row("en", "ru"))
    card = write_card([file], file.parent, about, try_card)
    assert card.file.name == "my-faq.toml"
    assert (card.name, card.title, card.description, card.metadata.prompt.query) == (
        "Other",
        odd,
        odd,
        odd,
    )
    assert card.metadata.reference == "https://example.org/faq"
    assert card.metadata.license == "cc-by-4.0"
    assert card.languages["ru"].code == "bul-Cyrl"


def test_several_files_below_the_folder(written):
    first, second = written(row("en", "de")), written(row("de", "ru"), folder="cards/more")
    with pytest.raises(DataError, match="repeats the id '0'"):
        write_card([first, second], first.parent, HOW, try_card)
    second.write_text(second.read_text().replace('"id": 0', '"id": 1'))
    card = write_card([first, second], first.parent, HOW, try_card)
    files = tomllib.loads(card.file.read_text(encoding="utf-8"))["source"]["texts"]
    assert [entry["file"] for entry in files] == ["my faq.v2.jsonl", "more/my faq.v2.jsonl"]
    assert card.source.empty_subsets == ("en-ru", "ru-en")


@pytest.mark.parametrize(
    ("rows", "about", "error", "said"),
    [
        ([row("en")], HOW, CardError, "at least two languages"),
        ([{"query": {"en": "q"}}], HOW, DataError, "'passage' is missing"),
        (
            [{"query": {"en": "q"}, "passage": {"de": "p"}}],
            *(HOW, DataError, r"no row has a passage in 'en', in which there are queries; add"),
        ),
        ([{"passage": {"xx": "x", "en": "e"}}], HOW, UnknownLanguageError, "--code xx="),
        ([row("en", "de")], About("by hand"), CardError, "sample_creation.*Input should be"),
        ([row("en", "de")], About("found", license="mine"), CardError, r"metadata\.license"),
        ([row("en", "de")], About("found", name="my faq"), CardError, "'my faq' is no name of"),
        ([row("en", "de")], About("found", name="XQuADR"), CardError, "is called 'XQuADR' too"),
        (
            [row("en", "de")],
            *(About("found", title="XQuAD-R"), CardError, "has the title 'XQuAD-R' too; choose a"),
        ),
        ([row("en", "de")], About("found", codes={"fr": "fra-Latn"}), CardError, "no text in 'fr'"),
    ],
)
def test_nothing_is_written_where_something_is_wrong(written, rows, about, error, said):
    file = written(*rows)
    with pytest.raises(error, match=said) as refused:
        write_card([file], file.parent, about, try_card)
    assert only_texts(file)
    assert ".part" not in str(refused.value), "the card is named, not what it is written to first"


def test_one_language_in_two_spellings(written, caplog):
    both = {"pt": "um livro", "pt-BR": "um livro novo"}
    file = written({"query": both, "passage": both}, name="both.jsonl")
    write_card([file], file.parent, HOW, try_card)
    assert "different languages" not in caplog.text, "variants, each with its own"
    file = written({"query": {"pt": "um livro"}, "passage": both})
    write_card([file], file.parent, HOW, try_card)
    assert (
        f"{file}: 'pt' (passages, queries) and 'pt-BR' (passages) have the code por-" in caplog.text
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "a:b.jsonl",
            r"a:b\.jsonl: its path has ':', a character that file names do not have every.*; ren",
        ),
        ("xquad-r.jsonl", "there is a collection 'xquad-r'; rename"),
        ("书.jsonl", "letters from a"),
        ("2024-faq.jsonl", r"2024-faq\.jsonl: '2024Faq' is no name of tasks, .* with --name, such"),
    ],
)
def test_the_file_names_the_collection(written, name, said):
    file = written(row("en", "de"), name=name)
    with pytest.raises(CardError, match=said):
        write_card([file], file.parent, HOW, try_card)


def test_a_card_is_never_replaced(written):
    file = written(row("en", "de"))
    before = write_card([file], file.parent, HOW, try_card).file.read_bytes()
    with pytest.raises(CardError, match=r"my-faq\.toml: is there already; remove it"):
        write_card([file], file.parent, HOW, try_card)
    assert (file.parent / "my-faq.toml").read_bytes() == before


def test_a_card_beside_it_that_commands_do_not_see_yet(written):
    first = written(row("en", "de"))
    write_card([first], first.parent, HOW, try_card)
    (first.parent / "other.toml").write_text("no card")
    (first.parent / "folder.toml").mkdir()
    second = written(row("en", "de"), name="more.jsonl")
    for about, said in (
        (About("found", name="MyFaq"), "called"),
        (About("found", title="MyFaq"), "title"),
    ):
        with pytest.raises(CardError, match=rf"my-faq\.toml: .*{said} .*'MyFaq' too"):
            write_card([second], second.parent, about, try_card)
    assert write_card([second], second.parent, HOW, try_card).name == "More"


def test_files_must_lie_in_the_folder(written, tmp_path):
    file = written(row("en", "de"))
    (tmp_path / "other").mkdir()
    with pytest.raises(CardError, match=r"faq\.v2\.jsonl: lies outside of .*other.*--to"):
        write_card([file], tmp_path / "other", HOW, try_card)


def test_the_command(written, monkeypatch):
    file = written(row("en", "de"), row("ru", "de"))
    monkeypatch.setenv("MTEB_HYBRID_TASKS", str(file.parent))
    arguments = ["tasks", "new", str(file), "--sample-creation", "found", "--code", "de=nds-Latn"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "  de (nds-Latn): 1 questions, 1 passages" not in result.output
    assert "  de (nds-Latn): 2 questions, 1 passages" in result.output
    assert "  left out, as no row has both: en-ru, ru-en" in result.output
    assert "export" not in result.output, "the variable names that folder"
    (file.parent / "my-faq.toml").unlink()
    monkeypatch.delenv("MTEB_HYBRID_TASKS")
    monkeypatch.chdir(file.parent)
    result = CliRunner().invoke(app, ["tasks", "new", file.name, *arguments[3:]])
    assert f"export MTEB_HYBRID_TASKS={file.parent}\n" in result.output, "from anywhere"
    assert "MyFaq" in task_cards(file.parent)


def test_the_command_wants_to_know_how_texts_came_about(written):
    result = CliRunner().invoke(app, ["tasks", "new", str(written(row("en", "de")))])
    assert result.exit_code == 2 and "sample-creation" in result.output


@pytest.mark.parametrize("code", ["de", "zh=zh", "de=german-Latn"])
def test_bad_codes(written, code):
    file = written(row("en", "de"))
    arguments = ["tasks", "new", str(file), "--sample-creation", "found", "--code", code]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ValueError)
    assert only_texts(file)
