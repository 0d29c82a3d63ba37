"""JSON and TOML within limits: what passes is what other parsers say, and nothing is slow."""

import json
import time
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.files import documents
from mteb_hybrid.files.documents import DEPTH, RepeatedKeyError, parse_json, read_toml
from mteb_hybrid.files.errors import DataError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=40,
)
MILLION = 10**6  # bytes, or so
# Seconds of CPU. A megabyte takes less than one; work that is quadratic in it, hours.
HANGS = 60


@given(VALUES)
@settings(deadline=None, max_examples=30)
def test_json_is_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.data(), VALUES)
@settings(deadline=None, max_examples=200)
def test_large_json_is_read_as_small_json(data, value):
    raw = json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode()
    start = data.draw(st.integers(0, len(raw)))
    parts = st.sampled_from([b"", *b'"[]{}:\\,', b'{"a": 1, "a": 1}', b"1" * 41, b"[" * 101])
    put = data.draw(parts)
    raw = raw[:start] + (put if isinstance(put, bytes) else bytes([put])) + raw[start:]

    def outcome(parse):
        try:
            return parse(raw)
        except ValueError:  # of two faults, either may be named
            return ValueError

    assert outcome(documents._large) == outcome(documents._small)


def test_large_json_has_the_same_limits():
    filler = b'"' + b"x" * documents.LARGE + b'"'
    deep = b"[{%s: " % filler + b"[" * (DEPTH - 2)
    assert parse_json(deep + b"]" * (DEPTH - 2) + b"}]")
    with pytest.raises(ValueError, match="nested deeper than 100"):
        parse_json(deep + b"[" + b"]" * (DEPTH - 1) + b"}]")
    with pytest.raises(ValueError, match="a number of 41 digits"):
        parse_json(b"[%s, %s]" % (filler, b"1" * 41))
    assert parse_json(b"[%s, 0.%s]" % (filler, b"1" * 41))[1] == 1 / 9
    with pytest.raises(RepeatedKeyError, match="'a' stands twice"):
        parse_json(b'[%s, {"a": [], "b:": 1, "a": 2}]' % filler)


def test_brackets_in_texts_are_none():
    text = '[{"\\' * 1000
    assert parse_json(json.dumps([text] * 3).encode()) == [text] * 3
    assert parse_json(b"[" * DEPTH + b"]" * DEPTH)
    with pytest.raises(ValueError, match="nested deeper than 100"):
        parse_json(b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1))


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * MILLION,
        b'{"a":' * (MILLION // 5),
        b"1" * MILLION,
        b'"' + b'\\"' * (MILLION // 2),
        b'["' + b'\\"[' * (MILLION // 3),
        b"[]" * (MILLION // 2),
        b"[" + b"[]," * (MILLION // 3) + b"0]",
        b'{"a": ' + b"1" * 5000 + b"}",
    ],
    ids=range(8),
)
def test_hostile_json(raw):
    start = time.process_time()
    if raw.endswith(b"0]"):
        assert len(parse_json(raw)) == MILLION // 3 + 1
    else:
        with pytest.raises(ValueError):
            parse_json(raw)
    assert time.process_time() - start < HANGS


CARD = r"""# [[[[[
title = "a.b.c.d [[[[{ # no comment"
text = QQQ ''' [[[ \QQQ "quoted" QQQ
raw = '''[[[ QQQ '''
a.b."c.d"."e.f" = [{x = 1}, {x = [1, 2.0, 1979-05-27]}]
[table."[[[".x]
y = 'z'
""".replace("QQQ", '"' * 3)


def test_toml_is_what_tomllib_makes_of_it(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(CARD)
    assert read_toml(file) == tomllib.loads(CARD)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" + "a." * 100_000 + "a]", "a key of more than 20 parts"),
        ("a." * 500_000 + "a = 1", "a key of more than 20 parts"),
        ("'a' . " * 160_000 + "a = 1", "a key of more than 20 parts"),
        ("a = " + "[" * MILLION, "nested deeper than 20 levels"),
        ("a = " + "{b = " * 190_000, "nested deeper than 20 levels"),
        ("a = " + "1" * MILLION, "TOML"),
        ("a = 0x" + "f" * MILLION, "beyond 64 bits"),
        ('a = "' + '\\"' * 500_000, "TOML"),
        ('a = """' + '\\"""' * 250_000, "TOML"),
        ("a = '''" + "''" * 500_000, "TOML"),
        ("a" * MILLION, "TOML"),
        (" " * MILLION + "x", "TOML"),
        ("[[a]]\n" * 170_000 + "!", "TOML"),
        ("x" * (2 * MILLION), "larger than 1 MiB"),
        ("a = 1\0", "TOML"),
    ],
    ids=range(15),
)
def test_hostile_toml(tmp_path, text, said):
    file = tmp_path / "a.toml"
    file.write_text(text)
    start = time.process_time()
    with pytest.raises(DataError, match=rf"a\.toml: not a TOML file in UTF-8.*{said}|{said}"):
        read_toml(file)
    assert time.process_time() - start < HANGS
