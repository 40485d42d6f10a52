"""What goes wrong with one request, or takes long for it, does not reach the others."""

import json
import queue
import socket
import threading
import time
from itertools import pairwise

import pytest
import torch

from serving import listening
from suture.model.run.decode_batch import DecodeBatch
from suture.serve import run
from suture.serve.app import Desk
from suture.serve.engine import Engine
from suture.serve.error_responses import told
from suture.serve.limits import Busy
from suture.serve.logprobs import score_prompts
from suture.serve.prompt_readers import SHORT
from suture.serve.request import GenerationRequest, RequestState

WRITE = {"model": "tiny", "prompt": "You are a friend.", "max_tokens": 4, "temperature": 0}


class Heard:
    """What is told of requests, by their names."""

    def __init__(self):
        self.pieces, self.texts, self.ends = queue.Queue(), {}, {}

    def of(self, name):
        return lambda row, piece: self.pieces.put((name, piece))

    def end(self, name):
        while name not in self.ends:
            which, piece = self.pieces.get(timeout=60)
            self.texts[which] = self.texts.get(which, "") + piece.text
            if piece.finish or piece.problem:
                self.ends[which] = piece.problem or self.texts[which]
        return self.ends[name]


def alone(engine, ask):
    heard = Heard()
    engine.submit([ask], heard.of("alone"))
    return heard.end("alone")


def beside(engine, ask, other, *, tell=None):
    """Begin a text, let another request enter its batch after its first token, and return both ends."""
    heard, begun, go = Heard(), threading.Event(), threading.Event()

    def listen(row, piece):
        if not begun.is_set():
            begun.set()
            assert go.wait(60)
        heard.of("running")(row, piece)

    engine.submit([ask], listen)
    assert begun.wait(60)
    engine.submit(other, tell or heard.of("new"))
    go.set()
    return heard.end("running"), None if tell else heard.end("new")


LONG = GenerationRequest([5, 6, 7], tokens=24, temperature=1.0, seed=3, live=True)


@pytest.fixture
def running(llama):
    engine = Engine(llama, {}, rows=8)
    with engine.running():
        yield engine


@pytest.mark.parametrize("place", ["begin", "extend"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), MemoryError("full"), ValueError("a bug")])
def test_a_request_that_can_not_join_leaves_those_that_run(running, monkeypatch, place, error):
    whole = alone(running, LONG)
    real = getattr(DecodeBatch, place)
    armed = threading.Event()

    def fails(flow, *given, **more):
        if armed.is_set() and place == "begin" and len(given[1][0]) == 9:
            raise error
        return real.__func__(DecodeBatch, *given, **more) if place == "begin" else half(flow, *given)

    def half(flow, other):
        if not armed.is_set():
            return real(flow, other)
        calls = iter(range(100))
        with monkeypatch.context() as patched:
            cat = torch.cat
            patched.setattr(
                torch, "cat", lambda *a, **k: cat(*a, **k) if next(calls) < 3 else (_ for _ in ()).throw(error)
            )
            return real(flow, other)

    monkeypatch.setattr(DecodeBatch, place, classmethod(fails) if place == "begin" else fails)
    armed.set()
    kept, refused = beside(running, LONG, [GenerationRequest([9] * 9, tokens=3)])
    armed.clear()
    assert isinstance(refused, Busy if isinstance(error, torch.OutOfMemoryError | MemoryError) else ValueError)
    assert kept == whole
    assert alone(running, LONG) == whole


def test_a_step_that_does_not_fit_ends_the_longest_row_and_the_others_are_as_alone(running, monkeypatch):
    whole = alone(running, LONG)
    real, failed = DecodeBatch._pass, []

    def fails(flow, lm, ids, positions):
        found = real(flow, lm, ids, positions)
        if len(ids) == 2 and ids.shape[1] == 1 and not failed:
            failed.append(1)
            raise torch.OutOfMemoryError("full")  # when every layer has read the token already
        return found

    monkeypatch.setattr(DecodeBatch, "_pass", fails)
    kept, refused = beside(running, LONG, [GenerationRequest([9] * 40, tokens=20)])
    assert failed
    assert isinstance(refused, Busy)
    assert kept == whole != ""


def test_who_can_not_be_told_ends_alone(running, caplog):
    def deaf(row, piece):
        raise RuntimeError("nobody is there")

    whole = alone(running, LONG)
    kept, _ = beside(running, LONG, [GenerationRequest([9, 9], tokens=5)], tell=deaf)
    assert kept == whole
    assert "a row failed" in caplog.text
    assert alone(running, LONG) == whole


def test_what_can_never_fit_is_refused_with_the_limit_before_anything_is_done(engine, monkeypatch):
    done = []
    monkeypatch.setattr(RequestState, "__init__", lambda *_: done.append("ticket"))
    monkeypatch.setattr(engine.readers.short, "encode_prompts", lambda *_: done.append("ids"))
    with listening(Desk(engine, "tiny")) as client:
        for body, words in (
            ({"prompt": ["You"] * 128, "n": 16}, "at most 512"),
            ({"prompt": "a" * (256 * 40)}, "the model reads 256 tokens"),
        ):
            status, answer = client("POST", "/v1/completions", {**WRITE, **body})
            assert status == 400
            assert words in answer["error"]["message"]
    assert not done


def test_the_random_numbers_of_those_that_wait_are_not_made_yet(llama, monkeypatch):
    made = []
    monkeypatch.setattr("suture.serve.request.draws_of", lambda *given: made.append(given) or torch.zeros(given[-1]))
    engine = Engine(llama, {})
    engine.submit(
        [GenerationRequest([5], tokens=60_000 if engine.limits.context is None else 9, sample=i) for i in range(512)],
        print,
    )
    assert not made


def test_texts_are_written_while_a_long_prompt_is_read(engine):
    go = threading.Event()
    with listening(Desk(engine, "tiny")) as client:
        try:
            engine.readers.submit(["a" * (SHORT + 1)], lambda lm: go.wait(60))
            assert isinstance(alone(engine, GenerationRequest([5, 6], tokens=4, live=True)), str)
            assert client("GET", "/health")[0] == 200
            assert client("POST", "/v1/completions", WRITE)[0] == 200  # a short one does not wait for it either
        finally:
            go.set()


@pytest.mark.parametrize(
    "host", ["[::1]evil.com", "localhost:80:80", "localhost.evil.com", "127.0.0.1:x", "[::1", "", "localhost:"]
)
def test_a_host_is_local_as_a_whole_or_not_at_all(client, host):
    status, answer = client("GET", "/health", Host=host)
    assert status in (400, 403), answer


@pytest.mark.parametrize("sent", [b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHost: localhost\r\n"])
def test_half_a_head_is_not_waited_for_without_end(engine, monkeypatch, sent):
    monkeypatch.setattr(run, "PATIENCE", 0.2)
    with listening(Desk(engine, "tiny")) as client:
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as open_:
            open_.sendall(sent)
            assert open_.recv(4096) == b""  # the server closes it
        assert client("GET", "/health")[0] == 200


def trickle(open_, count):
    for _ in range(count):
        open_.sendall(b" ")
        time.sleep(0.001)


def test_a_body_that_trickles_is_answered_and_its_connection_closed(engine, monkeypatch):
    monkeypatch.setattr("suture.serve.streams.PATIENCE", 0.2)
    lines = (
        "POST /v1/completions HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Content-Length: 9999",
    )
    with listening(Desk(engine, "tiny")) as client:
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as open_:
            open_.sendall("\r\n".join([*lines, "", "{"]).encode())
            assert open_.recv(4096).startswith(b"HTTP/1.1 408")
            with pytest.raises(OSError, match=r"."):  # the server has closed it: in the end it can not be written to
                trickle(open_, 9000)
        assert client("GET", "/health")[0] == 200


HUGE = {
    "messages": lambda: {"messages": [{}] * 100_000},
    "parts": lambda: {"messages": [{"role": "user", "content": [{}] * 100_000}]},
    "keys": lambda: {f"k{i}": 1 for i in range(30_000)},
    "strengths": lambda: {"patches": {f"k{i}": "a" for i in range(30_000)}},
}


@pytest.mark.parametrize("name", HUGE)
def test_of_very_many_mistakes_few_are_looked_for(client, monkeypatch, name):
    listed = []
    monkeypatch.setattr(
        "suture.serve.error_responses.told", lambda wrong, real=told: listed.append(wrong.error_count()) or real(wrong)
    )
    body = {"model": "tiny", "messages": [{"role": "user", "content": "a"}], **HUGE[name]()}
    status, _ = client("POST", "/v1/chat/completions", json.dumps(body, separators=(",", ":")).encode()[: 1 << 20])
    assert status == 400
    assert max(listed) <= 70


# Requests that are costly, or wrong where it is seen late: each gets its status, and the one beside it what it gets alone.
HEAVY = {
    "a body that is far too long": (413, b'{"prompt": "' + b"a" * 9_000_000 + b'"}'),
    "many ids": (400, {"prompt": [5] * 300_000}),
    "many prompts of ids": (400, {"prompt": [[5]] * 20_000}),
    "an id that is none": (400, {"prompt": [5, 1 << 40]}),
    "an id with a point": (400, {"prompt": [5, 0.5]}),
    "a number of many digits": (400, b'{"model": "tiny", "prompt": "a", "seed": ' + b"9" * 100_000 + b"}"),
    "deep": (400, b'{"model": "tiny", "prompt": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "the best of too many": (400, {"prompt": ["One"] * 128, "best_of": 20}),
    "too many log-probabilities": (400, {"prompt": [[5] * 200] * 400, "logprobs": 20, "echo": True, "max_tokens": 1}),
    "more texts than wait": (400, {"n": 128, "prompt": ["One"] * 5}),
    "all there can be": (200, {"n": 128, "max_tokens": 1}),
    "stops that nearly come": (200, {"stop": ["a" * 199 + "b"] * 32, "max_tokens": 32}),
    "strengths without end": (400, {"patches": {"late": 1e38}, "max_tokens": 8}),
    "prompts that are scored with strengths without end": (
        400,
        {"patches": {"kind": 1e38}, "logprobs": 2, "echo": True, "max_tokens": 0},
    ),
    "scored prompts": (200, {"prompt": [[5] * 200] * 32, "logprobs": 20, "echo": True, "max_tokens": 1}),
    "nothing": (200, {"max_tokens": 0}),
    "the likeliest alone": (200, {"top_p": 0, "max_tokens": 4, "logprobs": 20}),
    "keys upon keys": (400, {"logit_bias": {str(i): 1 for i in range(1000)}}),
    "a strength that is a name": (404, {"model": "tiny:kind@" + "9" * 400}),
    "many patches": (404, {"model": "tiny:" + ",".join(["kind", "late"] * 2000)}),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_costly_or_broken_request_leaves_the_one_beside_it(engine, name):
    status, body = HEAVY[name]
    with listening(Desk(engine, "tiny")) as client:
        whole = alone(engine, LONG)
        heard, begun, go = Heard(), threading.Event(), threading.Event()
        got = []

        def listen(row, piece):
            if not begun.is_set():
                begun.set()
                assert go.wait(60)
            heard.of("running")(row, piece)

        engine.submit([LONG], listen)
        assert begun.wait(60)
        heavy = body if isinstance(body, bytes) else {**WRITE, **body}
        asker = threading.Thread(target=lambda: got.append(client("POST", "/v1/completions", heavy)))
        asker.start()
        assert client("GET", "/health")[0] == 200
        go.set()
        assert heard.end("running") == whole
        asker.join(60)
        assert got[0][0] == status, got
        assert alone(engine, LONG) == whole
    if status >= 400:
        assert got[0][1]["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), MemoryError("full"), ValueError("a bug")])
def test_a_prompt_that_can_not_be_scored_leaves_those_that_run(running, monkeypatch, error):
    whole = alone(running, LONG)

    def fails(lm, prompts, top):
        raise error

    monkeypatch.setattr("suture.serve.batch.score_prompts", fails)
    asked = GenerationRequest([9] * 9, tokens=3, logprobs=1, scored=True)
    kept, refused = beside(running, LONG, [asked])
    assert isinstance(refused, ValueError if isinstance(error, ValueError) else Busy)
    assert kept == whole
    assert alone(running, LONG) == whole


def test_scored_prompts_that_do_not_fit_together_are_read_apart(running, monkeypatch):
    real = score_prompts

    def fits_one(lm, prompts, top):
        if len(prompts) > 1:
            raise torch.OutOfMemoryError("full")
        return real(lm, prompts, top)

    asks = [GenerationRequest([9] * size, tokens=1, temperature=0, logprobs=1, scored=True) for size in (4, 7, 5)]

    def ends():
        pieces = queue.Queue()
        running.submit(asks, lambda row, piece: pieces.put((row, piece)))
        return dict(pieces.get(timeout=60) for _ in asks)

    together = ends()
    monkeypatch.setattr("suture.serve.batch.score_prompts", fits_one)
    apart = ends()
    for row, ask in enumerate(asks):
        assert apart[row].text == together[row].text
        assert [score.logprob for score in apart[row].prompt][1:] == pytest.approx(
            [score.logprob for score in together[row].prompt][1:], abs=1e-5
        )
        assert len(apart[row].prompt) == len(ask.prompt)


def test_a_prompt_of_who_left_is_not_read(engine, monkeypatch):
    go, futures, real = threading.Event(), [], engine.readers.submit

    def submit(texts, make):
        futures.append(real(texts, make))
        return futures[-1]

    with listening(Desk(engine, "tiny")) as client:
        try:
            real([], lambda lm: go.wait(60))  # somebody's prompt is being read
            monkeypatch.setattr(engine.readers, "submit", submit)
            data = json.dumps(WRITE).encode()
            head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            with socket.create_connection(("127.0.0.1", client.port), timeout=30) as gone:
                gone.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
                deadline = time.monotonic() + 60
                while not futures and time.monotonic() < deadline:
                    time.sleep(0.01)
            while not futures[0].cancelled() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert futures[0].cancelled()
        finally:
            go.set()
        assert client("POST", "/v1/completions", WRITE)[0] == 200


def test_while_prompts_are_scored_texts_are_written(running, monkeypatch):
    size = running.lm.model.get_input_embeddings().weight.shape[0]
    monkeypatch.setattr("suture.serve.logprobs.LOGITS", 9 * size)  # a prompt a pass
    whole, heard, begun, go, lengths = alone(running, LONG), Heard(), threading.Event(), threading.Event(), []

    def listen(row, piece):
        begun.set()
        assert go.wait(60)
        heard.of("running")(row, piece)

    (ticket,) = running.submit([LONG], listen)
    assert begun.wait(60)

    def scored(row, piece):
        lengths.append(len(ticket.speech.ids))  # by the engine's thread, which writes them
        heard.of(row)(row, piece)

    running.submit([GenerationRequest([9] * 9, tokens=1, logprobs=1, scored=True) for _ in range(4)], scored)
    go.set()
    assert heard.end("running") == whole
    assert [isinstance(heard.end(row), str) for row in range(4)] == [True] * 4
    assert [after - before for before, after in pairwise(lengths)] == [1, 1, 1]
