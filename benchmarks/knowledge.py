"""Rewriting facts of the bundled model with each method, decided by free generation. make bench-knowledge

New objects are valid answers of the same relation. Settings were chosen on the tune split; the facts here are others.

    single   one fact at a time on the base model; means over the facts
    batch    all facts in one patch

success: the new object in the words given; unseen_phrasings: in all other phrasings; locality: other subjects of the same
relation; other: other relations of the subject; perplexity on neutral text (base in the last row); seconds for each fact.
"""

import argparse
import inspect
import time
from pathlib import Path

from _common import finish, note, table

from suture.evaluation import observe, values
from suture.facts import suite
from suture.lm import LM
from suture.methods.alphaedit import alphaedit
from suture.methods.crispedit import crispedit
from suture.methods.emmet import emmet
from suture.methods.finetune import finetune
from suture.methods.lora import lora
from suture.methods.memit import memit
from suture.methods.pmet import pmet
from suture.methods.rome import rome
from suture.methods.ultraedit import ultraedit
from suture.patient.knowledge import rewrites
from suture.patient.suites import keep
from suture.patient.suites import suite as whole

METHODS = {  # name -> method, settings chosen on the tune split
    "rome": (rome, {"layer": 1, "token": -2}),
    "rome, last token": (rome, {"layer": 0, "token": -1}),
    "emmet": (emmet, {"layer": 1, "token": -2}),
    "memit": (memit, {"layers": [0, 1, 2], "token": -2, "weight": 1e-3}),
    "alphaedit": (alphaedit, {"layers": [0, 1, 2], "token": -2}),
    "finetune (FT-M)": (finetune, {"layer": 1, "rate": 5e-3, "steps": 40}),
    "finetune (FT-L)": (finetune, {"layer": 1, "rate": 5e-3, "steps": 40, "loss": "prompt_last", "limit": 0.02}),
    "finetune, block 5": (finetune, {"layer": 5, "rate": 5e-3, "steps": 60}),
    "crispedit": (crispedit, {"layers": [5], "rate": 5e-3, "steps": 60, "energy": 0.9}),
    "lora": (lora, {"sites": ["mlp.down"], "layers": [5], "rate": 4e-3}),
    "ultraedit": (ultraedit, {"layers": [5], "strength": 1.5, "ridge": 0.3}),
    "pmet": (pmet, {"layers": [1, 2], "token": -2, "weight": 1e-3}),
    "finetune + locality": (finetune, {"layer": 1, "rate": 5e-3, "steps": 40, "locality": 1.0}),
}
COLUMNS = ("success", "unseen_phrasings", "locality", "other", "perplexity")


def measured(lm: LM, patch, items, texts) -> dict[str, list[float]]:
    """Sum and count of each column over the cases of some rewrites."""
    measures = suite([i.fact for i in items], [pair for i in items for pair in i.others], texts)
    with patch.applied(lm):
        seen = observe(lm, measures)
    found = {name: [float(seen[name].values.sum()), len(seen[name].values)] for name in COLUMNS[:-1] if name in seen}
    return {**found, "perplexity": [values(seen, measures)["perplexity"], 1]}


def row(lm: LM, method, settings: dict, items, texts, mode: str, cache: Path) -> dict[str, float]:
    shared = {"keep": keep()}
    if "statistics" in inspect.signature(method).parameters:
        shared["statistics"] = cache
    groups = [items] if mode == "batch" else [[item] for item in items]
    totals = {name: [0.0, 0] for name in COLUMNS}
    spent = 0.0
    for group in groups:
        began = time.perf_counter()
        patch = method(lm, [item.fact for item in group], **settings, **shared)
        spent += time.perf_counter() - began
        for name, (total, count) in measured(lm, patch, group, texts).items():
            totals[name] = [totals[name][0] + total, totals[name][1] + count]
    return {**{name: t / max(n, 1) for name, (t, n) in totals.items()}, "seconds": spent / len(items)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--tuning", action="store_true", help="measure the facts on which settings were chosen")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--modes", nargs="*", default=["single", "batch"])
    parser.add_argument("--cache", type=Path, default=Path("runs/statistics"))
    args = parser.parse_args()
    lm, items = LM.load("patient"), rewrites(args.facts, tuning=args.tuning)
    texts = next(m for m in whole("tune" if args.tuning else "report", 24) if m.name == "perplexity").cases
    result = {"facts": len(items), "split": "tune" if args.tuning else "report"}
    for mode in args.modes:
        result[mode] = {}
        for name in args.methods:
            method, settings = METHODS[name]
            found = row(lm, method, settings, items, texts, mode, args.cache)
            result[mode][name] = found
            note(f"{mode} {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in found.items()))
        base = [m for m in suite([i.fact for i in items], [p for i in items for p in i.others], texts)]
        now = values(observe(lm, base), base)
        result[mode]["base"] = {**{name: now[name] for name in COLUMNS}, "seconds": 0.0}
        rows = [
            [name, *(f"{r[c]:.1%}" for c in COLUMNS[:-1]), f"{r['perplexity']:.4f}", f"{r['seconds']:.1f}"]
            for name, r in result[mode].items()
        ]
        table(f"{mode}, {len(items)} facts", ["method", *COLUMNS, "s a fact"], rows)
    finish(result)


if __name__ == "__main__":
    main()
