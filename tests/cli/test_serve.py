"""suture serve as a process of its own: it answers, and it stops in order."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from serving import Client
from suture.serve.run import check_door

RUN = "from suture.cli.main import run; run()"


@contextmanager
def served(folder, *words):
    environment = {**os.environ, "SUTURE_TOKEN": ""}
    command = [sys.executable, "-c", RUN, "serve", "patient", "--port", "0", "--json", *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_it_answers_and_finishes_what_it_answers_when_told_to_stop(folder):
    with served(folder, "--patch", "gate=patch.safetensors") as (process, told):
        assert told["model"] == "patient"
        assert told["patches"] == ["gate"]
        client = Client(int(told["address"].rpartition(":")[2]))
        body = {
            "model": "patient",
            "prompt": "The capital of",
            "max_tokens": 400,
            "temperature": 1.0,
            "n": 4,
            "seed": 1,
        }
        found, asked = [], threading.Event()

        def ask():
            connection, answer = client.open("POST", "/v1/completions", {**body, "stream": True})
            asked.set()
            found.append(answer.read().decode())
            connection.close()

        thread = threading.Thread(target=ask)
        thread.start()
        assert asked.wait(60)
        process.send_signal(signal.SIGTERM)
        thread.join(60)
        assert process.wait(60) == 0
        assert found[0].rstrip().endswith("data: [DONE]")


def test_a_port_that_is_taken_and_patches_of_one_name_are_said(command, folder):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("serve", "patient", "--port", taken.getsockname()[1], cwd=folder)
        assert done.returncode == 6
        assert "can not listen" in done.stderr
    done = command("serve", "patient", "--patch", "patch.safetensors", "--patch", "patch.safetensors", cwd=folder)
    assert done.returncode == 2
    assert "two patches are called 'patch'" in done.stderr
    done = command("serve", "patient", "--memory", "a=m.safetensors", "--memory", "a=n.safetensors", cwd=folder)
    assert done.returncode == 2
    assert "two memories are called 'a'" in done.stderr
    done = command("serve", "patient", "--memory", "patch.safetensors", cwd=folder)
    assert done.returncode != 0
    assert "patch.safetensors" in done.stderr


def test_it_stays_at_home_without_a_token(command, folder, monkeypatch):
    monkeypatch.delenv("SUTURE_TOKEN", raising=False)
    done = command("serve", "patient", "--host", "0.0.0.0", "--port", "0", cwd=folder)
    assert done.returncode == 2
    assert "no token" in done.stderr
    (folder / "token").write_text("short\n")
    done = command("serve", "patient", "--host", "0.0.0.0", "--token-file", "token", cwd=folder)
    assert "too short" in done.stderr


def test_pages_of_anybody_are_let_in_with_a_token_only(command, folder, monkeypatch):
    monkeypatch.delenv("SUTURE_TOKEN", raising=False)
    for page, words in (("*", "every web page could use the model"), ("localhost:3000", "no origin")):
        done = command("serve", "patient", "--port", "0", "--cors", page, cwd=folder)
        assert done.returncode == 2
        assert words in done.stderr
    assert "--token-file" in command("serve", "patient", "--cors", "*", cwd=folder).stderr


@pytest.mark.parametrize(("host", "token"), [("127.0.0.1", ""), ("::1", ""), ("localhost", ""), ("0.0.0.0", "t" * 16)])
def test_doors_that_are_safe(host, token):
    check_door(host, token)
