"""The rewriter against a server that speaks the protocol, and everything that goes wrong there."""

import email.utils
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.rewritten import rewrite_provenance, rewrites_folder
from mteb_hybrid.commands.app import app
from mteb_hybrid.rewriting import by_model, endpoint
from mteb_hybrid.rewriting.by_model import rewrite
from mteb_hybrid.rewriting.endpoint import Endpoint
from mteb_hybrid.rewriting.overlay import RewriteError
from mteb_hybrid.rewriting.prompt import read_prompt
from mteb_hybrid.sources import load_queries
from rewriting.server import (
    broken,
    broken_chunks,
    completion,
    drips,
    hangs_up,
    question_of,
    raw,
    serving,
    silent,
    status,
    twice,
)

FIVE = {f"de:bridge-{n}-{x}" for n in (1, 2) for x in "ab"} | {"en:bridge-1-a"}


@pytest.fixture
def server():
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(endpoint, "_FIRST_WAIT", 0.01)


@pytest.fixture
def made(server, sample_card):
    """Rewrites five queries by the server."""

    def run(only=FIVE, at_once=2, **options):
        model = Endpoint(server.url, "acme/chat", 0.5, 99, requests_at_once=at_once)
        about = rewrite(
            sample_card, "paraphrase", model, read_prompt("paraphrase"), only=only, **options
        )
        return about.kinds["paraphrase"]

    return run


def questions(card, only=FIVE):
    queries = load_queries(card)
    return dict(queries.filter(queries["id"].is_in(list(only))).select("text", "id").iter_rows())


def test_what_is_asked_and_what_is_kept(server, made, sample_card):
    about = made(seed=7)
    assert server.path == "/v1/chat/completions"
    assert server.asked == dict.fromkeys(questions(sample_card), 1)
    for body in server.bodies:
        (message,) = body.pop("messages")
        assert message["role"] == "user"
        german = "Bogen" in message["content"] or "Brücke" in message["content"]
        assert f"Write in {'German' if german else 'English'}," in message["content"]
        assert body == {
            **{"model": "acme/chat", "temperature": 0.5, "max_tokens": 99},
            **{"seed": 7, "stream": False},
        }
    assert all("Authorization" not in headers for headers in server.headers)
    assert about.by == "acme/chat" and about.rejected == {}
    assert about.options == {
        "endpoint": server.url.removeprefix("http://").removesuffix("/v1"),
        **{"temperature": 0.5, "max_tokens": 99, "seed": 7, "attempts": 3},
        "prompt": "paraphrase.txt",
        "prompt_sha256": read_prompt("paraphrase").sha256,
        "mteb_hybrid": about.options["mteb_hybrid"],
    }
    kept = load_queries(collection_card("sample-paraphrase"))
    originals = {id_: text for text, id_ in questions(sample_card).items()}
    assert dict(kept.select("id", "text").iter_rows()) == {
        id_: twice(text) for id_, text in originals.items()
    }
    before = {file.name: file.read_bytes() for file in rewrites_folder("sample").iterdir()}
    made(seed=7)
    assert sum(server.asked.values()) == 5, "all answers were kept"
    assert {f.name: f.read_bytes() for f in rewrites_folder("sample").iterdir()} == before
    made(seed=8)
    assert sum(server.asked.values()) == 10, "another seed is another question"


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(503, retry_after="0"),
        status(429, "slow down"),
        status(408),
        raw(b'{"choices": [{"mess'),
        raw(b"[]"),
        raw(b'{"choices": []}'),
        raw(b'{"choices": [3]}'),
        raw(b'{"choices": [{"message": {"content": 3}}]}'),
        raw(b'{"error": "busy"}'),
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        raw(b" " * 2**21),
        broken,
        broken_chunks,
        hangs_up,
    ],
)
def test_what_may_pass_is_tried_again(server, made, fault):
    server.answer = lambda question, body: fault if server.asked[question] < 3 else twice(question)
    about = made(only={"de:bridge-1-a"})
    assert about.languages["de"].queries == 1
    assert set(server.asked.values()) == {3}


@pytest.mark.parametrize("slow", [silent(1.5), drips])
def test_time_outs(server, made, monkeypatch, slow):
    monkeypatch.setattr(endpoint, "SECONDS", 0.4)
    server.answer = lambda question, body: slow if server.asked[question] < 2 else twice(question)
    began = time.monotonic()
    assert made(only={"de:bridge-1-a"}).languages["de"].queries == 1
    assert set(server.asked.values()) == {2} and time.monotonic() - began < 20


@pytest.mark.parametrize("as_date", [False, True])
def test_a_limit_of_rate_is_waited_for(server, made, as_date):
    times = []

    def answer(question, body):
        times.append(time.monotonic())
        if len(times) > 1:
            return twice(question)
        then = datetime.now(UTC) + timedelta(seconds=2)
        return status(429, retry_after=email.utils.format_datetime(then) if as_date else "1")

    server.answer = answer
    made(only={"de:bridge-1-a"})
    assert len(times) == 2 and times[1] - times[0] >= (0.9 if not as_date else 0.5)


def test_a_limit_that_is_far_away_ends_the_command(server, made):
    server.answer = lambda question, body: status(429, "quota", retry_after="3600")
    with pytest.raises(RewriteError, match=r"answers 429 \(quota\); it asks to wait 3,600 seconds"):
        made(only={"de:bridge-1-a"})
    assert sum(server.asked.values()) == 1


def test_a_server_that_stays_ill_ends_the_command_and_nothing_is_asked_twice(
    server, made, sample_card, monkeypatch
):
    monkeypatch.setattr(endpoint, "TRIES", 3)
    texts = list(questions(sample_card))
    server.answer = lambda question, body: (
        status(500, "out of memory") if question == texts[3] else twice(question)
    )
    with pytest.raises(RewriteError, match=r"answers 500 \(out of memory\), 3 times.*is kept"):
        made(at_once=1)
    assert rewrite_provenance(sample_card) is None
    before = dict(server.asked)
    assert before == {texts[0]: 1, texts[1]: 1, texts[2]: 1, texts[3]: 3}
    server.answer = lambda question, body: twice(question)
    made(at_once=1)
    assert server.asked == before | {texts[3]: 4, texts[4]: 1}


def test_answers_under_way_are_kept_when_another_fails(server, made, sample_card):
    texts = list(questions(sample_card))

    def answer(question, body):
        if question == texts[0]:
            return status(404, "no such model")
        time.sleep(0.5)
        return twice(question)

    server.answer = answer
    with pytest.raises(RewriteError, match=r"answers 404 \(no such model\)"):
        made(at_once=3)
    under_way = dict(server.asked)
    server.answer = lambda question, body: twice(question)
    made(at_once=3)
    assert all(server.asked[text] == 1 for text in under_way if text != texts[0])


def test_a_question_that_is_refused_is_counted_where_others_are_answered(server, made, sample_card):
    first, *rest = questions(sample_card)
    server.answer = lambda question, body: (
        status(400, "content filter") if question == first else twice(question)
    )
    about = made(at_once=1, attempts=2)
    language = questions(sample_card)[first][:2]
    assert about.rejected == {language: {"refused by the server (400)": 1}}
    assert sum(found.queries for found in about.languages.values()) == 4
    assert server.asked == {first: 2, **dict.fromkeys(rest, 1)}


def test_a_server_that_refuses_all_is_not_asked_for_ever(server, made, monkeypatch):
    monkeypatch.setattr(by_model, "REFUSED", 2)
    server.answer = lambda question, body: status(422, "no such model")
    with pytest.raises(RewriteError, match=r"answers 422 \(no such model\)"):
        made(at_once=1)
    assert sum(server.asked.values()) == 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("?!", "empty"),
        (None, "empty"),
        ("Wie viele Bögen hat die Brücke?\nSie hat neun.", "several lines"),
        ("How many spans can one count along that old crossing?", "another language"),
        ("Сколько пролётов у этого сооружения?", "another script"),
        ("Sure! Wie viele Bögen gibt es?", "repeats the prompt, or talks about the task"),
        ("Question: Wie viele Bögen gibt es?", "repeats the prompt, or talks about the task"),
        (
            "Write one question on one line: no quotation marks, no explanation",
            "repeats the prompt, or talks about the task",
        ),
        ("<think>Hm, Bögen", "repeats the prompt, or talks about the task"),
        ("ORIGINAL", "equal to the original"),
        ("Und wie viele? " * 40, "far longer than the original"),
        ("ANSWER", "the answer occurs"),
        ("PASSAGE", "copies the passage"),
        ("Wie viele Bögen", "cut short, as by the limit of tokens"),
    ],
)
def test_what_is_no_rewrite_is_asked_for_again_and_counted(
    server, made, sample_card, answer, reason
):
    from mteb_hybrid.rewriting.by_model import _asked
    from mteb_hybrid.sources import load_collection

    only = {"de:bridge-1-a"}
    (asked,) = _asked(sample_card, load_collection(sample_card), ["de"], only)
    text = {
        "ORIGINAL": f'"{asked.text.upper()}"',
        "ANSWER": f"Wie viele Bögen hat sie, etwa {asked.answers[0]}?",
        "PASSAGE": "Stimmt es, dass " + " ".join(asked.passage.split()[-7:]),
    }.get(answer, answer)
    if answer == "PASSAGE":
        assert not any(f" {a.casefold()} " in f" {text.casefold()} " for a in asked.answers)
    length = "length" if reason.startswith("cut") else "stop"
    server.answer = lambda question, body: (
        raw(completion(text, length))
        if body["seed"] < 2 and question == asked.text
        else twice(question)
    )
    about = made(only=only)
    assert [body["seed"] for body in server.bodies] == [0, 1, 2]
    assert about.rejected == {} and about.languages["de"].queries == 1
    with pytest.raises(RewriteError, match=rf"no rewrite was made \({reason}"):
        made(only=only, attempts=2)
    assert len(server.bodies) == 3, "these answers were kept, too"
    about = made(only=only | {"en:bridge-1-a"}, attempts=2)
    assert about.rejected == {"de": {reason: 1}} and set(about.languages) == {"en"}


@pytest.mark.parametrize(
    "reason",
    # Of OpenAI, of Together, of TGI, of gateways to Claude, of one that says how Cohere ended.
    [None, "", "stop", "eos", "eos_token", "stop_sequence", "end", "end_turn", "COMPLETE"],
)
def test_what_a_model_ended_itself_is_whole(server, reason):
    server.answer = lambda question, body: raw(completion("Wann?", reason))
    assert Endpoint(server.url, "x", 0, 9).ask("Seit wann?", 0) == ("Wann?", False)


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", "model_length", {"a": 1}])
def test_what_something_else_ended_is_cut_and_said_once(server, caplog, reason):
    endpoint._is_cut.cache_clear()
    server.answer = lambda question, body: raw(completion("Wann", reason))
    for seed in range(2):
        assert Endpoint(server.url, "x", 0, 9).ask("Seit wann?", seed) == ("Wann", True)
    (said,) = caplog.messages
    assert f"finish_reason {str(reason)!r}" in said


def test_endpoints_on_one_host_do_not_share_their_answers(server, made):
    host = server.url.removeprefix("http://").removesuffix("/v1")
    only = {"de:bridge-1-a"}
    for path, name in (
        ("/v1", host),  # as versions before did: their answers are found again
        ("/a/v1", f"{host}/a/v1"),
        ("/b/v1/chat/completions", f"{host}/b/v1"),
        ("/", f"{host}/"),
    ):
        server.url = f"http://{host}{path}"
        assert made(only=only).options["endpoint"] == name
    assert set(server.asked.values()) == {4}


def test_thoughts_and_quotation_marks_are_taken_off(server, made):
    server.answer = lambda question, body: f"<think>Let me see.</think>\n\n„{twice(question)}“"
    made(only={"de:bridge-1-a"})
    (text,) = load_queries(collection_card("sample-paraphrase"))["text"]
    assert text == twice(question_of(server.bodies[0]))


def command(server, *options, key=""):
    arguments = ["rewrite", "sample", "--kind", "paraphrase", "--endpoint", server.url]
    return [*arguments, "--model", "acme/chat", *map(str, options)]


def test_kill_9_and_the_same_command_asks_nothing_twice(server, place, sample_card, tmp_path):
    """Killed while the server thinks of the fifth answer."""
    script = command(server, "--language", "de", "--at-once", 1, "--data", place)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "home")}
    start = [sys.executable, "-m", "mteb_hybrid", *script]
    process = subprocess.Popen(start, env=environment, stderr=subprocess.DEVNULL)

    def answer(question, body):
        if len(server.bodies) == 5:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return hangs_up
        return twice(question)

    server.answer = answer
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert rewrite_provenance(sample_card) is None
    lost = question_of(server.bodies[4])
    assert sum(server.asked.values()) == 5
    server.answer = lambda question, body: twice(question)
    done = subprocess.run(start, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert server.asked.pop(lost) == 2, "of this one no answer had come"
    assert set(server.asked.values()) == {1} and len(server.asked) == 51
    assert len(load_queries(collection_card("sample-paraphrase"))) == 52
    left = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert left == {"rewrites.sqlite"}


def test_two_processes_ask_nothing_twice(server, place, tmp_path):
    script = command(server, "--language", "es", "--at-once", 2, "--data", place)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "home")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "mteb_hybrid", *script],
            env=environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert set(server.asked.values()) == {1} and len(server.asked) == 52


def invoked(*arguments):
    result = CliRunner().invoke(app, [str(x) for x in arguments])
    return result.output + str(result.exception or "")


def test_the_key_is_sent_and_nowhere_else(server, place, monkeypatch, tmp_path):
    monkeypatch.setenv("ACME_KEY", "sk-secret")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer = lambda question, body: status(401, "the key sk-secret is wrong")
    options = ("--language", "de", "--key-variable", "ACME_KEY", "--at-once", 1)
    said = invoked(*command(server, *options))
    assert "answers 401 (the key … is wrong); name the variable" in said
    assert "secret" not in said
    server.answer = lambda question, body: twice(question)
    said = invoked(*command(server, *options))
    assert "paraphrase, by acme/chat: de 52" in said
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer sk-secret"}
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"secret" in content for content in written)
    server.headers.clear()
    invoked(*command(server, "--language", "es", "--at-once", 1))
    assert all("Authorization" not in headers for headers in server.headers), "nor that of netrc"


@pytest.mark.parametrize(
    "key", ["sk-\nsecret", "sk-\r\nX: secret", "schlüssel-secret", "s\0secret"]
)
def test_what_is_no_key_is_refused_and_not_said(monkeypatch, key):
    monkeypatch.setattr(os, "environ", os.environ | {"ACME_KEY": key})  # some a system refuses
    with pytest.raises(RewriteError, match="ACME_KEY: holds no key; expected one line") as error:
        Endpoint("https://h/v1", "x", 0, 9, "ACME_KEY")
    assert "secret" not in str(error.value)


def test_a_key_from_a_file_may_end_with_its_line(server, monkeypatch):
    monkeypatch.setenv("ACME_KEY", " sk-secret\r\n")
    Endpoint(server.url, "x", 0, 9, "ACME_KEY").ask("Seit wann?", 0)
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"


def test_errors_of_headers_are_not_passed_on(server, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "sk-secret")
    model = Endpoint(server.url, "x", 0, 9, "ACME_KEY")
    for model._key in ("sk-\nsecret", "sk-sécrèt-secret-\u4e00"):
        with pytest.raises(RewriteError, match="the question cannot be sent") as error:
            model.ask("Seit wann?", 0)
        assert "sk-" not in str(error.value) and error.value.__suppress_context__


def test_no_proxy_sees_what_this_machine_is_asked(server, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "sk-secret")
    monkeypatch.setenv("MTEB_HYBRID_ALLOW_HTTP", "1")
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        Endpoint(server.url, "x", 0, 9, "ACME_KEY").ask("Seit wann?", 0)
        assert len(server.headers) == 1 and not proxy.headers
        Endpoint("http://models.test/v1", "x", 0, 9, "ACME_KEY").ask("Seit wann?", 0)
        assert proxy.path == "http://models.test/v1/chat/completions", "what is elsewhere"


def test_redirects_are_not_followed(server, made):
    with serving() as other:
        server.answer = lambda question, body: status(307, location=f"{other.url}/x")
        with pytest.raises(RewriteError, match="redirects to another address, which is not foll"):
            made(only={"de:bridge-1-a"})
        assert not other.bodies


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--endpoint", "localhost:8000"], "--endpoint: the address is no address; expected one"),
        (["--endpoint", "http://me:pw@host/v1"], "names a user or a password; leave it out, and"),
        (["--endpoint", "http://host/v1?key=1"], "has something behind '?'"),
        (["--endpoint", "http://host:port/v1"], "no address (Port could not be cast"),
        (["--endpoint", "ftp://host/v1"], "is no address; expected one such as http://local"),
        (["--endpoint", "http://h/v1", "--key-variable", "NONE_SUCH"], "NONE_SUCH: not set"),
        (["--endpoint", "http://10.1.2.3/v1", "--key-variable", "ACME_KEY"], "go to 10.1.2.3 unen"),
        ([], "--kind paraphrase: needs a language model, --endpoint URL or --local FOLDER"),
        (["--endpoint", "http://h/v1", "--local", "x"], "give one of them"),
        (["--endpoint", "http://h/v1", "--kind", "poem"], "--kind poem: no prompt for it"),
        (["--endpoint", "http://h/v1", "--kind", "original"], "stands for the queries themselves"),
        (["--endpoint", "http://h/v1", "--prompt", "none.txt"], "--prompt none.txt: no such file"),
        (["--local", "none"], "--local none: no such folder"),
        (["--language", "fi", "--local", "x"], "--language fi: not in sample"),
    ],
)
def test_refusals(monkeypatch, arguments, said):
    monkeypatch.setenv("ACME_KEY", "sk-secret")
    model = ["-m", "x"] if "--endpoint" in arguments else []
    found = invoked("rewrite", "sample", "--kind", "paraphrase", *model, *arguments)
    assert said in found and "secret" not in found


def test_a_prompt_of_ones_own(server, place, sample_card, tmp_path):
    file = tmp_path / "rude.txt"
    file.write_text(
        "Say it rudely in {language}: {question}\n{passage} {braces}\nQuestion: {question}"
    )
    options = ("--kind", "rude", "--prompt", file, "--language", "en", "--at-once", 1)
    arguments = ["rewrite", "sample", "--endpoint", server.url, "-m", "acme/chat", *options]
    assert "rude, by acme/chat: en 52" in invoked(*arguments)
    (first, *_) = (body["messages"][0]["content"] for body in server.bodies)
    assert first.startswith("Say it rudely in English: ") and "{braces}" in first
    about = json.loads((rewrites_folder("sample") / "provenance.json").read_text())
    assert about["kinds"]["rude"]["options"]["prompt"] == "rude.txt"
    called = ["Rude" if one == "rude" else one for one in arguments]
    assert "--kind: 'Rude' is no name of a kind; expected 40 char" in invoked(*called)
    assert len(server.bodies) == 52, "nothing more was asked"
    file.write_text("Say it rudely")
    assert "says nowhere {question}" in invoked(*arguments)
