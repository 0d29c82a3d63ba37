"""A server on loopback that speaks the protocol of chat completions, and misbehaves as told."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def question_of(body) -> str:
    """The question of a prompt of the package, which ends with it."""
    return body["messages"][0]["content"].rpartition("Question: ")[2].strip()


def completion(text, reason="stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return json.dumps(
        {"object": "chat.completion", "choices": [choice | {"finish_reason": reason}]}
    ).encode()


class Server:
    """What was asked, and what is answered.

    Attributes:
        url: What ``/chat/completions`` stands behind.
        asked: How often each question was asked.
        bodies: What was sent, in order.
        headers: With which headers.
        answer: Makes the answer: the text of a rewrite, or a function that is given the handler.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[str, dict[str, Any]], Any] = lambda question, body: twice(question)
        self._lock = threading.Lock()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["content-length"]))
        body = json.loads(raw)
        with self._lock:
            self.asked[question_of(body)] += 1
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
        made = self.answer(question_of(body), body)
        if callable(made):
            made(handler)
        else:
            respond(handler, completion(made))


def twice(question: str) -> str:
    """A rewrite that passes every check."""
    return f"{question} {question}"


def respond(handler, raw: bytes, code=200, **headers) -> None:
    handler.send_response(code)
    for name, value in {"content-length": str(len(raw)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(raw)


def status(code, message="", **headers):
    raw = json.dumps({"error": {"message": message}}).encode()
    return lambda handler: respond(handler, raw, code, **headers)


def raw(content: bytes):
    return lambda handler: respond(handler, content)


def broken(handler) -> None:
    """Half of an answer, and the connection ends."""
    content = completion("half")
    handler.send_response(200)
    handler.send_header("content-length", str(len(content) * 2))
    handler.end_headers()
    handler.wfile.write(content)
    handler.close_connection = True


def broken_chunks(handler) -> None:
    """A chunk of a stream whose end never comes."""
    content = completion("half")[:20]
    handler.send_response(200)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
    handler.close_connection = True


def hangs_up(handler) -> None:
    """No answer at all."""
    handler.close_connection = True


def silent(seconds):
    def stay(handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return stay


def drips(handler) -> None:
    """A byte now and then, each in time."""
    content = completion("slow" * 100)
    handler.send_response(200)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    for byte in content:
        try:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


@contextmanager
def serving():
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            found.path = self.path
            found.handle(self)

        def log_message(self, *arguments) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
