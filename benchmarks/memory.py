"""Facts beside the weights and edits in batches, on the bundled model, decided by free generation. make bench-memory

    context      a memory of texts that is put before prompts that ask for one of its facts
    grace        states that ask are recognised and replaced, all facts in one codebook
    hybrid       facts of a codebook written into the weights by ROME; what took leaves the codebook
    sequential   ROME in batches, each on the model with those before it, all edits asked again after each

success: in the words given; unseen_phrasings: in all other phrasings; locality: other subjects of the relation, edited ones
left out; other: other relations of the subject. Settings (reach, radius, block, token) were chosen on the tune split, the facts
here are others.
"""

import argparse
import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from _common import finish, note, table

from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.memory import Memory, chosen_reach, consolidate
from suture.memory.hybrid import serving
from suture.methods.grace import grace
from suture.methods.rome import rome
from suture.model.lm import LM
from suture.organisms.knowledge import rewrites
from suture.organisms.suites import keep
from suture.organisms.suites import suite as whole
from suture.runs.run import Run
from suture.sequential.sequence import SequentialEditor, edit_in_batches, start_sequence

COLUMNS = ("success", "unseen_phrasings", "locality", "other", "perplexity")


def row(lm: LM, items, texts, using=None) -> dict[str, float]:
    """Measure some rewrites while something is in effect."""
    edited = {item.fact.subject for item in items}
    measures = fact_suite([i.fact for i in items], [pair for i in items for pair in i.others], texts)
    near = next(m for m in measures if m.name == "locality").cases
    kept = [(p, a) for p, a in zip(near.prompts, near.answers) if not any(subject in p for subject in edited)]
    near.prompts[:], near.answers[:] = [p for p, _ in kept], [a for _, a in kept]
    with using or nullcontext():
        found = values(observe(lm, measures), measures)
    return {name: found[name] for name in COLUMNS}


def beside(lm: LM, items, texts, result: dict) -> None:
    """Facts served beside the weights: by texts put before prompts, and by a codebook."""
    facts, tuning = [item.fact for item in items], rewrites(40, tuning=True)
    reach = chosen_reach(lm, [i.fact for i in tuning], [p for i in tuning for p, _ in i.others])
    memory = Memory.of(lm, facts, reach=reach)
    asked = [(p, i) for i, fact in enumerate(facts) for p in fact.paraphrases]
    called = memory.called(lm, [p for p, _ in asked])
    others = memory.called(lm, [p for i in items for p, _ in i.others])
    result["reach"] = reach.plain()
    result["scope"] = {
        "recall": sum(own[-1:] == [i] for own, (_, i) in zip(called, asked)) / len(asked),
        "false_alarms": sum(map(bool, others)) / len(others),
    }
    note(f"reach {result['reach']}, scope {result['scope']}")
    books = {
        name: grace(lm, facts, radius=0.6, split=split) for name, split in (("grace", False), ("grace, split", True))
    }
    ways = {"base": None, "context": memory.attached(lm), **{name: book.attached(lm) for name, book in books.items()}}
    for name, using in ways.items():
        result[name] = row(lm, items, texts, using)
        note(f"{name} {result[name]}")


def hybrid(lm: LM, items, texts, result: dict, write) -> None:
    """Facts of a codebook written into the weights."""
    made = consolidate(lm, grace(lm, [item.fact for item in items], radius=0.6), write)
    result["hybrid"] = {
        **row(lm, items, texts, serving(lm, made.patch, made.memory)),
        "facts": len(items), "moved": len(made.moved), "kept": len(made.kept), "served": sum(made.served),
    }  # fmt: skip
    note(f"hybrid {result['hybrid']}")


def sequential(lm: LM, items, texts, result: dict, settings: dict, size: int) -> None:
    """ROME in batches."""
    with tempfile.TemporaryDirectory() as folder, Run.begin("bench", ["bench"], {}, Path(folder)) as run:
        surgeon = SequentialEditor(lm, rome, settings, texts)
        course = start_sequence(surgeon, "patient", "rome", {}, run)
        told = [item.fact for item in items]
        course = edit_in_batches(
            surgeon, course, told, run, size=size, progress=lambda *step: note(f"sequential {step}")
        )
    kept = max((len(check.right) for check in course.checks if not check.complaints), default=0)
    result["sequential"] = {
        **(row(lm, items[:kept], texts, course.patch.used(lm)) if course.patch else {}),
        "holds": [sum(check.right.values()) / len(check.right) for check in course.checks],
        "perplexities": [check.health.perplexity for check in course.checks],
        "moved": [check.health.farthest for check in course.checks],
        "stopped": list(course.stopped),
    }  # fmt: skip
    note(f"sequential {result['sequential']}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="*", default=["beside", "hybrid", "sequential"])
    parser.add_argument("--facts", type=int, default=24)
    parser.add_argument("--hybrid", type=int, default=6)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--size", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path("runs/statistics"))
    args = parser.parse_args()
    lm, items = LM.load("patient"), rewrites(max(args.facts, args.batches * args.size))
    texts = list(next(m for m in whole("report", 24) if m.name == "perplexity").cases)
    settings = {"layer": 1, "token": -2, "keep": keep(), "statistics": args.cache}
    result = {"facts": args.facts}
    if "beside" in args.parts:
        beside(lm, items[: args.facts], texts, result)
    if "hybrid" in args.parts:
        hybrid(lm, items[: args.hybrid], texts, result, partial(rome, lm, **settings))
    if "sequential" in args.parts:
        sequential(lm, items[: args.batches * args.size], texts, result, settings, args.size)
    rows = [
        [name, *(f"{found[c]:.1%}" if c != "perplexity" else f"{found[c]:.3f}" for c in COLUMNS)]
        for name, found in result.items()
        if isinstance(found, dict) and "success" in found
    ]
    table(f"{args.facts} facts (hybrid {args.hybrid}, sequential {args.batches} x {args.size})", ["", *COLUMNS], rows)
    finish(result)


if __name__ == "__main__":
    main()
