"""A server in a thread of the test's process, and a client that speaks plain HTTP."""

import http.client
import json
import socket
import threading
from contextlib import contextmanager

import uvicorn

from suture.serve.run import Connection


class Client:
    def __init__(self, port):
        self.port = port

    def open(self, method, path, body=None, headers=None):
        """The connection and its answer, not yet read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        return connection, connection.getresponse()

    def __call__(self, method, path, body=None, **headers):
        """Status and content."""
        connection, answer = self.open(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        try:
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def stream(self, path, body):
        """The events of a stream; the last is "[DONE]"."""
        connection, answer = self.open("POST", path, {**body, "stream": True})
        try:
            assert answer.getheader("content-type").startswith("text/event-stream")
            lines = [line.removeprefix("data: ") for line in answer.read().decode().split("\n\n") if line]
        finally:
            connection.close()
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


@contextmanager
def listening(desk):
    """The desk behind a port of its own."""
    door = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        desk.app(), log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=5, http=Connection
    )
    server = uvicorn.Server(config)
    with door, desk.engine.running(grace=5.0):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield Client(door.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()
