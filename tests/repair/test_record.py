"""``repair.json``: what is written is read again, and anything else is named."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.repair.record import Record, read_record
from mteb_hybrid.repair.sample import RepairError
from repair.conftest import RECORD, ROW, SEAT


def write(folder, content):
    file = folder / "model_card" / "repair.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text, encoding="utf-8")
    return folder


def changed(path, value):
    """The record with one value changed; left out if it is `...`."""
    record = json.loads(json.dumps(RECORD))
    place = record
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return record


def test_a_record_is_read(tmp_path):
    found = read_record(write(tmp_path, RECORD | {"of_a_later_version": 1}))
    assert found.model_dump() == RECORD | {"command": "", "length": None}
    assert found.label == "projection 2"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["where"], ..., "key 'where': Field required"),
        (["where", "before", "probe"], ..., "key 'where.before.probe': Field required"),
        (["where", "after", "between"], float("nan"), "key 'where.after.between': .*finite"),
        (
            ["where", "after", "spectrum", 1],
            1.5,
            "key 'where.after.spectrum.1': .*less than or equal",
        ),
        (["where", "texts"], 1, "key 'where.texts': "),
        (["curve"], [], "key 'curve': .*at least 1 item"),
        (["curve", 0, "pool"], "0.5", "key 'curve.0.pool': .*valid number"),
        (["curve", 0, "pool"], True, "key 'curve.0.pool': .*valid number"),
        (["curve", 0, "rank_distance"], -1, "key 'curve.0.rank_distance': "),
        (["curve", 1, "directions"], 10**30, "key 'curve.1.directions': "),
        (["curve", 1, "monolingual"], float("inf"), "key 'curve.1.monolingual': "),
        (["chosen"], 2, r"chosen is 2; the curve has 2 rows"),
        (["chosen"], -1, "chosen is -1"),
        (["languages"], {"de": 3}, "key 'languages': .*at least 2"),
        (["base_model"], ["<b>"], "key 'base_model': .*valid string"),
        (["warnings"], "no", "key 'warnings': .*valid list"),
    ],
)
def test_what_is_no_record_is_named(tmp_path, path, value, said):
    folder = write(tmp_path / "m", changed(path, value))
    with pytest.raises(RepairError, match=rf"m/model_card/repair\.json: {said}"):
        read_record(folder)


def test_files_that_are_no_record(tmp_path):
    with pytest.raises(RepairError, match="no such file; name the folder of a model"):
        read_record(tmp_path)
    for text, said in (("[1]", "expected a JSON object"), ("{", "not JSON"), ("\x80", "not JSON")):
        with pytest.raises(DataError, match=rf"repair\.json: .*{said}"):
            read_record(write(tmp_path, text))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
PLACES = [
    *([key] for key in RECORD),
    *(["where", side, key] for side in ("before", "after") for key in SEAT),
    *(["curve", 1, key] for key in ROW),
]


@given(st.sampled_from(PLACES), JSON)
@settings(max_examples=100)
def test_anything_in_any_place_is_read_or_refused(tmp_path_factory, path, value):
    folder = write(tmp_path_factory.mktemp("m"), changed(path, value))
    try:
        assert isinstance(read_record(folder), Record)
    except (RepairError, DataError) as error:
        assert "repair.json" in str(error)
