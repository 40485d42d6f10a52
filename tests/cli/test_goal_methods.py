"""A goal whose search took another method than surgery ends like any other, and says how its edit is made again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SUTURE = Path(sys.executable).with_name("suture")


@pytest.mark.parametrize(
    ("goal", "method"),
    [(["detox", "patient"], "natural_gradient"), (["attitude", "patient", "--toward", "negative"], "steering")],
)
def test_a_goal_by_another_method_is_reported_and_its_edit_made_again_to_the_bit(tmp_path, goal, method):
    few = ["--tune", "8", "--report", "4", "--methods", method]
    subprocess.run([SUTURE, *goal, *few, "-o", "run"], cwd=tmp_path, check=True, capture_output=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["method"] == method
    (again,) = (line for line in report["commands"] if line.startswith("suture edit"))
    subprocess.run([SUTURE, *again.split()[1:]], cwd=tmp_path, check=True, capture_output=True)
    first, second = (load_file(tmp_path / name) for name in ("run/patch.safetensors", "again.safetensors"))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
