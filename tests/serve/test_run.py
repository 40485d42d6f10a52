"""Connections: one that stands still, or too many of them, does not keep others from being answered."""

import json
import socket
import time

import pytest

from serving import listening
from suture.serve import run
from suture.serve.app import Desk
from suture.serve.run import Connection

HALF = b"GET /health HTTP/1.1\r\nHost: local"
LONG = {"model": "tiny", "prompt": "You are", "max_tokens": 200, "seed": 1, "stream": True}


def connected(client):
    return socket.create_connection(("127.0.0.1", client.port), timeout=30)


def everything(open_):
    """All that comes until the other side closes; what it closes on is part of the test."""
    got = b""
    try:
        while part := open_.recv(1 << 16):
            got += part
    except ConnectionResetError:
        pass
    return got


def asked(client, body):
    data = json.dumps(body).encode()
    open_ = connected(client)
    lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Connection: close"]
    open_.sendall("\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data)
    return open_


@pytest.mark.parametrize("sent", [b"", HALF])
def test_of_too_many_connections_those_that_ask_nothing_go_first(engine, monkeypatch, sent):
    monkeypatch.setattr(Connection, "most", 4)
    with listening(Desk(engine, "tiny")) as client:
        idle = [connected(client) for _ in range(4)]
        for open_ in idle:
            open_.sendall(sent)
        for _ in range(3):
            assert client("GET", "/health")[0] == 200
        assert everything(idle[0]) == b""  # the oldest was closed
        for open_ in idle:
            open_.close()


def test_where_all_are_being_answered_one_more_is_told_to_come_again(engine, monkeypatch):
    monkeypatch.setattr(Connection, "most", 1)
    with listening(Desk(engine, "tiny")) as client, asked(client, LONG) as busy:
        assert busy.recv(12) == b"HTTP/1.1 200"
        with connected(client) as more:
            got = everything(more)
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429")
        assert b"retry-after: 1" in head.lower()
        assert "too many connections" in json.loads(body)["error"]["message"].lower()
        assert everything(busy).rstrip().endswith(b"0")  # the one that is answered is answered to its end


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELLO\r\n\r\n", b"GET /health HTTP/1.1\r\nA: " + b"a" * 70_000]
)
def test_what_is_no_http_is_told_in_the_shape_of_errors(shared, sent):
    with connected(shared) as open_:
        open_.sendall(sent + b"\r\n\r\n")
        head, _, body = everything(open_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert shared("GET", "/health")[0] == 200


class Pipe:
    """A transport whose reader takes nothing, or a little each time it is looked at."""

    def __init__(self, takes):
        self.takes, self.left, self.aborted = takes, 1000, False

    def get_write_buffer_size(self):
        self.left -= self.takes
        return self.left

    def abort(self):
        self.aborted = True


class Clock:
    """A loop that runs what is due when told."""

    def __init__(self):
        self.due = []

    def call_later(self, _, work):
        self.due.append(work)
        return self

    def cancel(self):
        self.due.clear()


@pytest.mark.parametrize(("takes", "aborted"), [(0, True), (10, False)])
def test_a_reader_who_takes_nothing_is_hung_up_on_and_a_slow_one_is_not(takes, aborted):
    connection = Connection.__new__(Connection)
    connection.transport, connection.loop = Pipe(takes), Clock()
    connection._watch(connection.transport.get_write_buffer_size())
    for _ in range(5):
        if connection.loop.due:
            connection.loop.due.pop()()
    assert connection.transport.aborted is aborted


def test_who_reads_nothing_of_a_long_answer_gives_its_place_away(engine, monkeypatch):
    monkeypatch.setattr(run, "STALLED", 0.1)
    body = {**LONG, "n": 8, "prompt": ["You are"] * 16, "logprobs": 20, "stream": True}
    with listening(Desk(engine, "tiny")) as client, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        deaf.settimeout(30)
        deaf.connect(("127.0.0.1", client.port))
        data = json.dumps(body).encode()
        head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        deaf.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        deadline = time.monotonic() + 60
        while not sum(engine.load.values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        while sum(engine.load.values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.load == {"running": 0, "waiting": 0}
        assert b"[DONE]" not in everything(deaf)
        assert client("GET", "/health")[0] == 200


def test_connections_leave_files_for_the_process(monkeypatch):
    resource = pytest.importorskip("resource")
    for soft, most in ((256, 128), (1 << 20, run.CONNECTIONS), (resource.RLIM_INFINITY, run.CONNECTIONS), (1, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert run._most() == most
