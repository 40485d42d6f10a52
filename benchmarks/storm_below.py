"""Patches on disk while the system below Python fails: errors, short writes, kill -9 inside a call, loss of power.

    python benchmarks/storm_below.py --rounds 300 --seed 0 --journal storm.jsonl

Commands run as processes of their own under a library (faults.c) that sees every call by which they open, read, write,
flush, link, rename or remove something beside the checkpoint. In each round one thing goes wrong:
  fail   a call ends with EIO, ENOSPC, EDQUOT, EMFILE, EINTR or EROFS; once, or it and all of its kind after it
  short  a write (or read) does half of what was asked; once, or ever after
  kill   SIGKILL before, half way in, or behind a call
  power  the same, and then of all that no fsync covered a random part is missing, torn, or older (see _powerloss.py)
In half of the rounds one to three others read meanwhile. Afterwards, without faults, the command is repeated or fsck run.

Bad is: an answer of a reader that is of no state and no refusal; an exit code 0 where the new state is not there, another
code where it is; a traceback; a state that is neither the old nor the new; a repeated command that does more than the first
would have; something of suture's left behind; something of the user's touched.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from _common import finish, note, table
from _preload import preload

if TYPE_CHECKING:
    from _scenes import Bench

KINDS = ("fail", "short", "kill", "power")


def campaign(bench: "Bench", given: argparse.Namespace, done: list[dict]) -> list[dict]:
    """Play the rounds that are not done yet; each is written to the journal as it ends."""
    from _rounds import drawn, keep, play, record

    past = {(each["seed"], each["round"]) for each in done}
    for number in given.only_round or range(given.rounds):
        if (given.seed, number) in past:
            continue
        began = time.monotonic()
        found = play(bench, drawn(bench, given.seed, number, given.only), given.seed)
        done.append(record(found, given.seed, time.monotonic() - began))
        if given.journal:
            with given.journal.open("a") as stream:
                stream.write(json.dumps(done[-1]) + "\n")
        if found.bad:
            kept = keep(bench, given.keep / f"storm-{given.seed}-{number}", found.spoiled)
            only = f" --only {given.only}" if given.only else ""
            note(f"BAD round {number}: suture {found.command.name}; {found.fault}; hit {found.hit}; kept in {kept}")
            note(
                f"    again: python benchmarks/storm_below.py --seed {given.seed} --round {number}{only} --mb {given.mb}"
            )
            for line in found.bad:
                note(f"    {line}")
        elif given.only_round or len(done) % 20 == 0:
            note(
                f"round {number}: suture {found.command.name}; {found.fault}; hit {found.hit}; exit {found.ended.code}"
            )
    return done


def summary(done: list[dict]) -> list[list[str]]:
    """Return rows of kind of fault by way of writing, with counts."""
    rows = []
    for kind in KINDS:
        for how in dict.fromkeys(each["how"] for each in done):
            these = [each for each in done if (each["kind"], each["how"]) == (kind, how)]
            counts = Counter(key for each in these for key in ("hit", "begun", "litter", "bad") if each[key])
            answers = sum(each["answers"] for each in these)
            numbers = (len(these), counts["hit"], counts["begun"], answers, counts["litter"], counts["bad"])
            rows.append([f"{kind}, {how}", *map(str, numbers)])
    return [row for row in rows if row[1] != "0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[*KINDS], help="one kind of fault")
    parser.add_argument("--round", dest="only_round", type=int, nargs="+", help="these rounds alone")
    parser.add_argument("--mb", type=float, default=0.2, help="size of the checkpoint")
    parser.add_argument(
        "--journal", type=Path, help="one line for each round; rounds that stand there are not done again"
    )
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()), help="where folders of bad rounds are kept"
    )
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    given = parser.parse_args()
    library = preload()
    from _processes import warm
    from _scenes import Bench

    warm()
    lines = given.journal.read_text().splitlines() if given.journal and given.journal.exists() else []
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="suture-storm-") as work:
        done = campaign(Bench(Path(work).resolve(), given.mb), given, [json.loads(line) for line in lines])
    shutil.rmtree(library.parent, ignore_errors=True)
    columns = ["fault and command", "rounds", "hit", "left between", "answers", "temporary file left by a kill", "bad"]
    table("What was seen", columns, summary(done))
    bad = [each for each in done if each["bad"]]
    finish(
        {"bad": len(bad), "rounds": len(done), "answers": sum(each["answers"] for each in done), "megabytes": given.mb}
    )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
