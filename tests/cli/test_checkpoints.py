"""Patches on disk from the command line."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from checkpoint_parts import digests, patch_of, weights, write_checkpoint
from suture.organisms import FOLDERS
from suture.patch import file as patch_file
from suture.patch.patch import Patch

VERBS = """
import json, sys
from suture.cli.main import run
for words in json.loads(sys.argv[1]):
    sys.argv = ["suture", *words]
    try:
        run()
    except SystemExit as left:
        assert left.code == 0, words
heavy = sorted({"transformers", "tokenizers"} & set(sys.modules))
assert not heavy, heavy
"""


@pytest.fixture
def work(tmp_path):
    write_checkpoint(tmp_path / "base", weights())
    for number in range(3):
        patch_of(weights(), number, ("a.weight", "experts")).save(tmp_path / f"p{number}.safetensors")
    foreign = patch_of(weights(), 0, ("c.weight",))
    base = {**foreign.provenance.base, "name": "another"}
    replace(foreign, provenance=replace(foreign.provenance, base=base)).save(tmp_path / "foreign.safetensors")
    return tmp_path


def test_the_verbs_need_neither_transformers_nor_a_model(work):
    flow = [
        ("apply", "base", "p0.safetensors", "p1.safetensors", "-o", "out"),
        ("verify", "out", "--base", "base"),
        ("diff", "base", "out", "-o", "d.safetensors"),
        ("combine", "p0.safetensors", "p2.safetensors", "-o", "c.safetensors", "--force"),
        ("show", "out"),
        ("apply", "out", "p2.safetensors", "--in-place"),
        ("fsck", "out"),
        ("revert", "out", "2", "--in-place"),
        ("revert", "out", "-o", "back"),
    ]
    done = subprocess.run([sys.executable, "-c", VERBS, json.dumps(flow)], cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert digests(work / "back") == digests(work / "base")


def test_how_to_take_a_patch_off_names_that_patch_alone(command, work):
    command("apply", "base", "p0.safetensors", "-o", "out", cwd=work)
    done = command("apply", "out", "p1.safetensors", "p2.safetensors", "--in-place", cwd=work)
    words = done.stdout.splitlines()[-1].partition("suture ")[2].split()
    assert words == ["revert", "out", "2", "3", "--in-place"]
    assert command(*words, cwd=work).returncode == 0
    assert [row[0] for row in command("apply", "out", "p1.safetensors", "-o", "x", "--json", cwd=work).json["patches"]] == [
        "p0.safetensors", "p1.safetensors",
    ]  # fmt: skip


def test_every_verb_speaks_json(command, work):
    done = command("apply", "base", "p0.safetensors", "-o", "out", "--json", cwd=work)
    assert done.json["entries"] > 0
    assert done.json["patches"][0][2:] == [1.0, 0]
    assert command("apply", "out", "p1.safetensors", "-o", "x", "--dry-run", "--json", cwd=work).json["room"] > 0
    assert command("verify", "out", "p1.safetensors", "--base", "base", "--json", cwd=work).json["problems"] == {}
    assert command("fsck", "out", "--json", cwd=work).json["repaired"] == []
    assert command("show", "out", "--json", cwd=work).json["format"] == "suture.checkpoint/1"
    assert command("diff", "base", "out", "-o", "d", "--json", cwd=work).json["exact"] is True
    met = command("combine", "p0.safetensors", "p1.safetensors", "-o", "c", "--json", cwd=work).json["overlap"]
    assert met[0]["tensors"] == 2
    assert command("revert", "out", "--in-place", "--json", cwd=work).json["patches"] == []


def test_quickly_in_place_and_off_again(command, work):
    before = digests(work / "base")
    planned = command("plan", "apply", "base", "p0.safetensors", "--in-place", "--quick", "--json", cwd=work)
    assert planned.json["tensors"] == 2
    done = command("apply", "base", "p0.safetensors", "--in-place", "--quick", "--json", cwd=work)
    assert done.json["checked"] == "touched rows"
    assert "checked before: touched rows" in done.stderr
    assert done.stderr.rstrip().endswith("suture revert base --in-place --quick")
    assert "rows " in command("show", "base", cwd=work).stdout
    assert command("verify", "base", cwd=work).returncode == 0
    assert command("revert", "base", "--in-place", "--quick", cwd=work).returncode == 0
    assert digests(work / "base") == before
    done = command("apply", "base", "p0.safetensors", "-o", "out", "--json", cwd=work)
    assert done.json["checked"] == "whole tensors"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("apply", "base", "p0.safetensors"), 2, "-o OUT or --in-place"),
        (("apply", "base", "none.safetensors", "-o", "x"), 2, "can not read"),
        (("apply", "nowhere", "p0.safetensors", "-o", "x"), 2, "no checkpoint folder"),
        (("apply", "base", "p0.safetensors", "-o", "x", "--scale", "0"), 3, "--scale"),
        (("apply", "other", "p0.safetensors", "-o", "x"), 5, "differs from the weight"),
        (("apply", "base", "p0.safetensors", "-o", "base"), 2, "is there already"),
        (("apply", "base", "base/config.json", "-o", "x"), 5, "not a whole"),
        (("apply", "patient", "p0.safetensors", "-o", "x"), 5, "no tensor"),
        (("revert", "base", "-o", "x"), 2, "no patch is on"),
        (("verify", "base", "p9.safetensors"), 2, "can not read"),
        (("verify", "other", "p0.safetensors"), 4, "p0.safetensors fits"),
        (("verify", "other", "--base", "base"), 4, "checks fail"),
        (("diff", "base", "base", "-o", "x"), 3, "do not differ"),
        (("diff", "base", "patient", "-o", "x"), 5, "can not differ by a patch"),
        (("combine", "p0.safetensors", "-o", "x"), 2, "nothing to combine"),
        (("combine", "p0.safetensors", "foreign.safetensors", "-o", "x"), 2, "different models"),
        (("combine", "p0.safetensors", "p0.safetensors", "--scale", "1", "--scale", "-1", "-o", "x"), 2, "against"),
        (("combine", "p0.safetensors", "p1.safetensors", "--scale", "1", "-o", "x"), 2, "1 scales for 2"),
        (("combine", "p0.safetensors", "p1.safetensors", "--scale", "0", "--scale", "0", "-o", "x"), 3, "nothing"),
        (("apply", "base", "p0.safetensors", "-o", "x", "--quick"), 2, "--quick is for --in-place"),
        (("apply", "other", "p0.safetensors", "--in-place", "--quick"), 5, "rows of a.weight differ"),
        (("apply", "base", "p0.safetensors", "p1.safetensors", "--in-place", "--quick"), 2, "has another"),
        (("revert", "base", "--in-place", "--quick", "--force"), 2, "do not go together"),
        (("fsck", "nowhere"), 2, "no checkpoint folder"),
        (("show", "base"), 2, "no patch is on"),
        (("verify", "nowhere"), 2, "There is nothing of that name."),
        (("verify", "base/config.json"), 2, "It is a file."),
        (("verify", "maker/model"), 2, "hf download maker/model"),
        (("show", "patient"), 2, "no patch is on"),
        (("apply", "patient", "p0.safetensors", "--in-place"), 2, "-o FOLDER"),
        (("apply", "patient", "p0.safetensors", "--in-place", "--quick"), 2, "patient is not changed in place"),
        (("apply", "patient-moe", "p0.safetensors", "--in-place", "--dry-run"), 2, "is not changed in place"),
        (("revert", "patient", "--in-place"), 2, "patient is not changed in place"),
        (("plan", "apply", "patient", "p0.safetensors", "--in-place"), 2, "patient is not changed in place"),
        (("plan", "revert", "patient", "--in-place"), 2, "patient is not changed in place"),
    ],
)
def test_mistakes_are_answered_with_the_right_code(command, work, words, code, says):
    write_checkpoint(work / "other", weights(seed=4))
    before = digests(work)
    done = command(*words, cwd=work)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert digests(work) == before
    assert not (work / "x").exists()


def test_every_verb_on_checkpoints_knows_the_bundled_model(command, work, monkeypatch):
    """By its name; a folder of that name is the one that is meant, and what was put on the bundled one comes off."""
    monkeypatch.setitem(FOLDERS, "patient", work / "installed")
    command("apply", "base", "p0.safetensors", "-o", "installed", cwd=work)
    for words in (("verify", "patient"), ("show", "patient"), ("fsck", "patient"), ("plan", "verify", "patient")):
        assert command(*words, cwd=work).returncode == 0, words
    assert command("diff", "base", "patient", "-o", "d", cwd=work).returncode == 0
    done = command("revert", "patient", "--in-place", cwd=work)
    assert (done.returncode, f"suture revert {work / 'installed'} --in-place" in done.stderr) == (2, True)
    assert command("revert", "patient", "-o", "patient", cwd=work).returncode == 0
    assert digests(work / "patient") == digests(work / "base")
    assert command("apply", "patient", "p1.safetensors", "--in-place", cwd=work).returncode == 0
    assert "p1.safetensors" in command("show", "patient", cwd=work).stdout


def test_fsck_says_what_it_would_do(command, work):
    code = f"{KILLED}\nverbs.apply(Path('out'), [Path('p1.safetensors')], in_place=True, disk=Killed())"
    command("apply", "base", "p0.safetensors", "-o", "out", cwd=work)
    assert subprocess.run([sys.executable, "-c", code], cwd=work).returncode == -9
    before = digests(work)
    done = command("fsck", "out", "--dry-run", "--json", cwd=work)
    assert (done.returncode, done.json["dry_run"]) == (4, True)
    assert done.json["repaired"][0].startswith("would finish an interrupted run: from p0.safetensors")
    assert digests(work) == before
    assert command("fsck", "out", "--json", cwd=work).json["dry_run"] is False


def test_a_change_that_was_not_finished_is_said_and_not_shown(command, work):
    command("apply", "base", "p0.safetensors", "-o", "out", cwd=work)
    (work / "out" / "suture.intent").write_bytes(b"{}")
    (work / "texts.txt").write_text("Hello")
    for words in (("show", "out"), ("diff", "base", "out", "-o", "x"), ("eval", "out", "--texts", "texts.txt")):
        done = command(*words, cwd=work)
        assert (done.returncode, "suture fsck out" in done.stderr) == (5, True), done.stderr


def test_a_difference_of_nan_alone_is_refused_by_name(command, work):
    other = weights()
    other["a.weight"][3, 5] = float("nan")
    write_checkpoint(work / "other", other)
    done = command("diff", "base", "other", "-o", "x", cwd=work)
    assert (done.returncode, "a.weight: 1 NaN, in 1 row (3)" in done.stderr) == (4, True), done.stderr
    assert not (work / "x").exists()


def test_a_patch_in_a_folder_with_an_odd_name(command, work):
    (work / "Größe 1 (neu)").mkdir()
    done = command("apply", "base", "p0.safetensors", "-o", "Größe 1 (neu)/mein Modell", cwd=work)
    assert done.returncode == 0, done.stderr
    ledger = json.loads((work / "Größe 1 (neu)" / "mein Modell" / "suture.json").read_text())
    assert ledger["patches"][0]["name"] == "p0.safetensors"


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), float("-inf")])
def test_a_patch_of_no_finite_strength_is_refused_everywhere(command, work, scale):
    patch = patch_of(weights(), 0, ("a.weight",))
    terms = {name: tuple(replace(term, scale=scale) for term in own) for name, own in patch.terms.items()}
    patch_file.write(work / "odd.safetensors", terms, patch.before, patch.after, patch.provenance)
    before = digests(work)
    for words in (
        ("combine", "odd.safetensors", "p0.safetensors", "-o", "x"),
        ("apply", "base", "odd.safetensors", "-o", "x"),
        ("apply", "base", "odd.safetensors", "--in-place", "--force"),
    ):
        done = command(*words, cwd=work)
        assert done.returncode == 5, done.stderr
        assert "strength is" in done.stderr
    done = command("apply", "base", "p0.safetensors", "--in-place", "--scale", str(scale), cwd=work)
    assert done.returncode == 2, done.stderr
    assert digests(work) == before


def test_strengths_that_multiply_to_infinity_are_refused(command, work):
    (1e200 * Patch.load(work / "p0.safetensors")).save(work / "strong.safetensors")
    words = ("combine", "strong.safetensors", "p1.safetensors", "--scale", "1e200", "--scale", "1", "-o", "x")
    done = command(*words, cwd=work)
    assert done.returncode == 2, done.stderr
    assert "no finite number" in done.stderr
    assert not (work / "x").exists()


def test_patches_whose_overlap_is_no_number_are_not_added_up(command, work):
    (1e300 * Patch.load(work / "p0.safetensors")).save(work / "strong.safetensors")
    done = command("combine", "strong.safetensors", "p0.safetensors", "-o", "x", cwd=work)
    assert done.returncode == 2, done.stderr
    assert "too large to be compared" in done.stderr
    assert not (work / "x").exists()


def test_a_ledger_with_no_finite_strength_is_damaged(command, work):
    command("apply", "base", "p0.safetensors", "-o", "out", cwd=work)
    ledger = work / "out" / "suture.json"
    ledger.write_text(ledger.read_text().replace('"scale": 1.0', '"scale": NaN'))
    assert command("revert", "out", "-o", "x", cwd=work).returncode == 5


def test_what_an_interrupted_command_did_is_said_when_it_is_given_again(command, work):
    command("apply", "base", "p0.safetensors", "p1.safetensors", "-o", "out", cwd=work)
    code = f"{KILLED}\nverbs.revert(Path('out'), ['1'], in_place=True, disk=Killed())"
    assert subprocess.run([sys.executable, "-c", code], cwd=work).returncode == -9
    dry = command("revert", "out", "1", "--in-place", "--dry-run", cwd=work)
    assert dry.returncode == 2
    assert "suture fsck out" in dry.stderr
    done = command("revert", "out", "1", "--in-place", "--json", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.json["repeated"] is True
    assert "reverted already" in done.stderr
    assert [name for name, *_ in done.json["patches"]] == ["p1.safetensors"]
    done = command("apply", "out", "p1.safetensors", "--in-place", cwd=work)
    assert done.returncode == 5
    assert "number 1" in done.stderr


KILLED = """
import os, signal
from pathlib import Path
from suture.checkpoint import verbs
from suture.checkpoint.disk import Disk
class Killed(Disk):
    def step(self, what, path):
        if what == "write" and Path("out/suture.intent").exists():
            os.kill(os.getpid(), signal.SIGKILL)
"""
