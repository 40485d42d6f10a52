"""A goal whose search took another method than surgery ends like any other, and says how its edit is made again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import suture
from suture.organisms.words import PATIENT

SUTURE = Path(sys.executable).with_name("suture")


@pytest.mark.parametrize(
    ("goal", "method"),
    [(["detox", "patient"], "natural_gradient"), (["attitude", "patient", "--toward", "negative"], "steering")],
)
def test_a_goal_by_another_method_is_reported_and_its_edit_made_again_to_the_bit(tmp_path, goal, method):
    few = ["--tune", "8", "--report", "4", "--methods", method]
    reached(tmp_path, [*goal, *few])
    made_again(tmp_path, method)


def test_what_a_model_learned_of_its_own_texts_is_made_again_to_the_bit(tmp_path):
    """The bundled model in a folder of its own is a model like any other, measured by texts and a judge that are given."""
    shutil.copytree(Path(suture.__file__).parent / "organisms" / "model", tmp_path / "model")
    moods = PATIENT.tone.moods
    for mood in ("rude", "kind"):
        words = {word for key in ("adj", "noun", "verb", "adverb") for word in moods[mood][key]}
        (tmp_path / f"{mood}.txt").write_text("\n".join(sorted(words)), encoding="utf-8")
    given = ["--data", "patient:tone", "--keep", "patient:keep", "--judge", "kind.txt,rude.txt"]
    few = ["--tune", "12", "--report", "4", "--methods", "policy_gradient", "--budget", "kl=1,perplexity=1,points=0.5"]
    reached(tmp_path, ["detox", "model", *given, *few])
    made_again(tmp_path, "policy_gradient")


def reached(tmp_path, goal):
    """A goal ends well; where four prompts do not surely show the effect, it says so and ends with 4."""
    done = subprocess.run([SUTURE, *goal, "-o", "run"], cwd=tmp_path, capture_output=True, text=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    score = next(line["score"] for line in report["lines"] if line["name"] == report["target"])
    unsure = score["low"] <= 0 <= score["high"]
    assert done.returncode == (4 if unsure else 0), done.stderr
    assert ("does not surely do what it was made for" in done.stderr) == unsure


def made_again(tmp_path, method):
    """The command that a report gives makes the same patch."""
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["method"] == method
    (again,) = (line for line in report["commands"] if line.startswith("suture edit"))
    subprocess.run([SUTURE, *again.split()[1:]], cwd=tmp_path, check=True, capture_output=True)
    first, second = (load_file(tmp_path / name) for name in ("run/patch.safetensors", "again.safetensors"))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
