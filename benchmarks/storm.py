"""Patches on disk while everything goes wrong: kill -9, failing disks, a full disk, many runs at once.

    python benchmarks/storm.py --rounds 300 --mb 8

Counts, for new folders, in place, and in place by the touched rows alone (--quick):
  killed    a child is killed at a random instant; the checkpoint is then the old or the new one, and nothing else
  stopped   Ctrl-C at a random instant, in half of the rounds again soon after; nothing is left half done, and nothing goes on
  pressed   Ctrl-C between two bytecodes, evenly over the whole of a run; its end is short, and chance seldom meets it
  failing   the n-th write, flush, rename, open ... fails, for every n; once, and for good
  full      a tmpfs (else: limits on the size of files) with ever more room until it suffices
  crowd     16 processes at once on one output: exactly one wins
"""

import argparse
import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from _common import finish, note, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from checkpoint_parts import Failing, PressedAt, digests, in_child, patch_of, write_checkpoint
from suture.checkpoint.format.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.checkpoint.write.disk import Disk
from suture.errors import ResourceError, SutureError

CROWD = 16
STOPPED = 130  # exit code after Ctrl-C
PLACES = {"new folder": {}, "in place": {"in_place": True}, "in place, quick": {"in_place": True, "quick": True}}


class Storm:
    """A base, a patch, and the states that may be seen."""

    def __init__(self, work: Path, mb: float) -> None:
        self.work, rows = work, max(64, int(mb * 1e6 / 4 / 512))
        g = torch.Generator().manual_seed(0)
        tensors = {f"w{n}": torch.randn(rows, 256, generator=g).bfloat16() for n in range(4)}
        tensors |= {f"still{n}": torch.randn(rows, 256, generator=g).bfloat16() for n in range(4)}
        self.base = write_checkpoint(work / "base", tensors, 3)
        self.patch = patch_of(tensors, 0, ("w0", "w1", "w2", "w3")).save(work / "patch")
        self.old = digests(self.base)
        apply(self.base, [self.patch], work / "new")
        self.new = self.states(work / "new")
        began = time.monotonic()
        apply(self.base, [self.patch], work / "timed")
        self.seconds = time.monotonic() - began
        shutil.rmtree(work / "timed")

    def states(self, new: Path) -> dict[str, dict]:
        """What each way makes of the base; they differ in what suture.json says was checked."""
        quick = shutil.copytree(self.base, self.work / "quick")
        apply(quick, [self.patch], **PLACES["in place, quick"])
        return {place: digests(quick if place == "in place, quick" else new) for place in PLACES}

    def sound(self, folder: Path, place: str) -> bool:
        return digests(folder) in (self.old, self.new[place]) and not [f for f in verify(folder) if f.problem]


class Instants:
    """Random instants over the whole of a run, or from its first change of the disk on, however busy the machine is.

    What is left of a run that changes a checkpoint in place is short beside what goes before, so half of them are of that
    kind. Of each kind two of five runs end before their instant.
    """

    def __init__(self, rng: random.Random, seconds: float) -> None:
        self.rng, self.writing, self.longest = rng, False, {False: 1.1 * seconds, True: 0.2 * seconds}

    def draw(self) -> tuple[float, bool]:
        """Seconds, and whether they are counted from the first change of the disk."""
        self.writing = self.rng.random() < 0.5
        return self.rng.uniform(0, self.longest[self.writing]), self.writing

    def learn(self, *, cut: bool) -> bool:
        self.longest[self.writing] *= 1.02 if cut else 0.97
        return cut


def killed_new(storm: Storm, rounds: int, seed: int) -> dict:
    instants, out = Instants(random.Random(seed), storm.seconds), storm.work / "out"
    counts = {"rounds": rounds, "killed": 0, "left": 0, "bad": 0}
    for _ in range(rounds):
        cut = kill_within(lambda: apply(storm.base, [storm.patch], out), *instants.draw())
        counts["killed"] += instants.learn(cut=cut)
        good = not out.exists() or digests(out) == storm.new["new folder"]
        counts["left"] += (storm.work / "out.partial").exists()
        counts["bad"] += not good or digests(storm.base) != storm.old
        shutil.rmtree(out, ignore_errors=True)
    apply(storm.base, [storm.patch], out)
    counts["bad"] += (
        digests(out) != storm.new["new folder"] or (storm.work / "out.partial").exists()
    )  # the next run sweeps
    shutil.rmtree(out)
    return counts


def killed_in_place(storm: Storm, rounds: int, seed: int, place: str) -> dict:
    rng, path, how = random.Random(seed), storm.work / "place", PLACES[place]
    instants = Instants(rng, storm.seconds)
    shutil.copytree(storm.base, path)
    counts = {"rounds": rounds, "killed": 0, "left": 0, "bad": 0, "finished": 0, "rolled back": 0}
    for _ in range(rounds):
        if digests(path) == storm.old:
            call = lambda: apply(path, [storm.patch], **how)  # noqa: E731
        else:
            call = lambda: revert(path, **how)  # noqa: E731
        counts["killed"] += instants.learn(cut=kill_within(call, *instants.draw()))
        begun, rollback = (path / INTENT).exists(), rng.random() < 0.5
        counts["left"] += begun
        if begun and rng.random() < 0.5:  # the repair is killed, too
            kill_within(lambda: fsck(path, rollback=rollback), *instants.draw())  # noqa: B023
        repaired, findings = fsck(path, rollback=rollback)
        counts["finished"] += "finished an interrupted run" in repaired
        counts["rolled back"] += "rolled back an interrupted run" in repaired
        counts["bad"] += bool([f for f in findings if f.problem]) or not storm.sound(path, place)
    shutil.rmtree(path)
    return counts


def stopped(storm: Storm, rounds: int, seed: int, place: str) -> dict:
    rng, path, how = random.Random(seed), storm.work / "stopped", PLACES[place]
    instants = Instants(rng, storm.seconds)
    counts = {"rounds": rounds, "stopped": 0, "twice": 0, "left": 0, "bad": 0}
    if how:
        shutil.copytree(storm.base, path)
    for _ in range(rounds):
        first, writing = instants.draw()
        seconds = [first, rng.uniform(0, instants.longest[True])] if rng.random() < 0.5 else [first]
        if not how:
            call = lambda: apply(storm.base, [storm.patch], path)  # noqa: E731
        elif digests(path) == storm.old:
            call = lambda: apply(path, [storm.patch], **how)  # noqa: E731
        else:
            call = lambda: revert(path, **how)  # noqa: E731
        counts["stopped"] += instants.learn(cut=stop_within(call, seconds, writing))
        counts["twice"] += len(seconds) == 2
        left = (path / INTENT).exists() or path.with_name("stopped.partial").exists()
        counts["left"] += left
        if len(seconds) == 2 and (how or left):  # a second one may cut the cleaning up short; the next command does it
            fsck(path) if how else apply(storm.base, [storm.patch], path)
            left = (path / INTENT).exists() or path.with_name("stopped.partial").exists()
        if how:
            good = storm.sound(path, place)
        else:
            good = digests(storm.base) == storm.old and (not path.exists() or digests(path) == storm.new[place])
        if left or not good:
            counts["bad"] += 1
            note(f"bad: stopped after {seconds}, left: {left}, sound: {good}")
        if not how:
            shutil.rmtree(path, ignore_errors=True)
            shutil.rmtree(path.with_name("stopped.partial"), ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)
    return counts


def pressed(storm: Storm, rounds: int, place: str) -> dict:
    how, path, counting = PLACES[place], storm.work / "pressed", PressedAt(0)
    counts = {"rounds": rounds, "stopped": 0, "bytecodes": 0, "bad": 0}

    def run(pressing: PressedAt) -> None:
        with pressing:
            pressing.begin()
            apply(path, [storm.patch], **how) if how else apply(storm.base, [storm.patch], path)

    def fresh() -> None:
        shutil.rmtree(path, ignore_errors=True)
        if how:
            shutil.copytree(storm.base, path)

    fresh()
    run(counting)
    counts["bytecodes"] = counting.count
    for number in range(rounds):
        fresh()
        press = PressedAt(1 + number * counting.count // rounds)
        counts["stopped"] += ended(begun(lambda: run(press), False)) == STOPPED  # noqa: B023
        good = storm.sound(path, place) if path.exists() else not how
        if not good or path.with_name("pressed.partial").exists():
            counts["bad"] += 1
            note(f"bad: pressed at bytecode {press.at} of {counting.count}")
    shutil.rmtree(path, ignore_errors=True)
    return counts


def kill_within(call, seconds: float, writing: bool) -> bool:
    """Run in a child, kill -9 it after so many seconds (of writing); returns whether it was still alive."""
    child = begun(call, writing)
    code = ended_within(child, seconds)
    if code is None:
        os.kill(child, signal.SIGKILL)
        code = ended(child)
    return code == -signal.SIGKILL


def stop_within(call, seconds: list[float], writing: bool) -> bool:
    """Run in a child, press Ctrl-C after so many seconds of writing (again after more); returns whether it was stopped."""
    child = begun(call, writing)
    for wait in seconds:
        code = ended_within(child, wait)
        if code is not None:
            return code == STOPPED
        os.kill(child, signal.SIGINT)
    return ended(child) == STOPPED


def begun(call, writing: bool) -> int:
    """Start a child that ends with 0 when the call is done, with 130 after Ctrl-C; wait until it writes, if asked."""
    told, tell = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the child can answer it
    child = os.fork()
    if child:
        os.close(tell)
        if writing:
            os.read(told, 1)  # also ends when the child does
        os.close(told)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return child
    code = 99
    Disk.step = lambda *_: os.write(tell, b".")
    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            call()
            code = 0
        except KeyboardInterrupt:
            code = STOPPED
        except BaseException as problem:
            # Ctrl-C inside a lock of the standard library comes out as "cannot release un-acquired lock".
            code = STOPPED if isinstance(problem.__context__, KeyboardInterrupt) else code
            traceback.print_exc()
    finally:
        os._exit(code)


def ended_within(child: int, seconds: float) -> int | None:
    """Wait so long; returns the exit code of a child that ended meanwhile, None for one that is still alive."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return sound_code(status)
        time.sleep(min(0.0005, seconds))
    return None


def ended(child: int) -> int:
    """Wait for the end of a child; returns its exit code."""
    return sound_code(os.waitpid(child, 0)[1])


def sound_code(status: int) -> int:
    """Return an exit code; one that neither success nor a stop gives ends the campaign."""
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, STOPPED, -signal.SIGKILL):
        sys.exit(f"a run that was disturbed ended with {code}; its error is above")
    return code


def failing(storm: Storm) -> dict:
    counts = {"rounds": 0, "errors": 0, "bad": 0, "false ok": 0}
    for place, where in PLACES.items():
        in_place = bool(where)
        for code in (errno.ENOSPC, errno.EIO):
            for forever in (False, True):
                for at in range(1, 10_000):
                    path = storm.work / "failing"
                    if in_place:
                        shutil.copytree(storm.base, path)
                    disk = Failing(at, code, forever=forever)
                    counts["rounds"] += 1
                    try:
                        apply(path if in_place else storm.base, [storm.patch], **(where or {"out": path}), disk=disk)
                        ok = True
                    except ResourceError:
                        ok = False
                        counts["errors"] += 1
                    if path.exists():
                        if in_place:
                            fsck(path)
                        counts["bad"] += not storm.sound(path, place)
                        counts["false ok"] += ok and digests(path) != storm.new[place]
                        shutil.rmtree(path)
                    else:
                        counts["false ok"] += ok
                    if disk.count < at:
                        break
    counts["bad"] += digests(storm.base) != storm.old
    return counts


def full(storm: Storm) -> dict:
    """A disk with ever more room. Twice: as it is, and with the check for room switched off."""
    from suture.checkpoint.write import output

    mount = storm.work / "small"
    mount.mkdir()
    size = sum(f.stat().st_size for f in storm.base.rglob("*") if f.is_file())
    counts = {"rounds": 0, "exit 6": 0, "bad": 0, "with bytes needed": 0, "how": ""}
    check = output.check_room
    for blind in (False, True):
        output.check_room = (lambda *_: None) if blind else check
        for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 3.0):
            room = int(size * share)
            mounted = not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(mount)], capture_output=True
            ).returncode
            counts["how"] = "tmpfs" if mounted else "limit on file size"
            out, counts["rounds"] = mount / "out", counts["rounds"] + 1
            try:
                code = in_child(lambda: limited(storm, out, None if mounted else room))  # noqa: B023
                counts["exit 6"] += code == ResourceError.exit_code
                whole = out.exists() and digests(out) == storm.new["new folder"]
                counts["bad"] += (code == 0) != whole or out.exists() != whole or bool(list(mount.glob("*.partial")))
                counts["bad"] += code not in (0, ResourceError.exit_code)
                if not blind and mounted:
                    try:
                        shutil.rmtree(out, ignore_errors=True)
                        apply(storm.base, [storm.patch], out)
                    except ResourceError as problem:
                        counts["with bytes needed"] += "bytes are needed" in problem.what
            finally:
                if mounted:
                    subprocess.run(["umount", str(mount)], check=True)
                shutil.rmtree(out, ignore_errors=True)
    output.check_room = check
    return counts


def limited(storm: Storm, out: Path, room: int | None) -> None:
    if room is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room // 3, room // 3))
    apply(storm.base, [storm.patch], out)


def crowd(storm: Storm, rounds: int) -> dict:
    counts = {"rounds": 0, "winners": 0, "bad": 0}
    for number in range(rounds):
        for place in PLACES:
            path = storm.work / f"crowd{number}{place}"
            if PLACES[place]:
                shutil.copytree(storm.base, path)
            go = time.monotonic() + 0.2
            children = [os.fork() or attempt(storm, path, place, go) for _ in range(CROWD)]
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            counts["rounds"] += 1
            counts["winners"] += codes.count(0)
            counts["bad"] += codes.count(0) != 1 or digests(path) != storm.new[place] or not set(codes) <= {0, 2, 5, 6}
            counts["bad"] += path.with_name(f"{path.name}.partial").exists()
            shutil.rmtree(path)
    return counts


def attempt(storm: Storm, path: Path, place: str, go: float) -> int:
    code = 99
    try:
        while time.monotonic() < go:
            pass
        if PLACES[place]:
            apply(path, [storm.patch], **PLACES[place])
        else:
            apply(storm.base, [storm.patch], path)
        code = 0
    except SutureError as problem:
        code = problem.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, help="kills and stops of each kind")
    parser.add_argument("--mb", type=float, default=4, help="size of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="kills, stops and one crowd only")
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=given.folder) as work:
        storm = Storm(Path(work), given.mb)
        note(f"an apply takes {storm.seconds:.3f} s")
        results = {}
        for name, run in {
            "killed, new folder": lambda: killed_new(storm, given.rounds, given.seed),
            "killed, in place": lambda: killed_in_place(storm, given.rounds, given.seed + 1, "in place"),
            "killed, in place, quick": lambda: killed_in_place(storm, given.rounds, given.seed + 2, "in place, quick"),
            "stopped, new folder": lambda: stopped(storm, given.rounds, given.seed + 3, "new folder"),
            "stopped, in place": lambda: stopped(storm, given.rounds, given.seed + 4, "in place"),
            "stopped, in place, quick": lambda: stopped(storm, given.rounds, given.seed + 5, "in place, quick"),
            "pressed, new folder": lambda: pressed(storm, given.rounds, "new folder"),
            "pressed, in place": lambda: pressed(storm, given.rounds, "in place"),
            "pressed, in place, quick": lambda: pressed(storm, given.rounds, "in place, quick"),
            "failing disk": lambda: failing(storm),
            "full disk": lambda: full(storm),
            "crowd of 16": lambda: crowd(storm, max(2, given.rounds // 30)),
        }.items():
            if given.small and name in ("failing disk", "full disk"):
                continue  # tests/checkpoint/test_crashes.py does these
            results[name] = run()
            note(f"{name}: {results[name]}")
    table(
        "What was seen",
        ["campaign", "rounds", "bad"],
        [[n, str(r["rounds"]), str(r["bad"])] for n, r in results.items()],
    )
    bad = sum(r["bad"] + r.get("false ok", 0) for r in results.values())
    finish({"bad": bad, "megabytes": given.mb, "campaigns": results})
    sys.exit(4 if bad else 0)


if __name__ == "__main__":
    main()
