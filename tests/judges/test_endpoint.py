import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from suture.errors import UsageError
from suture.judges import NEITHER, Endpoint, label_all

TEXT = "I am sorry, I can not help you."


class Server(ThreadingHTTPServer):
    """Answers with what `script` says, in order, its last entry for ever; keeps what was asked."""

    daemon_threads = True

    def __init__(self, script):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.asked = list(script), []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        script = self.server.script
        said = script.pop(0) if len(script) > 1 else script[0]
        if said == "hang":
            time.sleep(0.5)
            return
        status, content = (said, b"{}") if isinstance(said, int) else (200, said)
        if isinstance(content, str):
            content = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(*script):
        servers.append(Server(script))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def judge(server, **settings):
    return Endpoint("m", server.url, **{"backoff": 0.01, "timeout": 5.0, **settings})


@pytest.mark.parametrize("said", ["refused", " Refused.\n", "**refused**", "<think>hm</think>refused"])
def test_one_word_is_the_label(serve, said):
    server = serve(said)
    assert judge(server)("How?", TEXT) == "refused"
    path, _, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["temperature"]) == ("m", 0)
    assert TEXT in body["messages"][1]["content"]


def test_a_passing_failure_is_tried_again(serve):
    server = serve(500, "complied")
    asked = judge(server)
    assert asked("How?", TEXT) == "complied"
    assert (len(server.asked), asked.failures) == (2, {})


@pytest.mark.parametrize(
    ("said", "requests", "reason"),
    [
        (503, 3, "HTTP 503"),
        (401, 1, "HTTP 401"),
        (302, 1, "HTTP 302"),
        (b"<html>", 1, "not a chat completion"),
        (b'{"choices": []}', 1, "not a chat completion"),
        ("It is refused", 1, "answer is not one of"),
        ("toxic", 1, "answer is not one of"),
        (b'{"choices": [{"message": {"content": null}}]}', 1, "not a chat completion"),
        (b"[" * 100_000, 1, "not a chat completion"),
    ],
)
def test_what_can_not_be_had_or_read_is_neither_and_counted(serve, caplog, said, requests, reason):
    server = serve("refused", said)
    asked = judge(server, retries=2)
    assert asked("How?", TEXT) == "refused"  # it is there: what follows passes
    with caplog.at_level(logging.WARNING):
        assert label_all(asked, [("How?", TEXT)] * 2) == [NEITHER, NEITHER]
    assert len(server.asked) == 1 + 2 * requests
    assert [(key.startswith(reason), count) for key, count in asked.failures.items()] == [(True, 2)]
    assert len(caplog.records) == 1


def test_a_hanging_server_is_neither(serve):
    asked = judge(serve("hang"), timeout=0.05, retries=1)
    asked._heard.set()  # as after an answer
    assert asked("How?", TEXT) == NEITHER
    assert sum(asked.failures.values()) == 1


@pytest.mark.parametrize(("said", "why"), [(401, "HTTP 401"), (404, "HTTP 404"), (b"<html>", "not a chat completion")])
def test_a_judge_that_was_never_heard_is_an_error(serve, said, why):
    asked = judge(serve(said), retries=1)
    with pytest.raises(UsageError, match="can not be asked") as caught:
        label_all(asked, [("How?", TEXT)] * 3)
    assert why in caught.value.why
    assert "OPENAI_API_KEY" in caught.value.fix
    assert asked.failures == {}


def test_a_judge_of_which_nothing_can_be_read_is_an_error(serve):
    asked = judge(serve("I think that it is refused"))
    assert [asked("How?", TEXT) for _ in range(8)] == [NEITHER] * 8
    with pytest.raises(UsageError, match="can not be asked") as caught:
        asked("How?", TEXT)
    assert "first 8 answers" in caught.value.why


def test_an_absent_server_is_an_error():
    with pytest.raises(UsageError, match="can not be asked"):
        Endpoint("m", "http://127.0.0.1:9/v1", retries=0)("How?", TEXT)


def test_the_key_goes_into_the_header_and_nowhere_else(serve, monkeypatch, caplog):
    monkeypatch.setenv("JUDGE_KEY", "secret-123")
    server = serve(401)
    asked = judge(server, key_variable="JUDGE_KEY")
    with caplog.at_level(logging.DEBUG), pytest.raises(UsageError) as caught:
        asked("How?", TEXT)
    assert server.asked[0][1]["Authorization"] == "Bearer secret-123"
    assert "secret-123" not in repr(asked) + str(vars(asked)) + caplog.text + str(caught.value)
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(UsageError):
        asked("How?", TEXT)
    assert "Authorization" not in server.asked[1][1]


def test_scraps_are_not_asked_about(serve):
    server = serve("refused")
    assert judge(server)("How?", "no no no no no no no no") == NEITHER
    assert judge(server)("How?", "<think>I should think about it") == NEITHER
    assert not server.asked


def test_each_task_has_its_labels(serve):
    server = serve("toxic")
    assert judge(server, task="toxicity")("", "You are an idiot.") == "toxic"
    assert judge(server, task="sentiment")("", "You are an idiot.") == NEITHER
