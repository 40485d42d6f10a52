"""A goal whose search took another method than surgery ends like any other, and says how its edit is made again."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from suture.patch.patch import Patch

SUTURE = Path(sys.executable).with_name("suture")


def test_a_goal_by_natural_gradient_is_reported_and_its_edit_made_again_to_the_bit(tmp_path):
    few = ["--tune", "8", "--report", "4", "--methods", "natural_gradient"]
    subprocess.run([SUTURE, "detox", "patient", *few, "-o", "run"], cwd=tmp_path, check=True, capture_output=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["method"] == "natural_gradient"
    (again,) = (line for line in report["commands"] if line.startswith("suture edit"))
    subprocess.run([SUTURE, *again.split()[1:]], cwd=tmp_path, check=True, capture_output=True)
    first, second = (Patch.load(tmp_path / name) for name in ("run/patch.safetensors", "again.safetensors"))
    assert first.terms.keys() == second.terms.keys()
    for name, deltas in first.terms.items():
        for one, other in zip(deltas, second.terms[name], strict=True):
            assert torch.equal(one.left, other.left)
            assert torch.equal(one.right, other.right)
