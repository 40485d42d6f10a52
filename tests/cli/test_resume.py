"""Runs of the command line: stopped by a signal, listed, and continued."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from suture.runs.run import events, listed

SLOW = '''"""Nudge one matrix, once a file called go is there."""
import time
from pathlib import Path
import torch
from suture import LM, Behaviour, LowRank, Patch, method

@method
def slow(lm: LM, behaviours: list[Behaviour], *, push: float = 0.5) -> Patch:
    """Do it."""
    while not Path("go").exists():
        time.sleep(0.05)
    weight = lm.anatomy.weights("mlp.down")[0]
    change = LowRank(torch.full((192, 1), push), torch.ones(1, 512))
    return Patch.make(lm, {weight.tensor: weight.place(change)}, method="slow", settings={"push": push})
'''
RUN = (sys.executable, "-c", "from suture.cli.main import run; run()")
EDIT = ("edit", "./slow.py", "patient", "--data", "tone data.jsonl", "--push", "0.25")


@pytest.fixture
def work(folder, tmp_path):
    shutil.copy(folder / "tone data.jsonl", tmp_path)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_edit_says_how_to_go_on_and_goes_on(command, work, number, monkeypatch):
    process = subprocess.Popen(
        [*RUN, *EDIT], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in what a shell runs in the background
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(work.glob("runs/*/events.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    (run,) = listed(work / "runs")
    assert said.splitlines()[-1] == f"interrupted; continue with: suture resume {run.folder.relative_to(work)}"
    assert "Traceback" not in said
    assert run.state == "interrupted"

    (work / "go").touch()
    done = command("resume", run.folder.relative_to(work), cwd=work)
    assert done.returncode == 0, done.stderr
    assert (run.folder / "patch.safetensors").is_file()
    told = command("runs", "--json", cwd=work).json["runs"]
    assert [(summary["state"], summary["command"]) for summary in told] == [("finished", list(EDIT))]


def test_resuming_a_finished_run_loads_its_stages(command, work, tmp_path_factory):
    (work / "go").touch()
    assert command(*EDIT, "-o", "ein Lauf", cwd=work).returncode == 0
    before = (work / "ein Lauf" / "patch.safetensors").read_bytes()
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # the paths of a command are relative to where it was given
    assert command("resume", work / "ein Lauf", cwd=elsewhere).returncode == 0
    assert [event["stage"] for event in events(work / "ein Lauf")] == [
        "began", "made", "finished", "began", "reused", "finished",
    ]  # fmt: skip
    assert (work / "ein Lauf" / "patch.safetensors").read_bytes() == before


def test_a_probe_is_recorded_only_when_its_out_is_a_folder(command, work):
    words = ("probe", "patient", "--data", "tone data.jsonl", "--space", "final")
    assert command(*words, "-o", "p.safetensors", cwd=work).returncode == 0
    assert listed(work) == []
    assert command(*words, "-o", "a folder", cwd=work).returncode == 0
    done = command("runs", ".", cwd=work)
    assert "finished" in done.stdout
    assert "held-out texts" in done.stdout
    env = json.loads((work / "a folder" / "env.json").read_text())
    assert env["packages"]["suture"]


def test_an_interrupt_outside_a_run_is_130_in_one_line(command, work, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("suture.model.lm.LM.load", stop)
    done = command(*EDIT, cwd=work)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


EVIL = SLOW.replace("while not", "Path('ran').touch()\n    while not").replace('"""Nudge', '"""Evil. Nudge')


def finished(command, work):
    (work / "go").touch()
    assert command(*EDIT, "-o", "mine", cwd=work).returncode == 0
    return work / "mine"


@pytest.mark.parametrize("how", ["unsigned", "recipe", "folder", "another's key"])
def test_what_this_user_did_not_record_is_not_executed(command, work, how, monkeypatch, tmp_path_factory):
    run = finished(command, work)
    recipe = run / "recipe.yaml"
    (work / "slow.py").write_text(EVIL)
    if how == "unsigned":  # as 0.1.0 wrote them
        (run / "recipe.yaml.mine").unlink()
    elif how == "recipe":
        recipe.write_text(recipe.read_text().replace("0.25", "0.5"))
    elif how == "folder":
        recipe.write_text(recipe.read_text().replace(str(work), str(work.parent)))
    else:
        monkeypatch.setenv("SUTURE_STATE", str(tmp_path_factory.mktemp("other")))
    done = command("resume", run, cwd=work)
    assert done.returncode == 2
    assert "edit ./slow.py patient --data 'tone data.jsonl'" in done.stderr
    assert "--trust" in done.stderr
    assert not (work / "ran").exists()


def test_a_method_file_that_changed_is_not_executed_unless_it_is_meant(command, work):
    run = finished(command, work)
    (work / "slow.py").write_text(EVIL)
    done = command("resume", run, cwd=work)
    assert done.returncode == 2
    assert "slow.py is not the file that ran" in done.stderr
    assert not (work / "ran").exists()
    (run / "patch.safetensors").unlink()
    assert command("resume", run, "--trust", cwd=work).returncode == 0
    assert (work / "ran").exists()


def test_a_run_of_ones_own_may_be_moved(command, work):
    run = finished(command, work)
    run.rename(work / "elsewhere")
    assert command("resume", work / "elsewhere", cwd=work).returncode == 0
