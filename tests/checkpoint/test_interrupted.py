"""Ctrl-C and SIGTERM while a patch is put on: no new folder is left, and in place it is the old state or the new one."""

import gc
import os
import select
import shutil
import signal
import sys
import threading
import time
import warnings

import pytest

from checkpoint_parts import QUICK, Counting, PressedAt, Quick, digests, in_child
from suture.checkpoint.format.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply
from suture.checkpoint.verify import verify
from suture.checkpoint.write.disk import Disk
from suture.cli.main import run


def wait_at(at):
    """Let every disk say when its n-th operation comes, and wait there for a signal."""
    count, lock = 0, threading.Lock()
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)  # threads never get a signal; this tells them that the main one did

    def step(self, what, path):
        nonlocal count
        with lock:
            count += 1
            number = count
        if number == at:
            os.write(1, b"now\n")
            if threading.current_thread() is threading.main_thread():
                time.sleep(60)
            else:
                select.select([told], [], [], 60)

    Disk.step = step


def command(words, folder, at):
    """Run a command in a process of its own until its n-th operation; returns its number and what it prints."""
    printed, said = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch has threads, the child uses none of them
        child = os.fork()
    if not child:
        code = 99
        try:
            os.dup2(printed[1], 1), os.dup2(said[1], 2)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
            os.chdir(folder)
            sys.argv = ["suture", *words]
            wait_at(at)
            run()
        except SystemExit as left:
            code = left.code
        finally:
            sys.stderr.flush()
            os._exit(code)
    for _, end in (printed, said):
        os.close(end)
    return child, open(printed[0]), open(said[0])


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
    child, printed, errors = command(["apply", str(base), str(patches[0]), *PLACES[place]], base.parent, at)
    with printed, errors:
        assert printed.readline() == "now\n"
        os.kill(child, number)
        said = errors.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130, said
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
    """A disk on which Ctrl-C is pressed when the weights are written, and again when that is rolled back."""

    def __init__(self):
        super().__init__()
        self.presses = 0

    def step(self, what, path):
        super().step(what, path)
        if (what, path.name) == ("rename", "suture.json") or (what == "open" and self.presses == 1):
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


class Beginning(Quick):
    """A disk that begins to count bytecodes at a step."""

    def __init__(self, pressed, what, name):
        super().__init__()
        self.pressed, self.at = pressed, (what, name)

    def step(self, what, path):
        super().step(what, path)
        if (what, path.name) == self.at:
            self.pressed.begin()


@pytest.fixture
def frozen():
    """What there is already needs no garbage collection, which makes one short."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pressed while Python frees an object
@pytest.mark.parametrize("place", PLACES)
def test_between_any_two_bytecodes_of_the_end_nothing_is_left(frozen, base, patches, states, tmp_path, place):
    """From the step that makes a change complete to the last file that goes."""
    step, seen, at = (("rename", "out") if place == "a new folder" else ("remove", INTENT)), set(), 0
    while True:
        at += 41
        folder = shutil.copytree(base, tmp_path / f"at{at}" / "base")
        where = {"out": folder.parent / "out"} if place == "a new folder" else {"in_place": True}
        pressed = PressedAt(at)
        try:
            with pressed:
                apply(folder, patches[:1], disk=Beginning(pressed, *step), **where)
        except KeyboardInterrupt:
            seen.add("stopped")
        if not pressed.place:
            break
        gc.collect()  # a lock that is held by nothing but a circle of frames
        seen.add(check(folder, place, states))
        assert not list(folder.parent.rglob("suture.begun")), pressed.place
        shutil.rmtree(folder.parent)
    assert at > 41 * 20
    assert True in seen
