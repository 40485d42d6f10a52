"""Ctrl-C and SIGTERM while a patch is put on: no new folder is left, and in place it is the old state or the new one."""

import os
import signal
import subprocess
import sys

import pytest

from checkpoint_parts import QUICK, Counting, Quick, digests, in_child
from suture.checkpoint.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply
from suture.checkpoint.verify import verify

CHILD = """
import os, select, signal, sys, threading, time
from pathlib import Path
from suture.checkpoint import disk
from suture.cli.main import run
at, count, lock = int(sys.argv.pop(1)), 0, threading.Lock()
told, tell = os.pipe()
os.set_blocking(tell, False)
signal.set_wakeup_fd(tell)  # threads never get a signal; this tells them that the main one did
def step(self, what, path):
    global count
    with lock:
        count += 1
        number = count
    if number == at:
        print("now", flush=True)
        if threading.current_thread() is threading.main_thread():
            time.sleep(60)
        else:
            select.select([told], [], [], 60)
disk.Disk.step = step
run()
"""
PLACES = {"a new folder": ["-o", "out"], "in place": ["--in-place"]}


class Interrupting(Counting):
    """A disk on which the user presses Ctrl-C before the n-th operation."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def reached(self, number, what, path):
        if number == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def states(base, patches, tmp_path):
    apply(base, patches[:1], tmp_path / "made", disk=QUICK)
    return digests(base), digests(tmp_path / "made")


def check(folder, place, states):
    """Return whether the change was made."""
    old, new = states
    out = folder.parent / "out"
    changed = out if place == "a new folder" else folder
    assert not (folder.parent / "out.partial").exists()
    assert not (folder / INTENT).exists()
    if place == "a new folder":
        assert digests(folder) == old
        if not out.exists():
            return False
    assert digests(changed) in (old, new)
    assert not [finding for finding in verify(changed) if finding.problem]
    return digests(changed) == new


@pytest.mark.parametrize("at", [2, 9, 16, 22])
@pytest.mark.parametrize("place", PLACES)
def test_a_command_that_is_stopped_cleans_up_and_says_so(base, patches, states, place, at):
    number = signal.SIGTERM if at == 9 else signal.SIGINT
    words = [sys.executable, "-c", CHILD, str(at), "apply", str(base), str(patches[0]), *PLACES[place]]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=base.parent,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in what a shell runs in the background
    ) as child:  # fmt: skip
        assert child.stdout.readline() == "now\n"
        child.send_signal(number)
        _, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    check(base, place, states)


@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_is_stopped(base, patches, states, tmp_path, place):
    where = {"out": tmp_path / "out"} if place == "a new folder" else {"in_place": True}
    seen = []
    for at in range(1, 200):

        def work(at=at):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            apply(base, patches[:1], disk=Interrupting(at), **where)

        in_child(work)
        seen.append(check(base, place, states))
        if seen[-1]:
            break
    assert len(seen) > 15
    assert seen[-1]
    assert not any(seen[:-1])


class Late(Quick):
    """A disk on which Ctrl-C is pressed right after the new folder was made."""

    def folder(self, path):
        super().folder(path)
        if path.name == "out.partial":
            signal.raise_signal(signal.SIGINT)


def test_a_folder_that_was_only_just_made_goes_again(base, patches, tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            apply(base, patches[:1], tmp_path / "out", disk=Late())
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "out.partial").exists()


class Twice(Counting):
    """A disk on which Ctrl-C is pressed when the weights are to be written, and again when that is rolled back."""

    def __init__(self):
        super().__init__()
        self.presses = 0

    def step(self, what, path):
        super().step(what, path)
        if what == "remove" and path.name in (INTENT, "suture.json"):
            self.presses += 1
            signal.raise_signal(signal.SIGINT)

    def reached(self, number, what, path):
        pass


def test_pressed_again_it_says_what_to_do_and_the_next_run_repairs(base, patches, states, caplog):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    disk = Twice()
    try:
        with pytest.raises(KeyboardInterrupt):
            apply(base, patches[:1], in_place=True, disk=disk)
    finally:
        signal.signal(signal.SIGINT, before)
    assert disk.presses == 2
    assert (base / INTENT).exists()
    (line,) = caplog.messages
    assert line == f"{base} is between two states (interrupted again); run: suture fsck {base}"
    fsck(base)
    check(base, "in place", states)
