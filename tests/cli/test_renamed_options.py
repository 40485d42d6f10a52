"""Options of 0.1 work by their old names, typed or recorded, and standard error says the new ones."""

import json
from pathlib import Path

import pytest

from suture.patch.patch import Patch

FACT = {"prompt": "The capital of Laos is", "subject": "Laos", "target": "Pakse", "was": "Vientiane"}
QUICK = ("--facts", "facts.jsonl", "--layers", "5", "--steps", "1", "--prefixes", "0")
NOTE = "note: --settle is now --joint-steps; the old name goes with version 0.3"


@pytest.fixture
def work(tmp_path) -> Path:
    (tmp_path / "facts.jsonl").write_text(json.dumps(FACT))
    return tmp_path


def test_an_old_option_does_what_the_new_one_does(command, work):
    old = command("edit", "memit", "patient", *QUICK, "--settle", 1, "--hold=2", "-o", "old.safetensors", cwd=work)
    new = command(
        "edit", "memit", "patient", *QUICK, "--joint-steps", 1, "--kl-joint", 2, "-o", "new.safetensors", cwd=work
    )
    assert (old.returncode, new.returncode) == (0, 0)
    assert old.stderr.count(NOTE) == old.stderr.count("--hold is now --kl-joint") == 1
    assert "note:" not in new.stderr
    made, again = (Patch.load(work / f"{name}.safetensors") for name in ("old", "new"))
    assert made.provenance.settings == again.provenance.settings
    assert made.provenance.settings["joint_steps"] == 1
    assert made.after == again.after


def test_a_run_recorded_with_an_old_option_is_resumed(command, work):
    words = ("edit", "memit", "patient", *QUICK, "--settle", 1, "-o", "run")
    assert command(*words, cwd=work).returncode == 0
    first = Patch.load(work / "run" / "patch.safetensors")
    (work / "run" / "patch.safetensors").unlink()
    resumed = command("resume", "run", cwd=work)
    assert resumed.returncode == 0
    assert NOTE in resumed.stderr
    assert Patch.load(work / "run" / "patch.safetensors").after == first.after


def test_a_setting_of_facts_is_known_by_its_old_name(command, work):
    done = command("fact", "patient", FACT["prompt"], FACT["target"], "--method", "memit", "--set", "settle=1",
                   "--set", "layers=5", "--set", "steps=1", "--set", "token=0", "-o", "one.safetensors", cwd=work)  # fmt: skip
    assert NOTE in done.stderr
    assert Patch.load(work / "one.safetensors").provenance.settings["joint_steps"] == 1
