"""R15: no secret reaches a file of a run, whatever its shape and wherever it was given."""

import json
import random
from pathlib import Path

import pytest

import suture
from secret_shapes import SHAPES, filled
from suture.errors import UsageError
from suture.runs.resuming import resumable
from suture.runs.run import Run, recipe
from suture.text.redact import HIDDEN, hidden


@pytest.mark.parametrize("shape", SHAPES)
def test_no_secret_is_written_by_a_run(shape, tmp_path):
    text, secrets = filled(shape, random.Random(shape))
    command = ["eval", "patient", "--judge", f"openai:{text}", "--out", "x"]

    def fail():
        with Run.begin("eval", command, {"judge": text}, tmp_path / "run") as run:
            run.event("note", said=f"asked with {text}")
            raise ValueError(f"{text} was refused")

    with pytest.raises(ValueError, match="refused"):
        fail()
    written = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()).decode()
    assert HIDDEN in written
    assert not [secret for secret in secrets if secret in written]


def test_what_is_no_secret_is_left_alone():
    for text in (
        "suture edit surgery patient --data tone.jsonl",
        "/data/sk-learn/hf_model",
        "http://localhost:8000/v1",
        "risk-free",
    ):
        assert hidden(text) == text


def test_a_run_whose_command_was_hidden_asks_for_it_again(tmp_path):
    with Run.begin("eval", ["eval", "--judge", "sk-" + "a" * 40], {}, tmp_path / "run"):
        pass
    assert recipe(tmp_path / "run")["command"] == ["eval", "--judge", HIDDEN]
    with pytest.raises(UsageError, match="secret"):
        resumable(tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "openai:m@http://127.0.0.1:9/v1?api_key=short1#refusal",
            "openai:m@http://127.0.0.1:9/v1?api_key=[hidden]#refusal",
        ),
        ("postgres://u:p@host/db", "postgres://[hidden]@host/db"),
        ("https://host/x?X-Amz-Signature=0a1b&part=2", "https://host/x?X-Amz-Signature=[hidden]&part=2"),
        ("Authorization: Basic dXNlcjpw", "Authorization: Basic [hidden]"),
        ("password: correct-horse1", "password: [hidden]"),
        ("password=abc123def", "password=[hidden]"),
        ('{"password": "hunter-hunter"}', '{"password": "[hidden]"}'),
        ('{"api_key": "abcdefg1"}', '{"api_key": "[hidden]"}'),
        ("a\\nhf_" + "a" * 20, "a\\n[hidden]"),  # as JSON writes a line feed
    ],
)
def test_a_secret_is_known_by_its_place(text, left):
    assert hidden(text) == left
    assert hidden(left) == left


@pytest.mark.parametrize(
    "text",
    [
        "token=subject_last", "--set token=-2", "key=lambda x: x", "git+ssh://git@github.com/x", "https://h/x?monkey=banana",
        "risk-assessment-and-management-1", "/data/sk-learn-something-long-name", "the password: you know", 
        "cat /etc/passwd = ../../etc/passwd",
        "İ" * 9 + " max_tokens=12345678",
        "bearer certificates are papers", "sha256=" + "0a" * 32, "0a" * 32, "Authorization: Bearer TOKEN",
    ],
)  # fmt: skip
def test_what_only_resembles_a_secret_is_left_alone(text):
    assert hidden(text) == text


def test_the_bundled_texts_hold_no_secret():
    for file in sorted((Path(suture.__file__).parent / "data" / "bundled").glob("*.py")):
        assert hidden(file.read_text(encoding="utf-8")) == file.read_text(encoding="utf-8"), file


def test_hiding_leaves_json_as_json():
    said = {"a": 'say key=abcdef12"quoted" and password=hunter22\\', "b": ["<td>secret=abc123</td>", "x?token=a&b=1"]}
    assert json.loads(hidden(json.dumps(said))).keys() == said.keys()
