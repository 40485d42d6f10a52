"""SET and SPA on the patient, dense and of experts, against random masks and masks of the largest weights. make bench-masks

SET: 1 % of the weights, 100 iterations; attack success and capability before and after, for each of several random masks. SPA:
1,000 iterations on a new harmless task (`patient/plans.py`); safety, the new task and capability after plain fine-tuning and with
the critical weights left alone, which are found from plain and wrapped harmful requests.
Settings were chosen on the tune split; figures are of the report split, differences with 95 % intervals over the same prompts.
"""

import argparse
import time

from _common import finish, note, table

from suture import LM
from suture.data.examples import Behaviour, Texts
from suture.locate.safety_impact import safety_impact
from suture.measure.evaluation import observe, values
from suture.measure.suite import Measure, Suite
from suture.methods.enhance_safety import enhance_safety
from suture.methods.preserve_safety import Plan, preserved
from suture.metrics._score import Observation, paired
from suture.organisms.plans import cases, lessons
from suture.organisms.suites import behaviour, suite
from suture.patch.patch import Patch

CAPABLE = ("benign", "facts_seen", "facts_unseen", "arithmetic")
ATTACKED = ("jailbreak", "harmful", "benign_wrapped", "perplexity", *CAPABLE)
TAUGHT = ("task", "harmful", "jailbreak", "benign", "facts_seen", "arithmetic", "perplexity")
NAMES = {"none": "impact"}  # of the masks' controls
RATES = {"patient-moe": 0.004}  # of SPA, where plain fine-tuning at RATE loses far more than it takes to tell
RATE, SHARE = 0.007, 0.5
Seen = dict[str, Observation]


class Rows:
    """What was observed of each row, and its seconds of processor time."""

    def __init__(self, lm: LM, measures: Suite) -> None:
        self.lm, self.measures = lm, measures
        self.seen: dict[str, Seen] = {"base": observe(lm, measures)}
        self.seconds = {"base": 0.0}

    def add(self, name: str, patch: Patch, began: float) -> None:
        self.seconds[name] = time.process_time() - began
        with patch.applied(self.lm):
            self.seen[name] = observe(self.lm, self.measures)
        note(f"{name}: {values(self.seen[name], self.measures)}")

    def figures(self) -> dict[str, dict[str, float]]:
        return {k: {**values(seen, self.measures), "seconds": self.seconds[k]} for k, seen in self.seen.items()}

    def less(self, measure: str, one: str, other: str) -> list[float]:
        """Return how much less one row has of a measure than another, with a 95 % interval over prompts."""
        score = paired(self.seen[one][measure], self.seen[other][measure])
        return [score.change, score.low, score.high]


def drawn(controls: list[str], seeds: int) -> list[tuple[str, int]]:
    """Return each control with its seeds: random masks are drawn several times."""
    return [(control, seed) for control in controls for seed in range(seeds if control == "random" else 1)]


def named(control: str, seed: int) -> str:
    return NAMES.get(control, control) + (f" {seed}" if seed else "")


def set_rows(lm: LM, size: int, rate: float, split: str, controls: list[str], seeds: int) -> tuple[Rows, dict]:
    """Return the base and SET with each kind of mask, and what was asked for."""
    attack, keep = Behaviour.load("patient:jailbreak"), Texts.load("patient:keep")
    rows = Rows(lm, [m for m in suite(split, size) if m.name in ATTACKED])
    for control, seed in drawn(controls, seeds):
        began = time.process_time()
        mask = safety_impact(lm, attack, control=control, seed=seed)
        rows.add(named(control, seed), enhance_safety(lm, attack, mask=mask, keep=keep, rate=rate), began)
    told, figures = {}, rows.figures()
    if "impact" in figures:
        base, now = figures["base"], figures["impact"]
        told["set_attack_down"] = 1 - now["jailbreak"] / base["jailbreak"]
        told["set_capability_lost"] = max(base[name] - now[name] for name in CAPABLE)
        told["set_wrapped_lost"] = base["benign_wrapped"] - now["benign_wrapped"]
        others = [name for name in figures if name not in ("base", "impact")]
        told["set_better_than"] = {name: rows.less("jailbreak", "impact", name) for name in others}
    return rows, told


def spa_rows(
    lm: LM, size: int, plan: Plan, share: float, split: str, controls: list[str], seed: int = 0
) -> tuple[Rows, dict]:
    """Return the base, plain fine-tuning, and fine-tuning with each kind of mask left alone, and what was asked for."""
    asked = behaviour("compliance", 300), behaviour("jailbreak", 300)
    safe, learned = Behaviour("harmful", (*asked[0].examples, *asked[1].examples)), lessons("train")
    measures = [m for m in suite(split, size, seed) if m.name in TAUGHT]
    measures.append(
        Measure("task", "completion", cases(split, size, seed), "target", "higher", "plans, unseen requests")
    )
    rows = Rows(lm, measures)
    for control in ["plain", *controls]:
        began = time.process_time()
        mask = None if control == "plain" else safety_impact(lm, safe, share=share, control=control)
        rows.add(NAMES.get(control, control), preserved(lm, learned, mask, plan), began)
    told, figures = {}, rows.figures()
    if "impact" in figures:
        told["spa_safety_lost"] = rows.less("harmful", "base", "impact")
        told["plain_safety_lost"] = rows.less("harmful", "base", "plain")
        told["spa_more_jailbreaks"] = rows.less("jailbreak", "base", "impact")
        told["plain_more_jailbreaks"] = rows.less("jailbreak", "base", "plain")
        told["spa_learned"] = figures["impact"]["task"] / max(figures["plain"]["task"], 1e-9)
    return rows, told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="*", default=["patient", "patient-moe"])
    parser.add_argument("--only", nargs="*", default=["set", "spa"], choices=["set", "spa"])
    parser.add_argument("--set-controls", nargs="*", default=["none", "random", "magnitude"])
    parser.add_argument("--seeds", type=int, default=3, help="random masks of SET")
    parser.add_argument("--controls", nargs="*", default=["none", "random"], help="of SPA")
    parser.add_argument("--size", type=int, default=60, help="prompts a measure")
    parser.add_argument("--split", default="report", choices=["tune", "report"])
    parser.add_argument("--prompts", type=int, default=0, help="seed of the prompts of SPA")
    parser.add_argument("--set-rate", type=float, default=0.01)
    parser.add_argument("--rate", type=float, help=f"of SPA (default {RATE}, and {RATES})")
    parser.add_argument("--rank", type=int, default=0, help="of SPA with LoRA")
    parser.add_argument("--share", type=float, default=SHARE, help="of the weights that SPA leaves alone")
    parser.add_argument("--steps", type=int, default=1000, help="of SPA")
    args = parser.parse_args()
    result = {}
    for model in args.models:
        lm, found = LM.load(model), {}
        if "set" in args.only:
            found["set"] = set_rows(lm, args.size, args.set_rate, args.split, args.set_controls, args.seeds)
        if "spa" in args.only:
            plan = Plan(steps=args.steps, rate=args.rate or RATES.get(model, RATE), rank=args.rank)
            found["spa"] = spa_rows(lm, args.size, plan, args.share, args.split, args.controls, args.prompts)
        result[model] = {"figures": {name: rows.figures() for name, (rows, _) in found.items()}}
        for name, (_, told) in found.items():
            figures = result[model]["figures"][name]
            columns = list(figures["base"])
            table(
                f"{name} on {model}",
                ["", *columns],
                [[k, *(f"{v[c]:.3f}" for c in columns)] for k, v in figures.items()],
            )
            result[model] |= told
    finish(result)


if __name__ == "__main__":
    main()
