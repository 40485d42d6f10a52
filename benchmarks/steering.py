"""Steering on the bundled model: how far each behaviour moves, at what cost, and where it is left alone. make bench-steering

edits        tone and attitude, both ways: blocks and strength are searched on the tune split within 4 % perplexity and 2
             points of facts (`--points`), confirmed on fresh prompts of it (also sums and harmless answers), and measured
             once on the report split, with the target at rising shares of the strength: it must move one way
condition    jailbreaks refused by steering under a condition, added and clamped: what it does to jailbreaks, and to all others
ablation     the same, and rude talk, by taking a direction out of the weights; the direction chosen by how it separates, or
             by what it does (`locate mediator`)
equal        what each tool moves at the same rise of perplexity, and its seconds to read a direction of 300 pairs: ours, and
             two other libraries where `--peers PYTHON` names an interpreter that has them and this package (in a venv of its
             own: `pip install repeng steering-vectors "numpy<2" && pip install --no-deps -e .`)
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from _common import finish, table
from _edits import EDITS, FACTS, edits
from _refusal import ABLATED, ablations, conditions

from suture.model.lm import LM
from suture.organisms.suites import suite


def equal(peers: str | None, size: int, tune: int) -> dict:
    """Run _equal.py with an interpreter that has the other tools, or with this one on ours alone."""
    tools = [] if peers else ["--tools", "suture"]
    script = Path(__file__).with_name("_equal.py")
    command = [peers or sys.executable, str(script), "--size", str(size), "--tune", str(tune), *tools]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=120, help="prompts a measure in the report")
    parser.add_argument("--tune", type=int, default=40, help="prompts a measure while settings are chosen")
    parser.add_argument(
        "--parts", nargs="+", default=["edits", "condition", "ablation", "equal"], help="what to measure"
    )
    parser.add_argument("--edits", nargs="+", default=list(EDITS), help="which edits")
    parser.add_argument(
        "--points", type=float, default=0.02, help="that shares to keep may lose while edits are chosen"
    )
    parser.add_argument("--ablated", nargs="+", default=list(ABLATED), help="which behaviours are taken out")
    parser.add_argument("--peers", help="a Python that has repeng and steering-vectors")
    args = parser.parse_args()
    lm = LM.load("patient")
    tune, report = ({m.name: m for m in suite(s, n)} for s, n in (("tune", args.tune), ("report", args.size)))
    for split, own in (("tune", tune), ("report", report)):
        own |= {m.name: m for m in suite(split, FACTS) if m.name in ("facts_seen", "arithmetic")}
    make = {
        "condition": lambda: conditions(lm, tune, report, args.tune),
        "ablation": lambda: ablations(lm, tune, report, args.ablated),
        "equal": lambda: equal(args.peers, args.size, args.tune),
        "edits": lambda: edits(lm, args.size, args.tune, args.edits, args.points),
    }
    result = {part: make[part]() for part in args.parts}
    show(**result)
    finish(result)


def show(edits=None, condition=None, ablation=None, equal=None) -> None:
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
    for work, own in (equal or {}).items():
        table(f"{work}: moved at equal perplexity (base {own['base']:.1%})", *_equals(own["tools"]))


def _equals(tools: dict) -> tuple[list[str], list[list[str]]]:
    first = next(iter(tools.values()))
    levels = [f"moved at +{point['level']:.0%} (facts, KL)" for point in first["curve"]]
    rows = [
        [
            f"{name}, {found['way']}, blocks {found['blocks']}",
            *(f"{p['moved']:+.1%} ({p['facts_seen']:.1%}, {p['drift']:.3f})" for p in found["curve"]),
            f"{found['seconds']:.1f}",
        ]
        for name, found in tools.items()
    ]
    return ["", *levels, "seconds to read"], rows


def _shown(value) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
