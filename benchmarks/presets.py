"""What `suture detox | harden | attitude patient` reach without being told a setting. make bench-presets

Each command is run as a user runs it; the figures are those of its report, on prompts that no choice has seen. `removed` is the
share of the excess over the floor that is gone (for attitude: how many points the target moved).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import finish, note, table

KEEP = ("facts_seen", "facts_unseen", "arithmetic", "benign", "benign_wrapped", "perplexity")
RUNS = {  # name -> command, target, floor
    "detox": (["detox"], "rude", "rude_floor"),
    "harden": (["harden"], "jailbreak", None),
    "positive": (["attitude", "--toward", "positive"], "positive", None),
    "negative": (["attitude", "--toward", "negative"], "negative", None),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS))
    args = parser.parse_args()
    suture = Path(sys.executable).with_name("suture")
    result = {}
    for name in args.only:
        (verb, *more), target, floor = RUNS[name]
        with tempfile.TemporaryDirectory() as folder:
            command = [suture, verb, "patient", *more, "--out", f"{folder}/run", "--json"]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            note(f"{name}: exit {done.returncode}\n{done.stderr[-600:]}")
            result[name] = {"exit": done.returncode}
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        base, now = found["base"], found["patched"]
        lost = {k: base[k] - now[k] for k in KEEP if k != "perplexity"}
        lost["perplexity"] = now["perplexity"] / base["perplexity"] - 1
        excess = base[target] - (base[floor] if floor else 0.0)
        moved = (base[target] - now[target]) / excess if name in ("detox", "harden") else now[target] - base[target]
        result[name] = {
            "before": base[target], "after": now[target], "removed": moved, "lost": lost, "seconds": found["seconds"],
            "chosen": found["chosen"], "points": found["points"],
        }  # fmt: skip
        note(f"{name}: {base[target]:.3f} -> {now[target]:.3f} in {found['seconds']:.0f} s")
    rows = [
        [k, f"{v['before']:.3f}", f"{v['after']:.3f}", f"{v['removed']:.0%}"]
        + [f"{100 * v['lost'][n]:+.1f}" for n in KEEP]
        + [f"{v['seconds']:.0f}", ", ".join(f"{a} {b}" for a, b in v["chosen"].items())]
        for k, v in result.items()
        if "after" in v
    ]
    table("lost: points; perplexity: %", ["", "before", "after", "moved", *KEEP, "seconds", "chosen"], rows)
    finish(result)


if __name__ == "__main__":
    main()
