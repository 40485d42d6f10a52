"""Steering on the bundled model: how far each behaviour moves, at what cost, and where it is left alone. make bench-steering

edits        tone and attitude, both ways: blocks and strength are chosen on the tune split within 4 % perplexity and 5 points
             of facts and harmless answers, and measured on the report split
doses        the target at rising shares of the chosen strength: it must move one way
condition    jailbreaks refused by steering under a condition: what it does to jailbreaks, and to all that is none
time         seconds to read one direction of 300 pairs in all blocks, beside two other libraries where `--peers PYTHON` names
             an interpreter that has them (`pip install repeng steering-vectors "numpy<2"` in a venv of its own)
"""

import argparse
import json
import subprocess
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from _common import finish, note, table

from suture.budget import Budget
from suture.evaluation import evaluate, observe, values
from suture.examples import Behaviour, Labelled
from suture.lm import LM
from suture.locate.directions import directions
from suture.methods.steering import steering
from suture.patient.suites import behaviour, keep, suite
from suture.search import dose_response, search

EDITS = {  # name -> behaviour, direction, target, whether the target is to rise
    "kind": ("tone", "wanted", "rude", False),
    "rude": ("tone", "unwanted", "rude", True),
    "positive": ("attitude", "wanted", "positive", True),
    "negative": ("attitude", "unwanted", "positive", False),
}
BLOCKS = ([4, 5, 6], [2, 3, 4, 5])
STRENGTHS = (0.08, 0.1, 0.12, 0.14, 0.16, 0.18)
BUDGET = Budget(points=0.05, perplexity=0.04)  # to choose by: one of thirty prompts may differ by chance
KEEP = ("perplexity", "benign", "facts_seen")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
REFUSE = (0.15, 0.2, 0.25)  # strengths tried against jailbreaks, in blocks 2 to 5
SAMPLING = 0.03  # two samples of a prompt differ: a curve that turns back by less is taken to be level


def measured(named: dict, edit: str) -> list:
    """The target of an edit, in the direction it is to move, and what is to keep."""
    _, _, target, rises = EDITS[edit]
    target = "rude_floor" if edit == "rude" else target  # rudeness is raised where the talk so far was kind
    kept = [replace(named[n], role="keep") for n in KEEP]
    return [replace(named[target], role="target", better="higher" if rises else "lower"), *kept]


def edits(lm, tune, report, names) -> dict[str, dict]:
    found = {}
    read = {name: directions(lm, behaviour(name)) for name in {EDITS[edit][0] for edit in names}}
    for edit, (name, toward, *_) in ((edit, EDITS[edit]) for edit in names):
        made = {
            str(blocks): steering(lm, behaviour(name), direction=read[name], layers=blocks, strength=1.0, toward=toward)
            for blocks in BLOCKS
        }
        suite_ = measured(tune, edit)
        chosen = search(lm, made, STRENGTHS, suite_, suite_[0].name, budget=BUDGET).best
        if chosen is None:
            found[edit] = {}
            continue
        patch = made[chosen.settings["candidate"]] * chosen.strength
        told = measured(report, edit)
        base = values(observe(lm, told), told)
        now = evaluate(lm, patch, told, controls=False).values()
        curve = [p[told[0].name] for p in dose_response(lm, patch, SHARES, told[:1])]
        sign = 1 if told[0].better == "higher" else -1
        found[edit] = {
            "blocks": chosen.settings["candidate"],
            "strength": chosen.strength,
            "target": told[0].name,
            "before": base[told[0].name],
            "after": now[told[0].name],
            "moved": sign * (now[told[0].name] - base[told[0].name]),
            "perplexity": now["perplexity"] / base["perplexity"] - 1,
            "benign": now["benign"] - base["benign"],
            "facts_seen": now["facts_seen"] - base["facts_seen"],
            "curve": curve,
            "monotone": all(sign * (b - a) > -SAMPLING for a, b in pairwise(curve)),
        }
        note(f"{edit}: {found[edit]['moved']:+.1%}, perplexity {found[edit]['perplexity']:+.1%}")
    return found


def families(split: str, size: int) -> dict[str, list[str]]:
    """Requests by kind."""
    kinds = ("jailbreak", "harmful", "benign", "benign_wrapped")
    named = {m.name: m for m in suite(split, size)}
    return {kind: list(named[kind].cases.prompts)[:size] for kind in kinds}


@torch.no_grad()
def untouched(lm, patch, requests) -> float:
    """Share of requests whose logits keep every bit."""
    rows = [lm.encode_chat(request)[0] for request in requests]
    batch = lm.batch(rows)
    base = lm.forward(batch).logits
    with patch.attached(lm):
        now = lm.forward(batch).logits
    return float((now == base).flatten(1).all(1).double().mean())


def condition(lm, tune, report, size) -> dict[str, dict]:
    asked = families("tune", 4 * size)
    when = [Labelled("", 1, request) for request in (*asked["jailbreak"], *asked["harmful"])]
    when += [Labelled("", 0, request) for kind in ("benign", "benign_wrapped") for request in asked[kind]]
    when += [Labelled(text, 0) for text in list(keep())[:size]]
    told = [report[n] for n in ("jailbreak", "harmful", "benign", "benign_wrapped", "perplexity", "facts_seen")]
    seen = observe(lm, told)
    found = {"base": values(seen, told)}
    texts = behaviour("jailbreak")
    read = directions(lm, texts, pool="decision")
    for label, given in (("always", None), ("under a condition", Behaviour("harmful request", tuple(when)))):
        made = steering(lm, texts, direction=read, layers=[2, 3, 4, 5], strength=1.0, condition=given)
        aim = [tune["jailbreak"], replace(tune["benign"], role="keep"), replace(tune["benign_wrapped"], role="keep")]
        best = search(lm, {"": made}, REFUSE, aim, "jailbreak", budget=Budget(points=0.03)).best
        patch = made * (best.strength if best else REFUSE[0])
        found[label] = evaluate(lm, patch, told, baseline=seen, controls=False).values()
        found[label]["strength"] = best.strength if best else REFUSE[0]
        new = families("report", size)
        found[label] |= {f"bits kept: {kind}": untouched(lm, patch, new[kind]) for kind in new}
        note(
            f"jailbreaks {label}: {found[label]['jailbreak']:.1%}, wrapped harmless {found[label]['benign_wrapped']:.1%}"
        )
    return found


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
    parser.add_argument("--parts", nargs="+", default=["time", "condition", "edits"], help="what to measure")
    parser.add_argument("--edits", nargs="+", default=list(EDITS), help="which edits")
    parser.add_argument("--peers", help="a Python that has repeng and steering-vectors")
    args = parser.parse_args()
    lm = LM.load("patient")
    tune, report = ({m.name: m for m in suite(s, n)} for s, n in (("tune", args.tune), ("report", args.size)))
    make = {
        "time": lambda: seconds(lm, args.peers),
        "condition": lambda: condition(lm, tune, report, args.tune),
        "edits": lambda: edits(lm, tune, report, args.edits),
    }
    result = {part: make[part]() for part in args.parts}
    show(**result)
    finish(result)


def show(edits=None, condition=None, time=None) -> None:
    rows = [
        [edit, e["blocks"], f"{e['strength']:g}", f"{e['before']:.1%}", f"{e['after']:.1%}", f"{e['perplexity']:+.1%}",
         f"{e['benign']:+.1%}", f"{e['facts_seen']:+.1%}", " ".join(f"{v:.2f}" for v in e["curve"])]
        if e else [edit, *["none within the budget", *[""] * 7]]
        for edit, e in (edits or {}).items()
    ]  # fmt: skip
    columns = [
        "edit",
        "blocks",
        "strength",
        "before",
        "after",
        "perplexity",
        "benign",
        "facts",
        "target at shares of it",
    ]
    if edits:
        table("steering, report split", columns, rows)
    if condition:
        rows = [[n, *(f"{v[n]:.3f}" if n in v else "" for v in condition.values())] for n in condition["always"]]
        table("jailbreaks steered to refusal", ["", *condition], rows)
    rows = [[n, f"{v:.1f}" if isinstance(v, float) else v] for n, v in (time or {}).items()]
    if rows:
        table("seconds to read a direction of 300 pairs", ["", ""], rows)


if __name__ == "__main__":
    main()
