"""Where files come from, and that a bad one never gets further."""

import functools
import hashlib
import http.server
import threading

import pytest

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.sources.locate import check_there, locate

CONTENT = b'{"data": []}' * 1000


@pytest.fixture
def served(tmp_path):
    """A folder, and the URL on this machine under which it is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        requests = 0

        def do_GET(self):
            type(self).requests += 1
            super().do_GET()

        def log_message(self, *args):
            pass

    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "en.json").write_bytes(CONTENT)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/", Quiet
        server.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("MTEB_HYBRID_ALLOW_HTTP", "1")
    monkeypatch.setattr("mteb_hybrid.sources.locate.cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def card(sample_card, url):
    sha = hashlib.sha256(CONTENT).hexdigest()
    languages = {
        code: {"code": tag, "file": f"{code}.json", "sha256": sha}
        for code, tag in (("en", "eng-Latn"), ("de", "deu-Latn"))
    }
    fields = sample_card.model_dump() | {"languages": languages}
    fields["source"] |= {"url": url, "path": "toy/toy-r"}
    return TaskCard.model_validate(fields)


def test_downloaded_once(sample_card, served, cache):
    _, url, handler = served
    file = locate(card(sample_card, url), "en")
    assert file.read_bytes() == CONTENT
    assert file.is_relative_to(cache)
    assert locate(card(sample_card, url), "en") == file
    assert handler.requests == 1


def test_published_under_another_name(sample_card, served, cache):
    folder, url, _ = served
    (folder / "v1").mkdir()
    (folder / "en.json").rename(folder / "v1" / "english.json")
    fields = card(sample_card, url).model_dump()
    fields["languages"]["en"]["published_as"] = "v1/english.json"
    file = locate(TaskCard.model_validate(fields), "en")
    assert file.name == "en.json" and file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b"X" + b[1:]], ids=["cut", "altered"]
)
def test_a_bad_download_leaves_nothing(sample_card, served, cache, change):
    folder, url, _ = served
    (folder / "en.json").write_bytes(change(CONTENT))
    with pytest.raises(DataError, match=r"en\.json: altered or cut short.*Check the connection"):
        locate(card(sample_card, url), "en")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_damaged_cache_is_repaired(sample_card, served, cache):
    _, url, _ = served
    file = locate(card(sample_card, url), "en")
    file.write_bytes(CONTENT[:10])
    assert locate(card(sample_card, url), "en").read_bytes() == CONTENT


def test_no_such_file_and_no_server(sample_card, served, cache):
    _, url, _ = served
    with pytest.raises(DataError, match=r"de\.json: not downloaded: .* 404, it has no such file"):
        locate(card(sample_card, url), "de")
    with pytest.raises(DataError, match="not downloaded: the server cannot be reached"):
        locate(card(sample_card, "http://127.0.0.1:9/"), "en")


def test_files_that_the_user_makes(sample_card, cache, tmp_path, monkeypatch):
    fields = card(sample_card, None).model_dump()
    fields["source"]["made_from"] = "https://example.org/memories/"
    made = TaskCard.model_validate(fields)
    made._file = tmp_path / "toy.toml"
    assert made.source.origin == "https://example.org/memories/"
    for find in (check_there, lambda found: locate(found, "en")):
        with pytest.raises(
            DataError,
            match=r"^toy/toy-r/en\.json: cannot be downloaded as it is\. "
            r"Make it of https://example\.org/memories/.*set MTEB_HYBRID_DATA to",
        ):
            find(made)  # fmt: skip
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    folder = tmp_path / "toy" / "toy-r"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=r"en\.json: no such file\. Make it of https://example"):
        check_there(made)
    (folder / "en.json").write_bytes(CONTENT + b" ")
    with pytest.raises(DataError, match=r"en\.json: altered or cut short.* Make it of https://ex"):
        locate(made, "en")
    (folder / "en.json").write_bytes(CONTENT)
    assert locate(made, "en") == folder / "en.json"


def test_offline_nothing_is_asked(sample_card, served, cache, monkeypatch):
    _, url, handler = served
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"HF_HUB_OFFLINE is set.*set MTEB_HYBRID_DATA"):
        locate(card(sample_card, url), "en")
    assert handler.requests == 0


def test_the_data_folder_comes_first(sample_card, served, cache, tmp_path, monkeypatch):
    _, url, handler = served
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    file = tmp_path / "data" / "toy" / "toy-r" / "en.json"
    with pytest.raises(DataError, match=r"toy-r/en\.json: no such file.*unset MTEB_HYBRID_DATA"):
        locate(card(sample_card, url), "en")
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    assert locate(card(sample_card, url), "en") == file
    file.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"toy-r/en\.json: altered or cut short"):
        locate(card(sample_card, url), "en")
    assert handler.requests == 0


def test_what_is_not_there_is_told_without_reading_or_asking(
    sample_card, served, cache, tmp_path, monkeypatch
):
    check_there(sample_card)
    toy = card(sample_card, served[1])
    check_there(toy)
    assert served[2].requests == 0 and not cache.exists()
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match=r"toy-r.en\.json: no such file\. Put the published file"):
        check_there(toy)
    (tmp_path / "data" / "toy" / "toy-r").mkdir(parents=True)
    for name in ("en.json", "de.json"):
        (tmp_path / "data" / "toy" / "toy-r" / name).touch()
    check_there(toy)


def test_the_sample_is_beside_its_card(sample_card, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", "/nonexistent")
    assert locate(sample_card, "en") == sample_card.file.parent / "sample" / "en.json"


def test_no_link_leads_out(sample_card, served, cache, tmp_path):
    _, url, _ = served
    (tmp_path / "outside").mkdir()
    (cache / "toy").mkdir(parents=True)
    (cache / "toy" / "toy-r").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match=r"en\.json: is a link to .*; expected a file inside"):
        locate(card(sample_card, url), "en")
    assert not list((tmp_path / "outside").iterdir())
    beside = card(sample_card, None)
    beside._file = tmp_path / "cards" / "toy.toml"
    place = tmp_path / "cards" / "toy" / "toy-r" / "en.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert locate(beside, "en") == place
    place.rename(tmp_path / "outside" / "en.json")
    place.symlink_to(tmp_path / "outside" / "en.json")
    with pytest.raises(DataError, match=r"en\.json: is a link to .*Put the file itself there"):
        locate(beside, "en")


def test_links_in_the_users_own_places_are_followed(sample_card, served, cache, tmp_path):
    """The cache, and the folder of the cards, may lie on another disk."""
    _, url, _ = served
    (tmp_path / "disk" / "cards" / "toy" / "toy-r").mkdir(parents=True)
    cache.symlink_to(tmp_path / "disk")
    assert locate(card(sample_card, url), "en").read_bytes() == CONTENT
    (tmp_path / "disk" / "cards" / "toy" / "toy-r" / "en.json").write_bytes(CONTENT)
    (tmp_path / "linked").symlink_to(tmp_path / "disk" / "cards")
    beside = card(sample_card, None)
    beside._file = tmp_path / "linked" / "toy.toml"
    assert locate(beside, "en").read_bytes() == CONTENT


def test_an_address_of_http_needs_leave(sample_card, served, cache, monkeypatch):
    _, url, handler = served
    made = card(sample_card, url)
    monkeypatch.delenv("MTEB_HYBRID_ALLOW_HTTP")
    with pytest.raises(DataError, match=r"expected https://.*MTEB_HYBRID_ALLOW_HTTP=1"):
        locate(made, "en")
    with pytest.raises(ValueError, match="expected https://"):
        card(sample_card, url)
    assert handler.requests == 0
