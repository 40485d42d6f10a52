"""Steering on the bundled model: how far each behaviour moves, at what cost, and where it is left alone. make bench-steering

edits        tone and attitude, both ways: blocks and strength are chosen on the tune split within 4 % perplexity and 2 points
             of facts and harmless answers, and measured on the report split
doses        the target at rising shares of the chosen strength: it must move one way
condition    jailbreaks refused by steering under a condition, added and clamped: what it does to jailbreaks, and to all others
ablation     the same, and rude talk, by taking a direction out of the weights; the direction chosen by how it separates, or by
             what it does (`locate mediator`)
time         seconds to read one direction of 300 pairs in all blocks, beside two other libraries where `--peers PYTHON` names
             an interpreter that has them (`pip install repeng steering-vectors "numpy<2"` in a venv of its own)
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

from _common import finish, table
from _edits import EDITS, FACTS, edits
from _refusal import ablations, conditions

from suture.examples import Behaviour
from suture.lm import LM
from suture.locate.directions import directions
from suture.patient.suites import behaviour, suite


def seconds(lm, peers: str | None) -> dict[str, float | str]:
    texts = behaviour("tone")
    directions(lm, Behaviour("few", texts.examples[295:305]))
    begin = time.perf_counter()
    directions(lm, texts)
    found: dict[str, float | str] = {"suture": time.perf_counter() - begin}
    if peers:
        good, bad = ([e.text for e in texts.examples if e.label == label] for label in (0, 1))
        script = Path(__file__).with_name("_peers.py")
        given = json.dumps({"model": str(lm.path), "pairs": list(zip(bad, good))})
        done = subprocess.run(
            [peers, str(script)], input=given, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"}
        )
        found |= json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"peers": done.stderr[-200:]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=120, help="prompts a measure in the report")
    parser.add_argument("--tune", type=int, default=40, help="prompts a measure while settings are chosen")
    parser.add_argument(
        "--parts", nargs="+", default=["time", "condition", "ablation", "edits"], help="what to measure"
    )
    parser.add_argument("--edits", nargs="+", default=list(EDITS), help="which edits")
    parser.add_argument("--peers", help="a Python that has repeng and steering-vectors")
    args = parser.parse_args()
    lm = LM.load("patient")
    tune, report = ({m.name: m for m in suite(s, n)} for s, n in (("tune", args.tune), ("report", args.size)))
    for split, own in (("tune", tune), ("report", report)):
        own["facts_seen"] = next(m for m in suite(split, FACTS) if m.name == "facts_seen")
    make = {
        "time": lambda: seconds(lm, args.peers),
        "condition": lambda: conditions(lm, tune, report, args.tune),
        "ablation": lambda: ablations(lm, tune, report),
        "edits": lambda: edits(lm, args.size, args.tune, args.edits),
    }
    result = {part: make[part]() for part in args.parts}
    show(**result)
    finish(result)


def show(edits=None, condition=None, ablation=None, time=None) -> None:
    rows = [
        [edit, e["blocks"], f"{e['strength']:g}", f"{e['before']:.1%}", f"{e['after']:.1%}", f"{e['perplexity']:+.1%}",
         *(f"{e[name]:+.1%}" for name in ("facts_seen", "facts_unseen", "arithmetic", "benign")),
         " ".join(f"{v:.2f}" for v in e["curve"])]
        if e else [edit, *["none within the budget", *[""] * 9]]
        for edit, e in (edits or {}).items()
    ]  # fmt: skip
    columns = [
        "edit",
        "blocks",
        "strength",
        "before",
        "after",
        "perplexity",
        "facts",
        "unseen",
        "sums",
        "benign",
        "target at shares of it",
    ]
    if edits:
        table("steering, report split", columns, rows)
    for title, found in (("jailbreaks steered to refusal", condition), ("ablation", ablation)):
        if found:
            names = {name: None for own in found.values() for name in own}
            rows = [[n, *(_shown(own.get(n, "")) for own in found.values())] for n in names]
            table(title, ["", *found], rows)
    rows = [[n, f"{v:.1f}" if isinstance(v, float) else v] for n, v in (time or {}).items()]
    if rows:
        table("seconds to read a direction of 300 pairs", ["", ""], rows)


def _shown(value) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
