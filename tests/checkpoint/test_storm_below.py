"""The storm below Python notices what is wrong: power that fails, calls that are spoiled, answers of no state."""

import errno
import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from _journal import CREATED, FOLDER, WRITABLE, Call, read_journal  # noqa: E402
from _powerloss import Picture, on_disk, put  # noqa: E402
from _preload import compiled  # noqa: E402
from _processes import mask  # noqa: E402
from _scenes import COMMANDS, Ended, Known  # noqa: E402
from _verdicts import Fault, Round, judge_answer, judge_end  # noqa: E402

compiler = pytest.mark.skipif(
    sys.platform != "linux" or not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler, or not Linux"
)
DRAWS = 60
OLD, NEW = b"o" * 9000, b"n" * 9000
WRITER = """
import os, sys
how = sys.argv[1]
new = os.open("file.partial", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
rest = b"n" * 9000
while rest:
    count = os.write(new, rest)
    rest = b"" if how == "hasty" else rest[count:]
if how != "careless":
    os.fsync(new)
os.close(new)
os.rename("file.partial", "file")
if how != "careless":
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
"""


def call(kind, *, handle=3, offset=0, data=b"", first="", second="", flags=0):
    return Call(kind, flags, handle, offset, 0, 0, False, str(first), str(second), data)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(OLD)
    return tmp_path / "root"


def states(picture):
    """What power that fails leaves, in many draws."""
    return [picture.after_loss(random.Random(draw)) for draw in range(DRAWS)]


def test_bytes_that_were_not_flushed_are_lost_torn_or_there(root):
    picture = Picture(root)
    picture.replay([call("open", first=root / "file", flags=WRITABLE), call("write", data=NEW)])
    assert picture.content() == {"file": NEW}
    found = {state["file"] for state in states(picture)}
    assert {OLD, NEW} < found
    assert any(512 * b"n" in content and content.count(b"o") % 512 == 9000 % 512 for content in found - {OLD, NEW})


def test_flushed_bytes_stay_and_later_ones_may_not(root):
    picture = Picture(root)
    picture.replay([call("open", first=root / "file", flags=WRITABLE), call("write", data=NEW), call("sync")])
    assert {state["file"] for state in states(picture)} == {NEW}
    picture.replay([call("write", data=b"xx", offset=8999), call("size", offset=4)])
    found = {state["file"] for state in states(picture)}
    assert {NEW, NEW[:-1] + b"xx", b"nnnn"} <= found


def test_a_name_is_certain_when_its_folder_was_flushed(root):
    create = [call("open", first=root / "made", flags=WRITABLE | CREATED), call("write", data=NEW), call("sync")]
    rename = call("rename", first=root / "made", second=root / "file")
    flush = [call("open", handle=4, first=root, flags=FOLDER), call("sync", handle=4)]
    picture = Picture(root)
    picture.replay([*create, rename])
    assert {tuple(sorted(state)) for state in states(picture)} == {("file",), ("file", "made")}
    assert {state["file"] for state in states(picture)} == {OLD, NEW}
    picture.replay(flush)
    assert {state["file"] for state in states(picture)} == {NEW}


def test_a_folder_that_is_renamed_has_one_name(root):
    (root / "stage" / "new").mkdir(parents=True)
    (root / "stage" / "new" / "file").write_bytes(OLD)
    picture = Picture(root)
    picture.replay([call("rename", first=root / "stage" / "new", second=root / "out")])
    picture.replay([call("open", handle=4, first=root, flags=FOLDER), call("sync", handle=4)])
    assert {tuple(state) for state in states(picture)} == {("file", "out", "out/file", "stage")}


def test_folders_and_links_are_put_as_they_were(root):
    (root / "a" / "empty").mkdir(parents=True)
    (root / "a" / "link").symlink_to("../file")
    content = on_disk(root)
    assert content == {"a": None, "a/empty": None, "a/link": "../file", "file": OLD}
    picture = Picture(root)
    picture.replay([call("unlink", first=root / "a" / "link"), call("rmdir", first=root / "a" / "empty")])
    assert picture.content() == {"a": None, "file": OLD}
    put(root, picture.content())
    assert on_disk(root) == picture.content()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("faults") / "faults.so")


@pytest.fixture
def written(library, root):
    """Run a writer under the library: (exit code, what it printed, the picture after its journal)."""

    def run(how, at=0, spoil="", calls=("write",), code=0):
        (root / "file.partial").unlink(missing_ok=True)
        (root / "file").write_bytes(OLD)
        journal, picture = root.parent / "journal", Picture(root)
        given = {"FAULTS_CALLS": mask(*calls), "FAULTS_AT": str(at), "FAULTS_HOW": spoil, "FAULTS_ERRNO": str(code)}
        paths = {"LD_PRELOAD": str(library), "FAULTS_ROOT": str(root), "FAULTS_JOURNAL": str(journal)}
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", WRITER, how],
            cwd=root,
            env={**given, **paths},
            capture_output=True,
            text=True,
        )
        picture.replay(read_journal(journal))
        assert picture.content() == on_disk(root)
        return done.returncode, done.stderr, picture

    return run


@compiler
def test_a_writer_that_does_not_flush_is_found_and_one_that_does_is_not(written):
    _, _, careful = written("careful")
    assert {state["file"] for state in states(careful)} == {NEW}
    _, _, careless = written("careless")
    assert {state["file"] for state in states(careless)} > {OLD, NEW}


@compiler
@pytest.mark.parametrize("spoil", ["before", "middle", "after"])
def test_killed_at_every_call(written, spoil):
    found, changes = set(), ("open", "write", "sync", "rename")
    for at in range(1, 9):
        code, _, picture = written("careful", at, spoil, changes)
        found |= {len(picture.content().get("file.partial", b""))}
        assert {state["file"] for state in states(picture)} <= {OLD, NEW}
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert code == 0
    assert at == 6  # open, write, fsync, rename, fsync, and none
    assert (4500 in found) == (spoil == "middle")


@compiler
def test_errors_and_short_writes_reach_the_writer(written):
    code, said, _ = written("careful", 1, "fail", ("rename",), errno.EDQUOT)
    assert code == 1
    assert "Disk quota exceeded" in said
    assert written("careful", 1, "short")[2].content() == {"file": NEW}
    assert written("hasty", 1, "short")[2].content() == {"file": NEW[:4500]}


def judged(ended=None, answer=None, rest=None, state=None, fault=None):
    old, new = {"ckpt/w": b"old"}, {"ckpt/w": b"new"}
    known = Known([], old, new, {"show": {Ended(0, "old", "").answer, Ended(0, "new", "").answer}})
    found = Round(0, COMMANDS[0], fault or Fault("fail", "fail", ("write",), 1, errno.EIO), {}, [], "repeat", False)
    if ended:
        found.hit, found.ended = "write", ended
        judge_end(found, known, old if state is None else state)
    else:
        judge_answer(found, known, "show", answer, rest)
    return [line.partition(":")[0] for line in found.bad]


def test_what_is_bad_is_called_bad():
    new, between = {"ckpt/w": b"new"}, {"ckpt/w": b"?", "ckpt/suture.intent": b""}
    assert judged(Ended(6, "", "error: it failed")) == []
    assert judged(Ended(0, "", "")) == ["false ok"]
    assert judged(Ended(0, "", ""), state=new) == []
    assert judged(Ended(6, "", "error: it failed"), state=new) == ["done, and told as failure"]
    assert judged(Ended(2, "", "error: it failed")) == ["exit 2 for a failing disk"]
    assert judged(Ended(1, "", "error: OSError\n  why: this is a bug in suture")) == ["a bug"]
    assert judged(Ended(6, "", "error: it failed"), state=between) == ["left after an error"]
    assert judged(Ended(-9, "", ""), state=between, fault=Fault("kill", "after", ("write",), 1)) == []
    assert judged(answer=Ended(0, "new", "")) == []
    assert judged(answer=Ended(0, "half", "")) == ["reader show meanwhile"]
    assert judged(answer=Ended(5, "", "error: it is between two states")) == []
    assert judged(answer=Ended(4, "", "error: 1 of 9 checks fail")) == ["reader show meanwhile"]
    assert judged(answer=Ended(0, "old", ""), rest=between) == ["reader show of an unfinished change at rest"]


@compiler
def test_a_short_storm_below_finds_nothing_bad():
    rounds = [
        "--round",
        "8",
        "16",
        "--mb",
        "0.05",
    ]  # power lost while fsck rolls back; killed within a write of --quick
    done = subprocess.run([sys.executable, str(BENCHMARKS / "storm_below.py"), *rounds], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["bad"], found["rounds"]) == (0, 2)


def test_without_a_compiler_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "storm_below.py")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "needs Linux and a C compiler" in done.stderr
