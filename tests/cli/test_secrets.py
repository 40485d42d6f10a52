"""R15: no secret of a command line is in anything that a command writes or prints, wherever it was given."""

import io
import json
import random

import pytest

from secret_shapes import SHAPES, filled
from suture.cli._console import Console
from suture.patch.patch import Patch
from suture.text.redact import HIDDEN

ADDRESSES = ["http://127.0.0.1:9/v1?api_key={24}", "http://127.0.0.1:9/{hf}/v1", "http://127.0.0.1:9/v1?sig={24}&x=1"]


@pytest.fixture
def quick(monkeypatch):
    """A judge that answers without a network."""
    said = json.dumps({"choices": [{"message": {"content": "refused"}}]}).encode()
    monkeypatch.setattr("suture.judges.endpoint.OPENER.open", lambda *_, **__: io.BytesIO(said))


def everything(place, done):
    """All that was written below a folder and printed, as one text."""
    files = b"\n".join(file.read_bytes() for file in sorted(place.rglob("*")) if file.is_file())
    return files.decode(errors="replace") + done.stdout + done.stderr


def address(shape):
    text, secrets = filled(shape.replace("{hf}", "hf_{30}"), random.Random(shape))
    return text, secrets


@pytest.mark.parametrize("shape", ADDRESSES)
def test_the_key_of_a_judge_is_in_no_report_and_no_card(command, folder, tmp_path, quick, shape):
    url, secrets = address(shape)
    judge = ("--prompts", "prompts.txt", "--judge", f"openai:m@{url}#refusal", "--size", "1")
    out = tmp_path / "report"
    done = command("eval", "patient", "--patch", "patch.safetensors", *judge, "-o", out, "--json", "-v", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").is_file()
    card = command(
        "export",
        "patch.safetensors",
        "--to",
        "card",
        "--report",
        out / "report.json",
        "-o",
        tmp_path / "card",
        cwd=folder,
    )
    assert card.returncode == 0, card.stderr
    found = everything(tmp_path, done) + card.stdout + card.stderr
    assert HIDDEN in found
    assert not [secret for secret in secrets if secret in found]
    json.loads((out / "report.json").read_text())


def test_no_shape_is_in_an_error_a_traceback_a_table_or_a_line_of_json(command, tmp_path, capsys):
    for shape in SHAPES:
        text, secrets = filled(shape, random.Random(shape))
        for words in (
            ("eval", text),
            ("check", f"{text}.yaml"),
            ("show", text),
            ("edit", "surgery", "patient", "--data", text),
        ):
            done = command(*words, "-v", cwd=tmp_path)
            assert done.returncode in (1, 2), words
            assert not [secret for secret in secrets if secret in everything(tmp_path, done)], words
        capsys.readouterr()
        console = Console(json_only=True)
        console.say(text)
        console.table([text, "b"], [[text, text]], text)
        console.columns({text: text})
        console.result({text: [text]})
        assert not [secret for secret in secrets if secret in "".join(capsys.readouterr())]


def test_no_shape_is_in_a_patch(folder, tmp_path):
    for shape in SHAPES:
        text, secrets = filled(shape, random.Random(shape))
        patch = Patch.load(folder / "patch.safetensors")
        patch.provenance.settings.update(judge=text, deep={text: [text]})
        made = patch.save(tmp_path / "p.safetensors").read_bytes().decode(errors="replace")
        assert not [secret for secret in secrets if secret in made]
        assert Patch.load(tmp_path / "p.safetensors").terms.keys() == patch.terms.keys()
