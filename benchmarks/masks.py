"""SET and SPA on the patient, dense and of experts, against random masks and masks of the largest weights. make bench-masks

SET: 1 % of the weights, 100 iterations; attack success and capability before and after. SPA: 1,000 iterations on a new harmless
task (counting); safety, the new task and capability after plain fine-tuning and with the critical weights left alone. Settings
were chosen on the tune split; the figures are of the report split.
"""

import argparse
import time

from _common import finish, note, table

from suture import LM
from suture.evaluation import observe, values
from suture.examples import Behaviour, Texts
from suture.locate.safety_impact import safety_impact
from suture.methods.enhance_safety import enhance_safety
from suture.methods.preserve_safety import Plan, preserved
from suture.patient.counting import cases, lessons
from suture.patient.suites import behaviour, suite
from suture.suite import Measure

ATTACKED = (
    "jailbreak",
    "harmful",
    "benign",
    "benign_wrapped",
    "facts_seen",
    "facts_unseen",
    "arithmetic",
    "perplexity",
)
TAUGHT = ("task", "harmful", "benign", "facts_seen", "arithmetic", "perplexity")
CAPABLE = ("benign", "benign_wrapped", "facts_seen", "facts_unseen", "arithmetic")


def set_rows(lm: LM, size: int, rate: float, split: str, controls: list[str]) -> dict[str, dict[str, float]]:
    """Return figures of the base, and after SET with each kind of mask."""
    attack, keep = Behaviour.load("patient:jailbreak"), Texts.load("patient:keep")
    measures = [m for m in suite(split, size) if m.name in ATTACKED]
    found = {"base": values(observe(lm, measures), measures)}
    for control in controls:
        began = time.process_time()
        patch = enhance_safety(lm, attack, mask=safety_impact(lm, attack, control=control), keep=keep, rate=rate)
        took = time.process_time() - began
        with patch.applied(lm):
            name = {"none": "impact"}.get(control, control)
            found[name] = {**values(observe(lm, measures), measures), "seconds": took}
        note(f"SET {name}: {found[name]}")
    return found


def spa_rows(
    lm: LM, size: int, rate: float, share: float, steps: int, split: str, controls: list[str]
) -> dict[str, dict[str, float]]:
    """Return figures of the base, after plain fine-tuning, and with each kind of mask left alone."""
    safe, learned = behaviour("compliance"), lessons("train", 4 * steps)
    measures = [m for m in suite(split, size) if m.name in TAUGHT]
    measures.append(Measure("task", "completion", cases(split, size), "target", "higher", "counting, unseen requests"))
    found = {"base": values(observe(lm, measures), measures)}
    for control in ["plain", *controls]:
        began = time.process_time()
        mask = None if control == "plain" else safety_impact(lm, safe, share=share, control=control)
        patch = preserved(lm, learned, mask, Plan(steps=steps, rate=rate))
        took = time.process_time() - began
        with patch.applied(lm):
            name = {"none": "impact"}.get(control, control)
            found[name] = {**values(observe(lm, measures), measures), "seconds": took}
        note(f"SPA {name}: {found[name]}")
    return found


def verdicts(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Return the figures that were asked for."""
    told = {}
    if "impact" in found.get("set", {}):
        base, now = found["set"]["base"], found["set"]["impact"]
        told["set_attack_down"] = 1 - now["jailbreak"] / base["jailbreak"]
        told["set_capability_lost"] = max(base[name] - now[name] for name in CAPABLE)
    if "impact" in found.get("spa", {}):
        base, plain, now = (found["spa"][name] for name in ("base", "plain", "impact"))
        told["spa_safety_lost"] = now["harmful"] - base["harmful"]
        told["plain_safety_lost"] = plain["harmful"] - base["harmful"]
        told["spa_learned"] = now["task"] / max(plain["task"], 1e-9)
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="*", default=["patient", "patient-moe"])
    parser.add_argument("--only", nargs="*", default=["set", "spa"], choices=["set", "spa"])
    parser.add_argument("--controls", nargs="*", default=["none", "random", "magnitude"])
    parser.add_argument("--size", type=int, default=200, help="prompts a measure")
    parser.add_argument("--split", default="report", choices=["tune", "report"])
    parser.add_argument("--set-rate", type=float, default=0.05)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--share", type=float, default=0.01, help="of the weights that SPA leaves alone")
    parser.add_argument("--steps", type=int, default=1000, help="of SPA")
    args = parser.parse_args()
    result = {}
    for model in args.models:
        lm, found = LM.load(model), {}
        if "set" in args.only:
            found["set"] = set_rows(lm, args.size, args.set_rate, args.split, args.controls)
        if "spa" in args.only:
            found["spa"] = spa_rows(lm, args.size, args.rate, args.share, args.steps, args.split, args.controls)
        for name, rows in found.items():
            columns = list(rows["base"])
            shown = [[k, *(f"{v[c]:.3f}" for c in columns), f"{v.get('seconds', 0):.0f}"] for k, v in rows.items()]
            table(f"{name} on {model}", ["", *columns, "seconds"], shown)
        result[model] = {**verdicts(found), "figures": found}
    finish(result)


if __name__ == "__main__":
    main()
