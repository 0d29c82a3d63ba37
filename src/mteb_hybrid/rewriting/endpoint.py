"""A language model behind an OpenAI-compatible endpoint: chat completions over HTTP.

The protocol: https://platform.openai.com/docs/api-reference/chat; vLLM, llama.cpp, Ollama and many
services speak it. Time-outs, broken connections, errors of the server, malformed answers and limits
of rate are tried again, with waits that double or that the server names; what is wrong with the
request is not.
"""

import email.utils
import logging
import os
import time
from datetime import UTC, datetime
from functools import lru_cache
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mteb_hybrid.files.addresses import address_fault
from mteb_hybrid.files.documents import parse_json
from mteb_hybrid.files.places import HTTP_VARIABLE
from mteb_hybrid.rewriting.overlay import RewriteError
from mteb_hybrid.translation.cache import Translated

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

TRIES = 6
"""How often one question is asked before the command gives up."""

LONGEST_WAIT = 300.0
"""Seconds that a server may ask to wait."""

SECONDS = 120.0
"""How long a whole answer may take."""

_CONNECT = 20.0
_FIRST_WAIT = 1.0
_LARGEST = 2**20
"""Bytes of an answer that are read."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_COMPLETIONS = "/chat/completions"

_WHOLE = frozenset(
    (
        *("", "stop", "stop_sequence", "stop_token", "eos", "eos_token", "end", "end_turn"),
        *("complete", "completed", "done", "finish", "finished"),
    )
)
"""How servers say that a model ended its answer itself; the protocol has ``stop``, or nothing."""

logger = logging.getLogger(__name__)


class QuestionRefusedError(RewriteError):
    """What a server refuses, perhaps for this one question: its length, or what it is about.

    Attributes:
        reason: In a few words that are counted.
    """

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.reason = f"refused by the server ({code})"


class _TryAgainError(Exception):
    """What may pass. Its message says what it was.

    Attributes:
        wait: Seconds that the server asks to wait; None if it does not say.
    """

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


class Endpoint:
    """A model behind an endpoint.

    Args:
        url: What ``/chat/completions`` stands behind, such as ``http://localhost:8000/v1``.
        model: The model, as the endpoint calls it.
        temperature: Of the sampling, which is sent.
        max_tokens: Longest answer, which is sent.
        key_variable: The environment variable that holds the key; no key is sent if None. It is
            never written or printed. White space around it, as of a file's last line, is none of
            it.
        requests_at_once: How many questions are asked at the same time.

    Attributes:
        by: What it is called in provenances.
        options: What an answer depends on, beside prompt and seed.
        at_once: As given.

    Raises:
        RewriteError: If the address is none, the variable is not set or holds no key, or the key
            would be sent unencrypted over a network.
    """

    def __init__(
        self,
        url: str,
        model: str,
        temperature: float,
        max_tokens: int,
        key_variable: str | None = None,
        requests_at_once: int = 1,
    ) -> None:
        self._url = _address(url)
        parts = urlsplit(self._url)
        self._host = parts.netloc
        here = parts.scheme == "http" and parts.hostname in _LOOPBACK
        # A proxy would read the key, and has a localhost of its own.
        self._by_proxies = not here
        self._key = os.environ.get(key_variable, "").strip() if key_variable else ""
        if key_variable and not self._key:
            raise RewriteError(
                f"--key-variable {key_variable}: not set; export it with the endpoint's key"
            )
        if not (self._key.isascii() and self._key.isprintable()):
            raise RewriteError(
                f"--key-variable {key_variable}: holds no key; expected one line of printable "
                "ASCII. Export it with the endpoint's key alone"
            )
        exposed = parts.scheme == "http" and not here
        if self._key and exposed and os.environ.get(HTTP_VARIABLE) != "1":
            raise RewriteError(
                f"--endpoint: the key would go to {self._host} unencrypted; use https://, or set "
                f"{HTTP_VARIABLE}=1 if you trust the network"
            )
        self._model = model
        self.by = model
        self.options: dict[str, str | int | float] = {
            "endpoint": _name(self._url),
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
        self.at_once = requests_at_once
        self._stopped = Event()

    def ask(self, prompt: str, seed: int) -> Translated:
        """What the model answers, and whether that was cut, by the limit of tokens or otherwise.

        May be called from several threads.

        Args:
            prompt: The one message of the user.
            seed: Sent along; not every endpoint heeds it.

        Raises:
            QuestionRefusedError: If the server refuses the request, as wrong or too large.
            RewriteError: If there is no answer after `TRIES`, or the server refuses otherwise.
        """
        wait = _FIRST_WAIT
        for number in range(1, TRIES + 1):
            try:
                return self._asked(prompt, seed)
            except _TryAgainError as error:
                if error.wait is not None and error.wait > LONGEST_WAIT:
                    raise RewriteError(
                        f"{self._host}: {error}; it asks to wait {error.wait:,.0f} seconds. Give "
                        "the same command again then: what was answered is kept."
                    ) from None
                if number == TRIES:
                    raise RewriteError(
                        f"{self._host}: {error}, {TRIES} times. Look after the server, and give "
                        "the same command again: what was answered is kept."
                    ) from None
                if self._stopped.wait(wait if error.wait is None else error.wait):
                    raise RewriteError(f"{self._host}: {error}; given up") from None
                wait *= 2
        raise AssertionError

    def stop(self) -> None:
        """Have those that wait to ask again give up."""
        self._stopped.set()

    def _asked(self, prompt: str, seed: int) -> Translated:
        from requests import RequestException, Session
        from urllib3.exceptions import HTTPError

        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self.options["temperature"],
            "max_tokens": self.options["max_tokens"],
            "seed": seed,
            "stream": False,
        }
        try:
            with Session() as session:
                session.trust_env = self._by_proxies
                with session.post(
                    self._url,
                    json=body,
                    headers={"Accept-Encoding": "identity"},
                    auth=self._authorised,  # else requests looks for a password in ~/.netrc
                    stream=True,
                    allow_redirects=False,
                    timeout=(_CONNECT, SECONDS),
                ) as response:
                    raw = _body(response)
        except (RequestException, HTTPError, OSError) as error:
            raise _TryAgainError(_said(error)) from None
        except ValueError as error:  # may quote the headers, and so the key
            raise RewriteError(
                f"{self._host}: the question cannot be sent ({type(error).__name__})"
            ) from None
        self._check(response, raw)
        return _answer(raw)

    def _authorised(self, request: "PreparedRequest") -> "PreparedRequest":
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _check(self, response: "Response", raw: bytes) -> None:
        code = response.status_code
        if code == 200:
            return
        said = f"the server answers {code}{self._message(raw)}"
        if code in (408, 409, 429) or code >= 500:
            raise _TryAgainError(said, _retry_after(response.headers.get("retry-after")))
        if response.is_redirect:
            raise RewriteError(
                f"{self._host}: redirects to another address, which is not followed; give the "
                "right --endpoint"
            )
        hints = {
            401: "; name the variable that holds the key with --key-variable",
            403: "; name the variable that holds the key with --key-variable",
            404: "; --endpoint is what stands before /chat/completions, as in "
            "http://localhost:8000/v1, and --model what the endpoint calls it",
        }
        if code in (400, 413, 422):
            raise QuestionRefusedError(f"{self._host}: {said}", code)
        raise RewriteError(f"{self._host}: {said}{hints.get(code, '')}")

    def _message(self, raw: bytes) -> str:
        """What an error says, shortened, without the key."""
        try:
            error = parse_json(raw)["error"]
            text = str(error["message"] if isinstance(error, dict) else error)
        except (ValueError, KeyError, TypeError):
            return ""
        text = text.replace(self._key, "…") if self._key else text
        return f" ({' '.join(text.split())[:200]})"


def _address(url: str) -> str:
    """The address that is asked."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RewriteError(f"--endpoint {url!r}: no address ({error})") from None
    fault = address_fault(url.replace("http://", "https://", 1))
    if fault and "@" in parts.netloc:
        fault = "names a user or a password; leave it out, and name a variable: --key-variable"
    if parts.query or parts.fragment:
        fault = "has something behind '?' or '#'; leave it out"
    if parts.scheme not in ("http", "https") or not host:
        fault = "is no address; expected one such as http://localhost:8000/v1"
    if fault:
        raise RewriteError(f"--endpoint: the address {fault}")
    base = url.rstrip("/")
    return base if base.endswith(_COMPLETIONS) else f"{base}{_COMPLETIONS}"


def _name(url: str) -> str:
    """What an endpoint is called in provenances and caches: one host may have several."""
    parts = urlsplit(url)
    path = parts.path.removesuffix(_COMPLETIONS)
    # The usual path goes without saying, as it always did: earlier answers are found again.
    return parts.netloc if path == "/v1" else f"{parts.netloc}{path or '/'}"


def _body(response: "Response") -> bytes:
    """All that a server sends, in time: each piece may come late, and there may be many."""
    began, parts, size = time.monotonic(), list[bytes](), 0
    while part := response.raw.read1(2**14):
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise _TryAgainError("the answer goes on and on")
        if time.monotonic() - began > SECONDS:
            raise _TryAgainError(f"the answer is not whole after {SECONDS:g} seconds")
    return b"".join(parts)


def _answer(raw: bytes) -> Translated:
    """The text of a completion."""
    try:
        (choice, *_) = parse_json(raw)["choices"]
        text, reason = choice["message"]["content"], str(choice.get("finish_reason") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _TryAgainError(
            "the answer is not that of a chat completion (choices[0].message.content)"
        ) from None
    if text is None:  # the model refuses, or a filter does
        text = ""
    if not isinstance(text, str):
        raise _TryAgainError("the answer's message.content is no text")
    return Translated(text, _is_cut(reason[:40]))


@lru_cache  # says it once
def _is_cut(reason: str) -> bool:
    """Whether an answer is not whole, by its ``finish_reason``."""
    cut = reason.rpartition(".")[2].casefold() not in _WHOLE  # FinishReason.STOP, too
    if cut and reason != "length":
        logger.warning("an answer ends with finish_reason %r, and is not taken as whole", reason)
    return cut


def _retry_after(value: str | None) -> float | None:
    """Seconds that a header ``Retry-After`` asks for: a number, or a date."""
    if not value:
        return None
    try:
        return max(float(value), 0.0) if float(value) < float("inf") else None
    except ValueError:
        pass
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    now = datetime.now(UTC)
    return max((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - now.timestamp(), 0)


def _said(error: Any) -> str:
    from requests import exceptions

    if isinstance(error, exceptions.Timeout):
        return "the server does not answer in time"
    if isinstance(error, exceptions.SSLError):
        return "the server's certificate or its TLS is not accepted"
    if isinstance(error, exceptions.ProxyError | exceptions.InvalidProxyURL):
        return "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used"
    if isinstance(error, exceptions.ChunkedEncodingError) or "IncompleteRead" in str(error):
        return "the connection broke off"
    if isinstance(error, exceptions.ConnectionError):
        return "the server cannot be reached, or ends the connection"
    return type(error).__name__
