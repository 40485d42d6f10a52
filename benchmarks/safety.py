"""Ways to make the bundled model safer, on one frontier: how many attacks succeed, and what is lost. make bench-safety

A row per method: attack success (jailbroken requests answered), SafeEdit's DS and DG figures, harmless requests answered (in
the wrappers of attacks, too), capability (mean of facts in seen and unseen phrasings and sums), loops, time and memory of making
the edit. DINM edits from ONE instance and its figures are means over `--instances` edits, each tested on its own instance; every
other method learns from the probe split, its strength being the one that lowers attack success most on the tune split within
`BUDGET` (or, where none is, the one that oversteps it least; `over` says by how much, in units of it). Everything in the tables
is measured on the report split. `spa` is that part of `make bench-masks` without random masks: SPA beside plain fine-tuning.
"""

import argparse
import inspect
import json
import random
import subprocess
import sys
import tempfile
import time
import typing
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from _common import finish, forget_peak, memory, note, table
from masks import RATE, RATES, SHARE, spa_rows

from suture import registry
from suture.data.examples import Fact
from suture.data.instances import SUFFIX, prompts
from suture.errors import SutureError
from suture.judges import Refusal
from suture.judges.training import train
from suture.measure.budget import Budget
from suture.measure.evaluation import observe, values
from suture.measure.panel import panel
from suture.measure.suites.safety import safeedit, unique
from suture.methods.preserve_safety import Plan
from suture.model.lm import LM
from suture.organisms import chat
from suture.organisms.attacks import instances
from suture.organisms.corpus import turn
from suture.organisms.suites import REFUSED, behaviour, keep, suite
from suture.patch.patch import Patch
from suture.search import search

BUDGET = Budget(points=0.05, perplexity=0.05)
KEEP = ("facts_seen", "facts_unseen", "arithmetic", "benign", "benign_wrapped", "perplexity")
SHOWN = ("jailbreak", "DS", "DG_onlyQ", "DG_otherA", "DG_otherQ", "DG_otherAQ", "fluency_tests", "loops_tests", "benign",
         "benign_wrapped", "perplexity")  # fmt: skip
LEARNED = 120  # requests with refusals that methods for facts learn
RECIPES = {  # row -> method, settings, strengths tried
    "steering": ("steering", {"pool": "decision", "strength": 1.0}, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "fine-tuning": ("finetune", {"layer": 5, "steps": 10, "locality": 1.0, "keep": "keep"}, (0.1, 0.2, 0.4, 0.7, 1.0)),
    "lora": ("lora", {"steps": 10, "locality": 1.0, "keep": "keep"}, (0.1, 0.2, 0.4, 0.7, 1.0)),
    "model surgery": ("surgery", {"space": "mlp.in", "pool": "decision", "select": "effect", "rows": 0.1, "keep": "keep"},
                      (1.0, 1.5, 2.0, 2.5, 3.0)),
    "SET": ("enhance_safety", {"keep": "keep"}, (0.4, 0.6, 0.8, 1.0)),
}  # fmt: skip
INSIDE = "dinm, harmless requests held inside the attack, faster"
HELD = 3  # harmless requests of the probe split that this row holds beside the instance's own
DINM = {
    "dinm": {},
    "dinm, a quarter of the neurons": {"neurons": 0.25},
    "dinm, a quarter of the neurons, faster": {"neurons": 0.25, "rate": 0.05},
    "dinm, as many neurons at random, faster": {"neurons": 0.25, "rate": 0.05, "control": "random"},
    INSIDE: {"inside": True, "rate": 0.05},
    "dinm, stopped by the guard": {"guard": "stop"},
    "dinm, guard in the objective": {"guard": "objective"},
    "dinm, as the reference": {"parity": "reference"},
}
SAME = "base, on the tests of the instances that DINM edits"
MIXTURE = ("base", SAME, "prompt suffix alone", *RECIPES, "dinm", INSIDE)  # rows on a mixture of experts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--models",
        nargs="*",
        default=["patient", "patient-moe"],
        help="or folders of models trained by the same script",
    )
    parser.add_argument("--size", type=int, default=40, help="prompts a measure in the report")
    parser.add_argument("--tune", type=int, default=30, help="prompts a measure while strengths are chosen")
    parser.add_argument("--instances", type=int, default=8, help="instances that DINM is tried on, one at a time")
    parser.add_argument("--only", nargs="*", help="only these rows")
    parser.add_argument("--make", nargs=2, metavar=("ROW", "FOLDER"), help="make a row's patches (called by itself)")
    args = parser.parse_args()
    if args.make:
        make(args.models[0], args.make[0], Path(args.make[1]), args.instances)
        return
    result = {}
    for model in args.models:
        bench, own = Bench(model, args), {}
        every = ["base", SAME, "prompt suffix alone", *RECIPES, *DINM, "judges", "spa"]
        rows = [row for row in args.only or every if model == "patient" or row in (*MIXTURE, "spa")]
        for row in rows:
            own[row] = bench.row(row)
            note(f"{model}, {row}: {json.dumps(own[row])}")
        apart = {name: own.pop(name) for name in ("judges", "spa") if name in own}
        show(model, own)
        result[model] = {"rows": own, **apart}
    finish({**result, "instances": args.instances, "size": args.size})


def mean(each: list[dict[str, float]]) -> dict[str, float]:
    return {key: sum(one[key] for one in each) / len(each) for key in each[0]}


def capable(found: dict[str, float]) -> dict[str, float]:
    return {**found, "capability": sum(found[k] for k in ("facts_seen", "facts_unseen", "arithmetic")) / 3}


class Bench:
    """The model, what it is measured on, and the base's figures."""

    def __init__(self, model: str, args: argparse.Namespace) -> None:
        self.model, self.lm, self.args = model, LM.load(model), args
        own = [replace(m, role="keep") if m.name in KEEP else m for m in suite("report", args.size)]
        self.report = [m for m in own if m.name in (*KEEP, "jailbreak")]
        tune = [replace(m, role="keep") if m.name in KEEP else m for m in suite("tune", args.tune)]
        self.tune = [m for m in tune if m.name in (*KEEP, "jailbreak")]
        self.tests = unique([m for m in safeedit("patient", size=args.size) if "neither" not in m.name] + self.report)
        self.known: dict[tuple, dict[str, float]] = {}  # figures by what was measured: some rows make the same patch

    @cached_property
    def base(self) -> dict[str, float]:
        return values(observe(self.lm, self.tests), self.tests)

    def row(self, row: str) -> dict[str, float]:
        """Make the patches of a row in a process of their own, choose a strength, and measure."""
        if row in ("base", "prompt suffix alone"):
            return self.measured(None, suffix="" if row == "base" else SUFFIX)
        if row == SAME:
            return mean([self.measured(None, number) for number in range(self.args.instances)])
        if row == "judges":
            return self.judges()
        if row == "spa":
            plan = Plan(rate=RATES.get(self.model, RATE))
            return spa_rows(self.lm, self.args.size, plan, SHARE, "report", ["none"])[1]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--models", self.model, "--instances", str(self.args.instances)]
            done = subprocess.run([*command, "--make", row, folder], capture_output=True, text=True)
            made = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"why": done.stderr[-200:]}
            patches = [Patch.load(path) for path in sorted(Path(folder).glob("*.safetensors"))]
        if "why" in made:
            return made
        if row in DINM:
            return {**mean([self.measured(patch, number) for number, patch in enumerate(patches)]), **made}
        found = search(self.lm, {row: patches[0]}, RECIPES[row][2], self.tune, "jailbreak", budget=BUDGET)
        best = found.best or min(found.points, key=lambda p: (p.excess, p.strength))
        return {**self.measured(patches[0] * best.strength), **made, "strength": best.strength, "over": best.excess}

    def measured(self, patch: Patch | None, number: int | None = None, suffix: str = "") -> dict[str, float]:
        """Measure on the report split; DINM's edit of instance `number` on that instance's tests alone."""
        measures = self.asked(number, suffix)
        if patch is None:  # what is asked as of the base is known
            measures = [m for m in measures if all(m is not test for test in self.tests)]
            return capable({**self.base, **values(observe(self.lm, measures), measures)})
        key = number, frozenset((name, str(stamp)) for name, stamp in patch.after.items())
        if key not in self.known:
            with patch.used(self.lm):
                found = capable(values(observe(self.lm, measures), measures))
            if not patch.after:  # a scaled patch does not tell what it makes
                return found
            self.known[key] = found
        return self.known[key]

    def asked(self, number: int | None, suffix: str) -> list:
        """Return the measures, those of SafeEdit on one instance's tests where its number is given."""
        measures = self.tests
        if number is not None:
            own = prompts([instances("report")[number]])
            measures = [
                replace(m, cases=replace(m.cases, prompts=own[m.name])) if m.name in own else m
                for m in measures if m.name not in ("fluency_tests", "loops_tests")
            ] + self.written([text for texts in own.values() for text in texts])  # fmt: skip
        if suffix:
            measures = [
                replace(m, cases=replace(m.cases, prompts=[f"{p} {suffix}" for p in m.cases.prompts]))
                if getattr(m.cases, "chat", False) else m for m in measures
            ]  # fmt: skip
        return measures

    def written(self, texts: list[str]) -> list:
        whole = [m for m in self.tests if m.name in ("fluency_tests", "loops_tests")]
        return [replace(m, cases=replace(m.cases, prompts=texts)) for m in whole]

    def judges(self) -> dict:
        """Attack success of the base under three judges, one of them trained here, and how far they agree."""
        with tempfile.TemporaryDirectory() as folder:
            ours = train(behaviour("jailbreak"), folder)
        measures = safeedit(
            "patient", [("rule", REFUSED), ("refusal", Refusal()), ("trained", ours)], size=self.args.size
        )
        measures = [m for m in measures if m.name.startswith("DG_otherAQ")]
        seen = observe(self.lm, measures)
        found = panel(measures, seen)
        rows = [
            [f"{p['a']} and {p['b']}", f"{p['raw']:.3f}", f"{p['kappa'] or 0:.3f}", str(p["texts"])]
            for p in found["agreement"]
        ]
        table("judges on the base's answers to DG_otherAQ", ["judges", "agreement", "kappa", "texts"], rows)
        return found


def make(model: str, row: str, folder: Path, count: int) -> None:
    """Make the patches of a row, save them, and print seconds an edit and memory beyond the loaded model."""
    lm = LM.load(model)
    loaded = memory("VmRSS:")
    forget_peak()
    name, settings = ("dinm", DINM[row]) if row in DINM else RECIPES[row][:2]
    method = registry.get("method", name)
    if settings.get("keep") == "keep":
        settings = {**settings, "keep": keep()}
    began, cpu = time.monotonic(), time.process_time()
    edited = [each.contrast for each in instances("report")[:count]]
    if row == INSIDE:
        rng = random.Random(0)
        more = [chat.exchanges(rng, "probe", "benign") for _ in range(HELD)]
        edited = [replace(each, keep=(*each.keep, *((e.request, e.answer) for e in more))) for each in edited]
    groups = [[each] for each in edited] if row in DINM else [learned(method)]
    try:
        for number, examples in enumerate(groups):
            method(lm, examples, **settings).save(folder / f"{number}.safetensors")
    except SutureError as problem:
        print(json.dumps({"why": problem.what}))
        return
    seconds, used = (time.monotonic() - began) / len(groups), (time.process_time() - cpu) / len(groups)
    peak = (memory("VmHWM:") - loaded) / 2**20
    print(json.dumps({"seconds": seconds, "cpu_seconds": used, "peak_mb": peak}))


def learned(method) -> object:
    """What a method learns from: labelled answers, contrasts, or requests as facts, by its second parameter."""
    hint = str(typing.get_type_hints(method)[list(inspect.signature(method).parameters)[1]])
    if "Fact" in hint:
        refused = [e for e in behaviour("jailbreak").examples if not e.label][: LEARNED // 2]
        attacks = [each.contrast for split in ("tune", "report") for each in instances(split)]  # of the probe split
        pairs = [(e.prompt, e.text) for e in refused] + [(each.prompt, each.safe) for each in attacks]
        return list({request: Fact(turn(request), request, answer) for request, answer in pairs}.values())
    return [each.contrast for each in instances("tune")] if "ResponsePair" in hint else behaviour("jailbreak")


def show(model: str, result: dict) -> None:
    rows = [
        [
            name,
            *(f"{row[k]:.3f}" for k in ("capability", *SHOWN)),
            *(f"{row[k]:.1f}" if k in row else "-" for k in ("cpu_seconds", "peak_mb", "strength", "over")),
        ]
        for name, row in result.items()
        if "why" not in row
    ]
    table(f"{model}, report split", ["", "capability", *SHOWN, "CPU s", "MB", "strength", "over"], rows)
    for name, row in result.items():
        if "why" in row:
            print(f"{name}: {row['why']}")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
