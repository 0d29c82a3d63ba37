"""Downloads: right or not at all, each fault by its name, and no address but those allowed."""

import hashlib
import http.server
import multiprocessing
import os
import shutil
import signal
import threading
import time
import typing
from types import SimpleNamespace

import pytest

from mteb_hybrid.files.addresses import address_fault, checked_folder_address, without_user
from mteb_hybrid.files.download import DownloadError, download

CONTENT = b"text\n" * 50_000
SHA = hashlib.sha256(CONTENT).hexdigest()
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by what is asked for; as a proxy too."""

    asked: typing.ClassVar[list[str]] = []
    slow = threading.Event()

    def do_GET(self):
        self.asked.append(self.path)
        name = self.path.rpartition("/")[2]
        if name.startswith("to-"):
            self.send_response(302)
            self.send_header("Location", self.targets[name])
            self.end_headers()
        elif name.isdecimal():
            self.send_error(int(name))
        else:
            self.send_response(200)
            if name == "odd":
                self.send_header("Content-Length", "many")
            elif name != "unstated":
                self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:100_000])
            if name == "drip":
                for byte in CONTENT[100_000:100_100]:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if self.slow.wait(0.05):
                        break
            if name == "slow":
                self.wfile.flush()
                self.slow.wait(20)
            if name != "broken":
                self.wfile.write(CONTENT[100_000:])

    def log_message(self, *args):
        pass


@pytest.fixture
def url(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("MTEB_HYBRID_ALLOW_HTTP", "1")
    Handler.asked, Handler.slow = [], threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        Handler.targets = {
            "to-file": "/file",
            "to-ftp": "ftp://127.0.0.1/file?key=secret",
            "to-disk": "file:///etc/passwd",
            "to-itself": "/to-itself",
            "to-user": "http://me:secret@127.0.0.1/file",
            "to-private": f"{url}/file?key=secret",
        }
        yield url
        Handler.slow.set()
        server.shutdown()


def refused(url, folder, said, sha256=SHA):
    with pytest.raises(DownloadError, match=said) as error:
        download(url, folder / "file", sha256)
    assert "secret" not in str(error.value)
    assert list(folder.iterdir()) == []


def test_redirects(url, tmp_path, monkeypatch):
    download(f"{url}/to-file", tmp_path / "a" / "file", SHA)
    assert [path.read_bytes() for path in (tmp_path / "a").iterdir()] == [CONTENT]
    (tmp_path / "b").mkdir()
    refused(f"{url}/to-ftp", tmp_path / "b", "redirects to ftp://127.0.0.1, which begins with ftp:")
    refused(f"{url}/to-disk", tmp_path / "b", "redirects to file://, which")
    refused(f"{url}/to-user", tmp_path / "b", "redirects to http://127.0.0.1, which names a user")
    refused(f"{url}/to-itself", tmp_path / "b", "more than 10 redirects")


def test_no_redirect_into_a_private_network(url, tmp_path, monkeypatch):
    """The server is the proxy through which another one is asked, which sends us back to it."""
    monkeypatch.setenv("HTTP_PROXY", url)
    said = r"redirects to http://127\.0\.0\.1:\d+, which is on a network that is not public"
    refused("http://data.invalid/to-private", tmp_path, said)
    assert Handler.asked == ["http://data.invalid/to-private"]


def test_what_is_wrong_is_said(url, tmp_path, monkeypatch):
    refused(f"{url}/file", tmp_path, "altered or cut short: .* the card expects 0000", "0" * 64)
    refused(f"{url}/404", tmp_path, "not downloaded: the server answers 404, it has no such file")
    refused(f"{url}/503", tmp_path, "not downloaded: the server answers 503")
    refused(f"{url}/broken", tmp_path, "not downloaded: the connection broke off")
    refused("http://127.0.0.1:9/file", tmp_path, "not downloaded: the server cannot be reached")
    refused("http://data.invalid/file", tmp_path, "the server's name is not known here")
    refused(
        f"{url.replace('http', 'https')}/file", tmp_path, "certificate or its TLS is not accept"
    )
    refused("http://[::1/file", tmp_path, "is no address")
    refused("http:///file", tmp_path, "is no address")
    refused("http://a:b/file", tmp_path, "is no address")
    refused("http://a..b/file", tmp_path, "not downloaded: (this is no address|the server's name)")
    refused("http://me:secret@127.0.0.1/file", tmp_path, "names a user or a password")
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9")
    refused("http://data.invalid/file", tmp_path, "the proxy that .* names cannot be used")
    monkeypatch.setenv("HTTP_PROXY", "socks5://me:secret@127.0.0.1:9")
    refused("http://data.invalid/file", tmp_path, r"(pip install pysocks|the proxy that)")


def test_more_than_the_disk_can_take(url, tmp_path, monkeypatch):
    for name in ("unstated", "odd"):
        download(f"{url}/{name}", tmp_path / "a" / "file", SHA)
        (tmp_path / "a" / "file").unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=150_000))
    refused(f"{url}/file", tmp_path / "a", "it has 0 MB, and .* can take 0 MB. Make room")
    for name in ("unstated", "odd"):
        refused(f"{url}/{name}", tmp_path / "a", "it goes on and on, and .* can take 0 MB")


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(url, tmp_path, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.files.download._WINDOW", 0.3)
    start = time.monotonic()
    refused(f"{url}/drip", tmp_path, "the server sends fewer than 1,000 bytes a second. Try again")
    assert time.monotonic() - start < 60


def test_http_needs_leave(url, tmp_path, monkeypatch):
    monkeypatch.delenv("MTEB_HYBRID_ALLOW_HTTP")
    refused(f"{url}/file", tmp_path, "begins with http://.*set MTEB_HYBRID_ALLOW_HTTP=1")
    assert Handler.asked == []


def test_two_processes_download_once_and_a_killed_one_leaves_nothing(url, tmp_path):
    file = tmp_path / "file"
    fork = multiprocessing.get_context("fork")
    killed = fork.Process(target=download, args=(f"{url}/slow", file, SHA))
    killed.start()
    while not any(path.suffix == ".part" and path.stat().st_size for path in tmp_path.iterdir()):
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    Handler.slow.set()
    Handler.asked.clear()
    both = [fork.Process(target=download, args=(f"{url}/file", file, SHA)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert Handler.asked == ["/file"]
    assert list(tmp_path.iterdir()) == [file] and file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://a/", "begins with ftp:"),
        ("file:///etc/", "is no address"),
        ("javascript:alert(1)/", "is no address"),
        ("https://a b/", "is no address"),
        ("https://a/\u202e/", "is no address"),
        ("https://me@a/", "names a user"),
        ("https://a", "is no folder's"),
        ("https://a/?b=/", "is no folder's"),
        ("http://a/", "MTEB_HYBRID_ALLOW_HTTP=1"),
    ],
)
def test_addresses_of_cards(url, said, monkeypatch):
    monkeypatch.delenv("MTEB_HYBRID_ALLOW_HTTP", raising=False)
    with pytest.raises(ValueError, match=said):
        checked_folder_address(url)
    assert address_fault("https://example.org/data/") is None
    assert (
        without_user("see https://me:secret@a/b and http://c@d/")
        == "see https://…@a/b and http://…@d/"
    )
