"""Endpoints, against a real server on this machine that answers, fails, is busy or talks nonsense as it is told."""

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from foreign import ASKED, DOCUMENTS, SAID, SHOTS

from data.records import Citation
from eval.answerers.prompted.answerer import Prompted
from eval.answerers.prompted.endpoint import Endpoint

IDS = [document.id for document in DOCUMENTS]
PROMPTS = {SHOTS.text(q.text): q.id for q in ASKED} | {SHOTS.turns(q.text)[-1]["content"]: q.id for q in ASKED}


class Server(ThreadingHTTPServer):
    """Answers with `SAID`; before that, once for each of `faults`, with (status, headers, body)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.requests, self.keys, self.lock = [], [], [], threading.Lock()
        self.shows, self.delay, self.running, self.most = True, 0.0, 0, 0

    def handle_error(self, *_):
        """A client that did not wait is no news."""

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/v1/{path}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
            fault = self.server.faults.pop(0) if self.server.faults else None
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        time.sleep(self.server.delay)
        status, headers, content = fault or (200, {}, json.dumps(self.reply(body)))
        with self.server.lock:
            self.server.running -= 1
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def reply(self, body):
        if self.path == "/v1/completions":
            text = SAID[PROMPTS[body["prompt"]]]
            tokens = list(text)
            shown = {"tokens": tokens, "token_logprobs": [-0.1] * len(tokens)} if self.server.shows else None
            return {"choices": [{"text": text, "logprobs": shown}]}
        text = "Answer:" + SAID[PROMPTS[body["messages"][-1]["content"]]]
        shown = {"content": [{"token": c, "logprob": -0.1} for c in text]} if self.server.shows else None
        return {"choices": [{"message": {"role": "assistant", "content": text}, "logprobs": shown}]}

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(server, path="completions", **settings):
    endpoint = Endpoint(server.url(path), "tiny", **({"pause": 0.01} | settings))
    return Prompted("tiny", endpoint, SHOTS, IDS).answer(ASKED)


@pytest.mark.parametrize("path", ["completions", "chat/completions"])
def test_text_and_turns_are_asked_and_read_alike(server, path):
    said = {p.question: p for p in ask(server, path)}
    assert [p.outcome for p in said.values()] == [
        "answered", "answered", "abstained", "answered", "no_source", "abstained",
    ]  # fmt: skip
    assert (said["q0"].answer, said["q0"].citations, said["q0"].valid) == ("Firm 0", (Citation("doc-0"),), True)
    assert (said["q3"].citations, said["q3"].valid) == ((), False)
    assert said["q0"].confidence == pytest.approx(math.exp(-0.1 * len("Firm 0\n")))
    assert {(r["model"], r["temperature"]) for r in server.requests} == {("tiny", 0)}


def test_without_log_probabilities_there_is_no_confidence(server):
    server.shows = False
    assert {p.confidence for p in ask(server)} == {None}


def test_the_key_comes_from_the_environment(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ask(server)
    assert set(server.keys) == {None}
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ask(server)
    assert server.keys[-1] == "Bearer secret"


def test_requests_are_under_way_together_and_no_more_than_may_be(server):
    server.delay = 0.1
    ask(server, parallel=3)
    assert server.most == 3


@pytest.mark.parametrize(
    "fault",
    [
        (429, {}, "slow down"),
        (500, {}, "oops"),
        (503, {"Retry-After": "0"}, ""),
        (200, {}, "not JSON"),
        (200, {}, '{"choices": []}'),
        (200, {}, '{"choices": [{"text": null}]}'),
        (200, {}, '["list"]'),
        (200, {"Content-Length": "1000"}, "cut off"),
    ],
)
def test_a_fault_that_passes_is_asked_again(server, fault):
    server.faults = [fault]
    assert [p.answer for p in ask(server)][:2] == ["Firm 0", "Firm 1"]
    assert len(server.requests) == len(ASKED) + 1


def test_pauses_double_and_a_server_may_say_how_long(server, monkeypatch):
    pauses = []
    monkeypatch.setattr("eval.answerers.prompted.endpoint.time.sleep", pauses.append)
    server.faults = [(500, {}, ""), (500, {}, ""), (429, {"Retry-After": "7"}, ""), (429, {"Retry-After": "900"}, "")]
    Endpoint(server.url("completions"), "tiny", parallel=1).write(SHOTS, [ASKED[0].text])
    assert [pause for pause in pauses if pause] == [1.0, 2.0, 7.0, 60.0]


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([(500, {}, "oops")] * 30, "failed 2 times, at last with 500 .*: oops"),
        ([(200, {}, "{}")] * 30, "failed 2 times, at last with ValueError: not a reply of /completions"),
        ([(401, {}, "no such key")] * 30, "refuses: 401 .*: no such key"),
        ([(302, {"Location": "http://127.0.0.1:9/"}, "")] * 30, "refuses: 302"),
    ],
)
def test_a_fault_that_stays_is_said(server, faults, message):
    server.faults = faults
    with pytest.raises(OSError, match=message):
        ask(server, tries=2)


def test_a_server_that_is_too_slow_or_not_there_is_said(server):
    server.delay = 0.3
    with pytest.raises(OSError, match="failed 1 times, at last with TimeoutError"):
        ask(server, tries=1, timeout=0.05)
    with pytest.raises(OSError, match="failed 1 times"):
        Endpoint("http://127.0.0.1:9/completions", "tiny", tries=1).write(SHOTS, ["?"])


@pytest.mark.parametrize("url", ["http://127.0.0.1/v1", "file:///completions", "127.0.0.1/completions"])
def test_an_endpoint_is_a_url_of_completions(url):
    with pytest.raises(ValueError, match="must be a url that ends in /completions"):
        Endpoint(url, "tiny")
