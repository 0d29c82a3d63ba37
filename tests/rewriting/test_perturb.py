"""Perturbations: what each changes, in which languages, and the same bytes for the same seed."""

import hashlib
import os
import subprocess
import sys
import unicodedata
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.rewritten import rewrite_provenance, rewrites_folder
from mteb_hybrid.rewriting.overlay import RewriteError
from mteb_hybrid.rewriting.perturb.distractor_name import distractor_name
from mteb_hybrid.rewriting.perturb.keyboards import keyboard
from mteb_hybrid.rewriting.perturb.no_diacritics import NO_DIACRITICS
from mteb_hybrid.rewriting.perturb.perturbation import Query
from mteb_hybrid.rewriting.perturb.typos import RATE, TYPOS
from mteb_hybrid.rewriting.perturb.word_order import WORD_ORDER
from mteb_hybrid.rewriting.perturbed import PERTURBATIONS, perturb
from mteb_hybrid.sources import load_collection, load_queries

EXAMPLES = int(os.environ.get("MTEB_HYBRID_SOAK", "1")) * 50


def change(perturbation, text, code, seed=0):
    assert perturbation.refusal(code) is None
    return perturbation.change(Query("x:1", text, code), Random(seed))  # noqa: S311


@pytest.mark.parametrize(
    ("code", "letter", "beside"),
    [
        ("eng-Latn", "g", "bfhtyv"),  # of any QWERTY keyboard, by eye
        ("eng-Latn", "a", "qwsz"),
        ("deu-Latn", "z", "ghtu"),  # QWERTZ: z where English has y
        ("deu-Latn", "ö", "lpäü"),
        ("fra-Latn", "a", "zqé"),  # AZERTY; é and the like are in the number row
        ("tur-Latn", "ı", "ujko"),
        ("rus-Cyrl", "й", "цф"),
        ("rus-Cyrl", "п", "еаримн"),
        ("ell-Grek", "α", "ςσζ"),
        ("arb-Arab", "ش", "ضصسئ"),  # arb is Arabic, which data sets call ara
        ("heb-Hebr", "ש", "דז"),
        ("hin-Deva", "क", "रतगदस"),
        ("hin-Deva", "ि", "ु्ीू"),
        ("tha-Thai", "ก", "หดำพปแ"),
        ("vie-Latn", "e", "wrsd"),
    ],
)
def test_neighbours_are_those_of_the_keyboard(code, letter, beside):
    found = keyboard(code).neighbours[letter]
    assert set(beside) <= set(found), (found, beside)
    assert len(found) <= 8


def test_keyboards_are_those_of_xkeyboard_config():
    """The rows again, from the installed data, where libxkbcommon can be had."""
    import ctypes
    import tomllib
    from pathlib import Path

    from mteb_hybrid.rewriting.perturb import keyboards

    try:
        library = ctypes.CDLL("libxkbcommon.so.0")
    except OSError:
        pytest.skip("needs libxkbcommon and xkeyboard-config")
    if not Path("/usr/share/X11/xkb/symbols/us").is_file():
        pytest.skip("needs xkeyboard-config")
    library.xkb_context_new.restype = ctypes.c_void_p
    library.xkb_keymap_new_from_names.restype = ctypes.c_void_p
    library.xkb_keymap_key_by_name.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    syms = ctypes.POINTER(ctypes.c_uint32)
    library.xkb_keymap_key_get_syms_by_level.argtypes = (
        *(ctypes.c_void_p, *(ctypes.c_uint32,) * 3, ctypes.POINTER(syms)),
    )
    context = library.xkb_context_new(0)
    table = tomllib.loads(Path(keyboards.__file__).with_suffix(".toml").read_text("utf-8"))
    for layout in table.values():
        symbols, _, variant = layout["symbols"].rstrip(")").partition("(")
        names = (ctypes.c_char_p * 5)(b"evdev", b"pc105", symbols.encode(), variant.encode(), b"")
        keymap = library.xkb_keymap_new_from_names(ctypes.c_void_p(context), names, 0)
        for level, rows in enumerate((layout["rows"], layout.get("shifted", []))):
            for prefix, row in zip(("AE", "AD", "AC", "AB"), rows, strict=False):
                for number, letter in enumerate(row.split(" "), 1):
                    key = library.xkb_keymap_key_by_name(keymap, f"{prefix}{number:02}".encode())
                    found = syms()
                    count = library.xkb_keymap_key_get_syms_by_level(
                        keymap, key, 0, level, ctypes.byref(found)
                    )
                    code = library.xkb_keysym_to_utf32(found[0]) if count == 1 else 0
                    assert letter in ("·", chr(code)), (layout["symbols"], prefix, number)


@given(
    text=st.text("abcdefghijklmnopqrstuvwxyz ABC?,.", min_size=20, max_size=120),
    seed=st.integers(0, 10),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_typos_are_few_and_slight(text, seed):
    """Each error changes the length by one at most, and two places at most."""
    made = change(TYPOS, text, "eng-Latn", seed)
    letters = sum(letter.isalpha() for letter in text)
    errors = max(1, round(RATE * letters)) if letters else 0
    assert abs(len(made) - len(text)) <= errors
    assert distance(text, made) <= 2 * errors
    assert made == change(TYPOS, text, "eng-Latn", seed)


def distance(first, second):
    """Levenshtein's, by its recurrence."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def test_all_kinds_of_typos_occur_and_only_on_neighbouring_keys():
    kinds = set()
    beside = keyboard("eng-Latn").neighbours
    for seed in range(300):
        made = change(TYPOS, "What Do Cats Say", "eng-Latn", seed)
        if len(made) != 16:
            kinds.add("longer" if len(made) > 16 else "shorter")
            continue
        wrong = [(a, b) for a, b in zip("What Do Cats Say", made, strict=True) if a != b]
        if len(wrong) == 1:
            ((right, hit),) = wrong
            assert hit.lower() in beside[right.lower()] and hit.isupper() == right.isupper()
            kinds.add("neighbour")
        else:
            assert wrong[0] == wrong[1][::-1]
            kinds.add("swapped")
    assert kinds == {"longer", "shorter", "neighbour", "swapped"}


@given(text=st.text("नमस्ते क्याहै ािीुूेैोौंँ?", min_size=5, max_size=40), seed=st.integers(0, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_marks_stay_with_a_letter(text, seed):
    """As many marks as before at places where no letter carries them."""

    def orphans(some):
        marks = [unicodedata.category(x)[0] == "M" for x in some]
        return sum(
            mark and (n == 0 or some[n - 1].isspace() or some[n - 1] == "?")
            for n, mark in enumerate(marks)
        )

    assert orphans(change(TYPOS, text, "hin-Deva", seed)) <= orphans(
        unicodedata.normalize("NFC", text)
    )


def test_telex_misses_the_key_of_the_tone():
    made = {change(TYPOS, "ầ", "vie-Latn", seed) for seed in range(50)}
    assert made == {"â", "ẩ"}, "huyền is f, and r beside it is hỏi; or no key at all"


@pytest.mark.parametrize("code", ["zho-Hans", "jpn-Jpan", "kor-Kore", "amh-Ethi"])
def test_typos_need_a_keyboard(code):
    assert TYPOS.refusal(code) == f"no keyboard layout of {code}"


@pytest.mark.parametrize(
    ("code", "text", "bare"),
    [
        ("vie-Latn", "Đây là ngữ nào?", "Day la ngu nao?"),
        ("deu-Latn", "Größe der Bögen", "Große der Bogen"),
        ("pol-Latn", "Łódź", "Lodz"),
        ("tur-Latn", "ışık İstanbul", "isik Istanbul"),
        ("ell-Grek", "Πού είναι ο Ναός;", "Που ειναι ο Ναος;"),
        ("rus-Cyrl", "Чей ёж? Ёлка", "Чей еж? Елка"),
        ("ara-Arab", "أين آبَار", "اين ابار"),
        ("arz-Arab", "\u0626", "\u064a"),  # Egyptian Arabic
        ("fas-Arab", "مسئول خان\u06c0 آب", "مس\u06ccول خان\u0647 اب"),  # ye and he of Persian keys
        ("urd-Arab", "گ\u0626ے", "گ\u06ccے"),
        ("ckb-Arab", "ئەمە چیییە أ", "ئەمە چیییە ا"),  # hamza on ye is how a vowel begins
        ("uig-Arab", "\u064a\u0654ۇ", "\u0626ۇ"),  # the same, written in two
        ("heb-Hebr", "שָׁלוֹם", "שלום"),
        ("eng-Latn", "Plain", "Plain"),
    ],
)
def test_diacritics_are_dropped(code, text, bare):
    assert change(NO_DIACRITICS, text, code) == bare


def test_vowel_signs_are_no_diacritics():
    for code in ("hin-Deva", "tha-Thai", "zho-Hans", "ben-Beng"):
        assert NO_DIACRITICS.refusal(code) == f"{code} has no diacritics that could be dropped"


@given(text=st.text(" abc.?!'ै", max_size=40), seed=st.integers(0, 3))
@settings(max_examples=EXAMPLES, deadline=None)
def test_words_keep_their_letters_and_change_their_places(text, seed):
    made = change(WORD_ORDER, text, "eng-Latn", seed)
    assert sorted("".join(made.split())) == sorted("".join(text.split()))
    letters = [n for n, x in enumerate(text) if unicodedata.category(x)[0] in "LMN"]
    inner = text[letters[0] : letters[-1] + 1].split() if letters else []
    assert (made == text) == (len(set(inner)) < 2)


def test_punctuation_stays_at_the_ends():
    made = change(WORD_ORDER, "¿Dónde está el gato?", "spa-Latn")
    assert made.startswith("¿") and made.endswith("?")
    assert change(WORD_ORDER, "क्या यह है?", "hin-Deva").endswith("?"), "a vowel sign is no edge"
    assert WORD_ORDER.refusal("tha-Thai") and WORD_ORDER.refusal("zho-Hans")


def test_names_are_from_the_paragraph_and_lead_astray(sample_card):
    collection = load_collection(sample_card)
    perturbation = distractor_name(collection, sample_card)
    texts = dict(collection.passages.select("id", "text").iter_rows())
    changed = 0
    for language in ("en", "de", "ru", "ar", "hi"):
        code = sample_card.languages[language].code
        queries = collection.queries.filter(language=language)
        qrels = collection.judged(queries, collection.passages.filter(language=language))
        right = dict(qrels.select("query_id", "passage_id").iter_rows())
        for id_, text in queries.select("id", "text").iter_rows():
            made = perturbation.change(Query(id_, text, code), Random(0))  # noqa: S311
            if made == text:
                continue
            changed += 1
            name = made.removeprefix(text).strip(" ()")
            paragraph = right[id_].rpartition(".")[0] + "."
            around = [x for key, x in texts.items() if key.startswith(paragraph)]
            assert any(all(word in x for word in name.split()) for x in around)
            assert name.casefold() not in texts[right[id_]].casefold()
            assert name.casefold() not in text.casefold()
    assert changed > 100


def test_names_need_paragraphs(beir_card):
    from cards.test_translations import TOY

    card = beir_card(TOY)
    with pytest.raises(ValueError, match="Toy does not say which passages share a paragraph"):
        perturb(card, "distractor-name")


def files():
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in rewrites_folder("sample").iterdir()
    }


def test_the_same_command_gives_the_same_bytes(sample_card, place):
    for kind in PERTURBATIONS:
        perturb(sample_card, kind, seed=3)
    first = files()
    for file in rewrites_folder("sample").iterdir():
        file.unlink()
    code = (
        "from mteb_hybrid.cards.catalogue import collection_card;"
        "from mteb_hybrid.rewriting.perturbed import PERTURBATIONS, perturb;"
        "[perturb(collection_card('sample'), kind, seed=3) for kind in PERTURBATIONS * 2]"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert files() == first
    perturb(sample_card, "typos", seed=4)
    assert files() != first


def test_a_text_does_not_depend_on_the_others(sample_card):
    perturb(sample_card, "typos", ["de"], only={"de:bridge-1-a"})
    (alone,) = load_queries(collection_card("sample-typos"))["text"]
    perturb(sample_card, "typos", ["en", "de"])
    queries = load_queries(collection_card("sample-typos"))
    assert queries.filter(id="de:bridge-1-a")["text"].item() == alone


def test_what_is_left_out_is_counted(sample_card):
    about = perturb(sample_card, "no-diacritics").kinds["no-diacritics"]
    assert about.rejected["zh"] == {"zho-Hans has no diacritics that could be dropped": 52}
    assert (
        about.rejected["en"]["nothing to change"]
        + (about.languages["en"].queries if "en" in about.languages else 0)
        == 52
    )
    with pytest.raises(RewriteError, match="--language zh, --kind typos: no keyboard layout of"):
        perturb(sample_card, "typos", ["zh"])
    with pytest.raises(RewriteError, match=r"no-diacritics: no rewrite was made \(nothing to"):
        perturb(sample_card, "no-diacritics", ["en"], only={"en:bridge-1-a"})
    assert rewrite_provenance(sample_card).kinds["no-diacritics"] == about, "as it was"
