"""suture export: every way out, on the bundled model, and the mistakes one can make."""

import json

import pytest
import torch

from suture.delta import Dense
from suture.export import sums
from suture.patch import Patch
from suture.probe import fit_probe

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
