import json
import sys

import pytest

from suture.cli.main import run
from suture.errors import UsageError


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["suture", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        run()
    seen = capsys.readouterr()
    return done.value.code, seen


def test_from_texts_to_a_steered_model(tmp_path, monkeypatch, capsys):
    texts = tmp_path / "tone.jsonl"
    rows = [
        {"text": f"You are a {w} friend, number {i}.", "label": int(w == "stupid")}
        for i in range(6)
        for w in ("kind", "stupid")
    ]
    texts.write_text("\n".join(map(json.dumps, rows)))
    direction, patch = tmp_path / "d.safetensors", tmp_path / "p.safetensors"
    code, seen = call(
        monkeypatch, capsys, "locate", "directions", "patient", "--behaviour", texts, "-o", direction, "--json"
    )
    assert code == 0, seen.err
    assert json.loads(seen.out.splitlines()[-1])["layers"] == list(range(8))
    code, seen = call(monkeypatch, capsys, "show", direction)
    assert code == 0
    code, seen = call(
        monkeypatch, capsys, "edit", "steering", "patient", "--data", texts, "--direction", direction, "--layers", "4",
        "--strength", "0.1", "-o", patch, "--prompt", "Good morning", "--json",
    )  # fmt: skip
    assert code == 0, seen.err
    assert "activations are steered" in seen.err
    code, seen = call(monkeypatch, capsys, "show", patch)
    assert code == 0
    assert "steer" in seen.out
    code, seen = call(monkeypatch, capsys, "bake", "patient", "--patch", patch, "--out", tmp_path / "b.safetensors")
    assert code == UsageError.exit_code
    assert "attached" in seen.err
