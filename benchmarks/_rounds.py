"""Rounds of the storm below Python: what is drawn, how it is played, and what happens afterwards. See storm_below.py."""

import errno
import os
import random
import shutil
import signal
import time
from pathlib import Path

from _journal import CHANGING, CREATED, Call, read_journal
from _powerloss import Content, Picture, on_disk, put
from _processes import HANGS
from _readers import READERS
from _scenes import COMMANDS, MINE, TAKEN, Bench, Known, plain
from _verdicts import Ended, Fault, Round, core, differences, judge_answer, judge_end

SHARES = {"fail": 0.35, "short": 0.1, "kill": 0.25, "power": 0.3}
CALLS = {  # which kinds of calls an error can come from
    errno.EIO: ("open", "look", "read", "write", "size", "sync", "rename", "link", "unlink", "rmdir", "mkdir", "close"),
    errno.ENOSPC: ("open", "write", "size", "sync", "rename", "link", "mkdir"),
    errno.EDQUOT: ("open", "write", "size", "sync", "rename", "link", "mkdir", "close"),
    errno.EMFILE: ("open", "look"),
    errno.EINTR: ("open", "look", "read", "write", "size", "sync"),
    errno.EROFS: ("open", "write", "size", "rename", "link", "unlink", "rmdir", "mkdir"),
}
FRESH = 10  # every so many rounds the process does not begin as a copy of this one
READERS_AFTER = 800  # bytes of the writer's journal; it then holds its lock


def drawn(bench: Bench, seed: int, number: int, only: str | None) -> Round:
    """Draw a round; the same seed and number give the same."""
    rng = random.Random(f"{seed}/{number}")
    kind = only or rng.choices([*SHARES], [*SHARES.values()])[0]
    command = rng.choices(COMMANDS, [c.weight for c in COMMANDS])[0]
    known = bench.known_of(command)
    fault = draw_fault(rng, kind, known.calls)
    extra: Content = dict(MINE) if rng.random() < 0.5 else {}
    if command.how == "new folder" and rng.random() < 0.125:
        extra |= TAKEN
    readers = (
        rng.sample(READERS[command.how], min(len(READERS[command.how]), rng.randint(1, 3)))
        if rng.random() < 0.5
        else []
    )
    ways = ["repeat", "repeat", "fsck", "rollback"] if command.how == "in place" else ["repeat"]
    after = rng.choice([*ways, "fsck"] if command.how == "new folder" else ways)
    return Round(number, command, fault, extra, readers, after, number % FRESH == FRESH - 1)


def draw_fault(rng: random.Random, kind: str, calls: list[Call]) -> Fault:
    """Draw what goes wrong: half of the instants lie behind the first change of the weights."""
    begin = first_row(calls) if rng.random() < 0.5 else 0
    ever, code, how = rng.random() < 0.4, 0, kind
    if kind == "fail":
        code = rng.choice([*CALLS])
        kinds, ever = CALLS[code], ever and code != errno.EINTR  # Python asks again, for ever
    elif kind == "short":
        kinds = ("write", "write", "read")
    else:
        kinds, ever, how = ("open", *CHANGING), False, rng.choice(("before", "middle", "after"))
        if kind == "power" and rng.random() < 0.15:
            return Fault(kind, "", (), 0)
    there = [k for k in kinds if any(call.kind == k for call in calls[begin:])]
    if not there:
        begin, there = 0, [k for k in kinds if any(call.kind == k for call in calls)]
    chosen = rng.choice(there)  # a rename is as likely as one of many writes
    index = rng.choice([n for n in range(begin, len(calls)) if calls[n].kind == chosen])
    counted = tuple(dict.fromkeys(kinds)) if ever else (chosen,)
    return Fault(kind, how, counted, sum(call.kind in counted for call in calls[: index + 1]), code, ever)


def first_row(calls: list[Call]) -> int:
    """Return the place of the first write to a file of weights that was opened to be changed; 0 if there is none."""
    files: dict[int, str] = {}
    for number, call in enumerate(calls):
        if call.kind == "open" and call.result >= 0:
            files[call.handle] = "" if call.flags & CREATED else call.first
        if call.kind == "write" and "/model-" in files.get(call.handle, ""):
            return number
    return 0


def play(bench: Bench, found: Round, seed: int) -> Round:
    """Do a round and judge it."""
    known, command = bench.known[found.command.name], found.command
    bench.place(command.start, found.extra)
    before, picture = on_disk(bench.root), Picture(bench.root)
    mine = {name: what for name, what in before.items() if name in found.extra}
    found.ended = beside(bench, found, known)
    calls = read_journal(bench.journal)
    picture.replay(calls)
    if picture.content() != on_disk(bench.root):
        raise SystemExit(f"round {found.number}: calls of suture {command.name} were not seen; the campaign is blind")
    found.hit = next((f"{c.kind} {c.first or c.handle}" for c in calls if c.spoiled), "")
    if found.fault.kind == "power":
        put(bench.root, picture.after_loss(random.Random(f"{seed}/{found.number}/loss")))
    found.spoiled = on_disk(bench.root)
    state = plain(found.spoiled, found.extra)
    found.begun = state not in (known.old, known.new)
    judge_end(found, known, state)
    for name in found.readers:
        judge_answer(found, known, name, bench.read(name, command), rest=state)
    repair(bench, found, known, state)
    left = on_disk(bench.root)
    for name, what in mine.items():
        if left.get(name, b"") != what:
            found.complain("the user's", f"{name} is {'changed' if name in left else 'gone'}")
    return found


def beside(bench: Bench, found: Round, known: Known) -> Ended:
    """Run the writer, and readers from the moment that it holds its lock; returns how the writer ended."""
    writer = bench.start(found.command.words, found.fault.environment(), fresh=found.fresh)
    running: dict[int, str] = {}
    until, ended = time.monotonic() + HANGS, None
    while ended is None or running:
        if ended is None and (ended := bench.ended(writer)) is None and time.monotonic() > until:
            os.kill(writer, signal.SIGABRT)
        for child, name in [*running.items()]:
            if (answer := bench.ended(child)) is not None:
                del running[child]
                judge_answer(found, known, name, answer)
        begun = bench.journal.exists() and bench.journal.stat().st_size > READERS_AFTER
        if ended is None and begun and len(running) < len(found.readers):
            name = next(name for name in found.readers if name not in running.values())
            running[bench.reader(name, found.command, found.readers.index(name))] = name
        time.sleep(0.0005)
    return ended


def repair(bench: Bench, found: Round, known: Known, state: Content) -> None:
    """Run fsck, if drawn, and repeat the command, without faults; all must be well then."""
    command, taken, now = found.command, any(name in found.extra for name in TAKEN), state
    if found.after != "repeat" and ((bench.root / command.target).exists() or (bench.root / "out.partial").exists()):
        back = ("--rollback",) if found.after == "rollback" else ()
        ended = bench.run(("fsck", command.target, *back))
        now = plain(on_disk(bench.root), found.extra)
        if now not in (known.old, known.new):
            found.complain("neither old nor new after fsck", differences(now, known.new))
        elif ended.code and not taken:
            found.complain("fsck", f"exit {ended.code}: {ended.err[-300:]}")
        elif back and "ckpt/suture.intent" in state and now != known.old:
            found.complain("not rolled back", differences(now, known.old))
    if not (command.by_number and now == known.new):  # all is done and said: the same words name another patch now
        repeat(bench, found, known, taken)
    if command.how != "file" and not found.bad and (bench.root / command.target).exists():
        ended = bench.run(("verify", command.target))
        if ended.code:
            found.complain("verify", f"exit {ended.code}: {ended.err[-300:]}")


def repeat(bench: Bench, found: Round, known: Known, taken: bool) -> None:
    """Run the command again: the new state is there then, and no more; where a user's folder is in the way nothing may be."""
    command = found.command
    ended, last = bench.run(command.words), plain(on_disk(bench.root), found.extra)
    if "bug in suture" in ended.err or "Traceback" in ended.err:
        found.complain("repeated: a bug", ended.err[-300:])
    if taken and last == known.old and ended.code == 2:
        return
    if command.how == "new folder" and last != known.new and core(last) == core(known.new):
        bench.run(("fsck", command.target))  # OUT is there, so that the command looks no further
        last = plain(on_disk(bench.root), found.extra)
    if command.how in ("file", "export"):
        litter = [name for name in last if name not in known.new and "partial" in name]
        found.litter = bool(litter)
        last = {name: what for name, what in last.items() if name not in litter}
    if last != known.new:
        why = f"exit {ended.code}: {differences(last, known.new)}"
        found.complain("repeated: not what the first would have given", why)


def record(found: Round, seed: int, seconds: float) -> dict:
    return {
        "seed": seed, "round": found.number, "kind": found.fault.kind, "fault": str(found.fault), "command": found.command.name,
        "how": found.command.how, "hit": found.hit, "code": found.ended.code, "begun": found.begun, "readers": found.readers,
        "answers": found.answers, "after": found.after, "litter": found.litter, "bad": found.bad, "seconds": round(seconds, 2),
    }  # fmt: skip


def keep(bench: Bench, folder: Path, spoiled: Content) -> Path:
    """Keep what a bad round left: after the fault, and at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bench.root, folder / "at the end", symlinks=True)
    (folder / "after the fault").mkdir()
    put(folder / "after the fault", spoiled)
    return folder
