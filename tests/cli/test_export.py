"""suture export: every way out, on the bundled model, and the mistakes one can make."""

import errno
import json

import pytest
import torch

from suture.export import sums
from suture.export.check import Check
from suture.locate.probe import fit_probe
from suture.patch.delta import Dense
from suture.patch.patch import Patch

GATE = "model.layers.3.mlp.gate_proj.weight"
PATCH = "patch.safetensors"


@pytest.fixture(scope="module")
def place(folder, patient, behaviour):
    fit_probe(patient, behaviour, space="residual", layers=[2, 3]).save(folder / "residual.safetensors")
    size = tuple(patient.tensor(GATE).shape)
    torch.manual_seed(0)
    dense = Patch.make(patient, {GATE: Dense(0.05 * torch.randn(size))}, method="by hand", settings={})
    dense.save(folder / "dense.safetensors")
    return folder


@pytest.mark.parametrize("to", ["lora", "gguf-lora", "checkpoint"])
def test_what_is_written_does_what_the_patch_does(to, command, place, tmp_path):
    for module in {"lora": ("peft", "accelerate"), "gguf-lora": ("gguf",)}.get(to, ()):
        pytest.importorskip(module)
    done = command("export", PATCH, "--to", to, "-o", tmp_path / "out", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    found = done.json
    assert found["check"]["passed"]
    assert found["check"]["difference"] <= 1e-5 * found["check"]["logit"]
    assert found["kept"] == {}
    if to != "gguf-lora":
        assert sums.check(tmp_path / "out") >= 3
        card = (tmp_path / "out" / "README.md").read_text()
        assert f"suture export {PATCH} --to {to}" in card
        assert "by hand" in card


def test_a_probe_becomes_a_control_vector(command, place, tmp_path):
    pytest.importorskip("gguf")
    words = (
        "export",
        "residual.safetensors",
        "--to",
        "gguf-control",
        "--scale",
        "4",
        "-o",
        tmp_path / "c.gguf",
        "--json",
    )
    assert command(*words, "--model", "patient", cwd=place).json["check"]["passed"]
    done = command(*words, cwd=place)  # without a model there is nothing to check it on
    assert done.returncode == 0
    assert "check" not in done.json


def test_an_approximation_says_what_it_keeps(command, place, tmp_path):
    done = command("export", "dense.safetensors", "--to", "lora", "-o", tmp_path, cwd=place)
    assert done.returncode == 2
    assert "--rank" in done.stderr
    done = command(
        "export", "dense.safetensors", "--to", "lora", "--rank", "8", "-o", tmp_path, "--json", "--no-check", cwd=place
    )
    assert done.returncode == 0
    assert 0 < done.json["kept"][GATE] < 1
    assert "An approximation" in (tmp_path / "README.md").read_text()


def test_an_approximation_that_keeps_too_little_is_called_so(command, place, tmp_path):
    pytest.importorskip("peft")
    pytest.importorskip("accelerate")
    words = ("export", "dense.safetensors", "--to", "lora", "--rank", "1", "-o", tmp_path)
    assert "raise --rank" in command(*words, cwd=place).stdout
    seen = command(*words, "--json", cwd=place).json["check"]
    assert seen["passed"] is None
    assert seen["tolerance"] is None
    assert seen["difference"] > 0.5 * seen["effect"]


def test_card_and_sums(command, place, tmp_path):
    report = tmp_path / "report.json"
    score = {"before": 0.5, "after": 0.25, "change": -0.25, "low": -0.3, "high": -0.2, "cases": 9}
    line = {"name": "rude", "role": "target", "about": "rude", "score": score, "unit": "share"}
    report.write_text(json.dumps({"lines": [line], "commands": ["suture eval patient"]}))
    done = command("export", PATCH, "--to", "card", "--report", report, "-o", tmp_path / "out", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "| rude | 50.0 % | 25.0 %" in (tmp_path / "out" / "README.md").read_text()
    done = command("export", PATCH, "--to", "sums", "-o", tmp_path / "out", "--json", cwd=place)
    assert done.json["summed"] == 1
    assert sums.check(tmp_path / "out") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((PATCH, "--to", "onnx"), 2, "onnx"),
        ((PATCH,), 2, "--to"),
        (("none.safetensors", "--to", "lora"), 2, "none.safetensors"),
        (("flipped.safetensors", "--to", "lora"), 5, "digest"),
        (("residual.safetensors", "--to", "lora"), 2, "gguf-control"),
        ((PATCH, "--to", "gguf-control"), 2, "lowrank"),
        ((PATCH, "--to", "lora", "--rank", "0"), 2, "rank 0"),
        ((PATCH, "--to", "lora", "--model", "nowhere/at/all"), 2, "no folder"),
        ((PATCH, "--to", "lora", "--scale", "0"), 3, "changes nothing"),
        ((PATCH, "--to", "lora", "--scale", "nan"), 2, "scale"),
        ((PATCH, "--to", "card", "--report", "tone data.jsonl"), 2, "report"),
        ((PATCH, "--to", "checkpoint", "--out", "."), 2, "not empty"),
    ],
)
def test_mistakes_are_answered(words, code, said, command, place, tmp_path):
    content = bytearray((place / PATCH).read_bytes())
    content[-5] ^= 1
    (place / "flipped.safetensors").write_bytes(content)
    out = () if "--out" in words else ("-o", tmp_path / "out")
    done = command("export", *words, *out, cwd=place)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["lora", "checkpoint"])
@pytest.mark.parametrize("at", ["card", "sums"])
def test_a_folder_is_there_whole_or_not_at_all_and_the_command_can_be_given_again(
    to, at, command, place, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    words = ("export", PATCH, "--to", to, "--no-check", "-o", tmp_path / "out")
    with monkeypatch.context() as failing:
        failing.setattr(f"suture.export.{at}.{'write_text' if at == 'card' else 'write_bytes'}", fail)
        done = command(*words, cwd=place)
    assert done.returncode == 6, done.stderr
    assert "no room" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert command(*words, cwd=place).returncode == 0
    assert sums.check(tmp_path / "out") >= 3


def test_what_does_not_do_the_same_is_not_left(command, place, tmp_path, monkeypatch):
    monkeypatch.setattr("suture.export.checkpoint.compare", lambda *_: Check(1.0, 2.0, 3.0, 0.0, 4, "it"))
    done = command("export", PATCH, "--to", "checkpoint", "-o", tmp_path / "out", cwd=place)
    assert done.returncode == 4, done.stderr
    assert str(tmp_path / "out") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_gguf_that_does_not_do_the_same_is_not_left(command, place, tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    monkeypatch.setattr("suture.export.gguf_lora.compare", lambda *_, **__: Check(1.0, 2.0, 3.0, 0.0, 4, "it"))
    done = command("export", PATCH, "--to", "gguf-lora", "-o", tmp_path / "out.gguf", cwd=place)
    assert done.returncode == 4, done.stderr
    assert str(tmp_path / "out.gguf") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_replaces_one_of_before_and_leaves_what_else_is_there(command, place, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        done = command("export", PATCH, "--to", "lora", "--no-check", "-o", tmp_path, "--json", cwd=place)
        assert done.returncode == 0, done.stderr
        assert done.json["path"] == str(tmp_path)
        names = ["README.md", "SHA256SUMS", "adapter_config.json", "adapter_model.safetensors", "notes.txt"]
        assert sorted(path.name for path in tmp_path.iterdir()) == names
        assert sums.check(tmp_path) == 4
