"""Rewriting facts of the bundled model with the methods for facts, decided by free generation. make bench-knowledge

New objects are valid answers of the same relation. Settings were chosen on the tune split; the facts here are others.

    single        one fact at a time on the base model; means over the facts
    batch100      all in one patch
    sequential300 in 30 patches, each made for the model with those before it; measured when all are in place. This is what
                  `suture facts --batch 10` does (with `again`, `--again`), the checks after each batch among the seconds

success: the new object in the words given; unseen_phrasings: in all other phrasings; locality: other subjects of the same
relation; other: other relations of the subject; multi_hop: compositions whose answer the new facts change; consistency: free
texts about the subjects against sentences that say the new object of others (TF-IDF cosine, ROME's RS); perplexity on neutral
text, arithmetic, stories (base in the last row); seconds of the processor for each fact, peak_mb of the process. Texts to keep
name no subject that is rewritten or that locality is measured on. Each row is a process of its own and is kept under --out, so
that an interrupted run goes on where it was.
"""

import argparse
import inspect
import json
import math
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from _common import finish, note, table

from suture import registry
from suture.data.bundled.neutral import neutral
from suture.measure.evaluation import observe, values
from suture.measure.health import Limits
from suture.measure.suite import Measure
from suture.measure.suites.facts import fact_suite
from suture.model.lm import LM
from suture.organisms.knowledge import consequences, rewrites, unrelated_texts
from suture.organisms.suites import suite as whole
from suture.runs.run import Run
from suture.sequential.sequence import SequentialEditor, edit_in_batches, start_sequence

BATCH = 10  # facts of a patch in a sequence
LATE = {"layers": [5, 6, 7], "token": 0}  # of the bundled model; these and all others below chosen on the tune split
EARLY = {"layers": [1, 2, 3], "token": -2, "joint_steps": 10, "kl_joint": 2.0}  # where the subject is read
ALPHAEDIT = {
    **LATE, "energy": 0.3, "weight": 0.3, "preserve_swapped": 0.15, "model_paraphrases": 2, "reword_weight": 0.5,
    "reweight_rounds": 2,
}  # fmt: skip
SEQUENCE = {"weight": 2.0, "preserve_swapped": 0.3, "reweight_rounds": 5, "again": BATCH}
BLOCK5 = {"layer": 5, "rate": 5e-3, "steps": 60}
ROWS = {  # name of a row -> method, settings
    "rome": ("rome", {"layer": 5, "token": 0}),
    "emmet": ("emmet", {"layer": 6, "token": 0, "slack": 0.1}),
    "emmet, again": ("emmet", {"layer": 6, "token": 0, "slack": 0.1, "again": BATCH}),  # of a sequence
    "memit": ("memit", {**LATE, "weight": 0.4}),
    "pmet": ("pmet", {**LATE, "weight": 0.4}),
    "alphaedit": ("alphaedit", ALPHAEDIT),
    "alphaedit, sequence": ("alphaedit", {**ALPHAEDIT, **SEQUENCE}),
    "finetune": ("finetune", BLOCK5),
    "finetune, again": ("finetune", {**BLOCK5, "again": BATCH}),  # of a sequence
    "finetune, last token": ("finetune", {**BLOCK5, "loss": "prompt_last"}),
    "finetune, locality": ("finetune", {**BLOCK5, "locality": 1.0}),
    "lora": ("lora", {"sites": ["mlp.down"], "layers": [5], "rank": 32, "rate": 2e-3, "steps": 140}),
    "crispedit": ("crispedit", {"layers": [5], "rate": 5e-3, "steps": 60, "energy": 0.9}),
    "ultraedit": ("ultraedit", {"layers": [5], "strength": 1.5, "ridge": 0.3}),
    "rome, subject": ("rome", {"layer": 1, "token": -2, "clamp": 4.0}),
    "alphaedit, subject": ("alphaedit", EARLY),
    "emmet, as published": ("emmet", {"layer": 1, "token": -2}),
    "memit, as published": ("memit", {"layers": [1], "token": -2, "weight": 0.01}),
    "pmet, as published": ("pmet", {"layers": [1, 2], "token": -2, "weight": 1e-3}),
    "alphaedit, as published": ("alphaedit", {"layers": [1], "token": -2}),
}
SHARES = ("success", "unseen_phrasings", "locality", "other", "multi_hop", "arithmetic", "stories")
COLUMNS = (*SHARES, "consistency", "perplexity")
MODES = {"single": 20, "batch100": 100, "sequential300": 300}  # facts
NEVER = Limits(math.inf, math.inf, math.inf)  # a sequence is measured when all is in place, whatever that costs
TEXTS = 4  # neutral ones for the health of the model after each batch, by which nothing is decided here


def measures(items, split: str, most: int):
    """What a row is measured on; at most so many prompts a measure."""
    few = [m for m in whole(split, most) if m.name in ("arithmetic", "stories", "perplexity")]
    asked = fact_suite([i.fact for i in items], [pair for i in items for pair in i.others])
    hops = fact_suite([i.fact for i in items], consequences(items))
    hops = [Measure("multi_hop", m.metric, m.cases, m.role, m.better, m.about) for m in hops if m.name == "other"]
    return [thinned(m, most) for m in [*asked, *hops] if m.name in COLUMNS], few


def thinned(measure, most: int):
    """The same measure on evenly spread cases."""
    if not hasattr(measure.cases, "answers"):
        return measure
    step = max(1, -(-len(measure.cases.prompts) // most))
    cases = type(measure.cases)(measure.cases.prompts[::step], measure.cases.answers[::step])
    return Measure(measure.name, measure.metric, cases, measure.role, measure.better, measure.about)


def called(name: str, settings: dict, keep, cache: Path):
    """A method of the registry, and settings with what of the rest it takes."""
    method = registry.get("method", name)
    offered = {"keep": keep, "statistics": cache, **settings}
    taken = inspect.signature(method).parameters
    return method, {key: value for key, value in offered.items() if key in taken}


def sequence(lm: LM, name: str, facts, settings: dict, keep, cache: Path, folder: Path):
    """The sum of patches of BATCH facts, each made on the model with those before it; never stopped."""
    method, given = called(name, settings, keep, cache)
    surgeon = SequentialEditor(lm, method, given, neutral("report")[:TEXTS], NEVER, settings.get("again", 0))
    words = [name, json.dumps(settings, sort_keys=True), str(len(facts)), facts[0].prompt]
    with Run.begin("facts", words, {}, folder) as run:
        course = edit_in_batches(
            surgeon, start_sequence(surgeon, lm.name, name, settings, run), facts, run, size=BATCH, progress=note_batch
        )
    again = sum(len(edit.again) for edit in course.ledger.edits)
    note(f"written again: {again}; curve: {[round(sum(c.right.values()) / len(c.right), 3) for c in course.checks]}")
    return course.patch


def note_batch(what: str, done: int, of: int) -> None:
    note(f"{what}: {done} of {of} facts")


def row(mode: str, name: str, args) -> dict[str, float]:
    method, settings = ROWS.get(name, (name, {}))
    lm, split = LM.load("patient"), "tune" if args.tuning else "report"
    items = rewrites(
        args.facts or MODES[mode], tuning=args.tuning, several=mode.startswith("sequential"), seed=args.seed
    )
    keep, facts = unrelated_texts(items), [item.fact for item in items]
    groups = [[item] for item in items] if mode == "single" else [items]
    totals, spent = {column: [0.0, 0] for column in COLUMNS}, 0.0
    for group in groups:
        own, few = measures(group, split, args.most)
        with ExitStack() as stack:
            began = time.process_time()
            if name == "base":
                pass
            elif mode.startswith("sequential"):
                patch = sequence(lm, method, facts, settings, keep, args.cache, args.folder)
                stack.enter_context(patch.applied(lm))
            else:
                function, given = called(method, settings, keep, args.cache)
                stack.enter_context(function(lm, [item.fact for item in group], **given).applied(lm))
            spent += time.process_time() - began
            seen = observe(lm, own)
            for column, found in seen.items():
                totals[column][0] += float(found.values.sum())
                totals[column][1] += len(found.values)
            if mode != "single" or group is groups[-1]:
                for column, value in values(observe(lm, few), few).items():
                    totals[column] = [value, 1]
    found = {column: total / max(count, 1) for column, (total, count) in totals.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**found, "facts": len(facts), "seconds": spent / len(facts), "peak_mb": peak}


def kept(mode: str, name: str, args) -> dict[str, float]:
    """The row from its file, made in a process of its own where it is not there."""
    drawn = f"-seed{args.seed}" if args.seed else ""
    file = args.out / f"{'tune' if args.tuning else 'report'}-{mode}-{args.facts}-{name.replace(' ', '_')}{drawn}.json"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        given = [f"--{key}={getattr(args, key)}" for key in ("facts", "most", "seed", "cache")]
        tuning = ["--tuning"] * args.tuning
        subprocess.run([sys.executable, __file__, "--one", mode, name, str(file), *given, *tuning], check=True)
    return json.loads(file.read_text())


def shown(row: dict[str, float]) -> list[str]:
    shares = [f"{row[c]:.1%}" for c in SHARES]
    alike = f"{row['consistency']:.3f}" if "consistency" in row else "-"  # a row of an earlier version
    return [*shares, alike, f"{row['perplexity']:.3f}", f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=0, help="instead of the mode's own number")
    parser.add_argument("--tuning", action="store_true", help="measure the facts on which settings were chosen")
    parser.add_argument("--methods", nargs="*", default=list(ROWS), help="rows, or any method of the registry")
    parser.add_argument("--modes", nargs="*", default=list(MODES))
    parser.add_argument("--most", type=int, default=200, help="prompts of a measure")
    parser.add_argument("--seed", type=int, default=0, help="of the facts drawn")
    parser.add_argument("--cache", type=Path, default=Path("runs/statistics"))
    parser.add_argument("--out", type=Path, default=Path("runs/knowledge"), help="where finished rows are kept")
    parser.add_argument("--one", nargs=3, metavar=("MODE", "ROW", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        mode, name, file = args.one
        args.folder = Path(file).with_suffix("")
        Path(file).write_text(json.dumps(row(mode, name, args)))
        return
    result = {"split": "tune" if args.tuning else "report", "seed": args.seed}
    for mode in args.modes:
        result[mode] = {}
        for name in [*args.methods, "base"]:
            result[mode][name] = kept(mode, name, args)
            note(f"{mode} {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in result[mode][name].items()))
        rows = [[name, *shown(each)] for name, each in result[mode].items()]
        table(f"{mode}, {result[mode]['base']['facts']} facts", ["method", *COLUMNS, "s a fact", "peak MB"], rows)
    finish(result)


if __name__ == "__main__":
    main()
