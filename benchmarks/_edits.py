"""Tone and attitude steered both ways: settings found on the tune split, measured once on the report split."""

from dataclasses import replace
from itertools import pairwise

from _common import note

from suture.locate.directions import directions
from suture.measure.budget import Budget
from suture.measure.evaluation import evaluate, observe, values
from suture.methods.steering import steering
from suture.organisms.suites import behaviour, suite
from suture.search import confirm_choice, search, strength_sweep

EDITS = {  # name -> behaviour, direction, target, whether the target is to rise
    "kind": ("tone", "wanted", "rude", False),
    "rude": ("tone", "unwanted", "rude_floor", True),  # where the talk so far was kind
    "positive": ("attitude", "wanted", "positive", True),
    "negative": ("attitude", "unwanted", "positive", False),
}
BLOCKS = ([2, 3, 4, 5], [5, 6, 7], [6, 7], [7])
TOTALS = (0.3, 0.36, 0.42, 0.48, 0.56)  # over the blocks steered, in mean states
PERPLEXITY = 0.04  # that it may rise, relative, while settings are chosen
ENOUGH = 0.4  # moved on the tune split: of the points that move it so far the gentlest is taken
FACTS = 200  # asked whatever the size of the other measures: two points of fewer are no figure
SEARCHED = ("perplexity", "facts_seen")
KEEP = (*SEARCHED, "facts_unseen", "arithmetic", "benign")  # on fresh prompts, before a choice is believed
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SAMPLING = 0.03  # two samples of a prompt differ: a curve that turns back by less is taken to be level


def measures(split: str, size: int, edit: str, keep: tuple[str, ...] = KEEP, seed: int = 0) -> list:
    """The target of an edit, in the direction it is to move, and what is to keep."""
    _, _, target, rises = EDITS[edit]
    named = {m.name: m for m in suite(split, size, seed)}
    asked = {m.name: m for m in suite(split, FACTS, seed) if m.name in ("facts_seen", "facts_unseen", "arithmetic")}
    aim = replace(named[target], role="target", better="higher" if rises else "lower")
    return [aim, *(replace((named | asked)[name], role="keep") for name in keep)]


def chosen(lm, edit: str, direction, tune: int, budget: Budget):
    """The patch that a search and fresh prompts agree on, and its settings; None when nothing keeps the budget."""
    name, toward, *_ = EDITS[edit]
    made = {
        str(blocks): steering(lm, behaviour(name), direction=direction, layers=blocks, strength=1.0, toward=toward)
        for blocks in BLOCKS
    }
    seen = measures("tune", tune, edit, SEARCHED)
    base = values(observe(lm, seen[:1]), seen[:1])[seen[0].name]
    stop = base + (ENOUGH if EDITS[edit][3] else -ENOUGH)
    found = search(lm, made, TOTALS, seen, seen[0].name, budget=budget, stop_at=stop)
    fresh = measures("tune", 2 * tune, edit, seed=1)[1:]
    best = confirm_choice(lm, found, lambda settings: made[settings["candidate"]], fresh, budget).best
    return (made[best.settings["candidate"]] * best.strength, best) if best else None


def edits(lm, size: int, tune: int, names, points: float) -> dict[str, dict]:
    """Each edit on the report split; `points` is what shares to keep may lose while it is chosen."""
    budget = Budget(points=points, perplexity=PERPLEXITY)
    found: dict[str, dict] = {}
    read = {name: directions(lm, behaviour(name)) for name in {EDITS[edit][0] for edit in names}}
    for edit in names:
        taken = chosen(lm, edit, read[EDITS[edit][0]], tune, budget)
        if taken is None:
            found[edit] = {}
            note(f"{edit}: none within the budget")
            continue
        patch, best = taken
        told = measures("report", size, edit)
        target = told[0].name
        seen = observe(lm, told)
        base = values(seen, told)
        now = evaluate(lm, patch, told, baseline=seen, controls=False).values()
        curve = [p[target] for p in strength_sweep(lm, patch, SHARES, told[:1])]
        sign = 1 if EDITS[edit][3] else -1
        found[edit] = {
            "blocks": best.settings["candidate"],
            "strength": best.strength,
            "target": target,
            "before": base[target],
            "after": now[target],
            "moved": sign * (now[target] - base[target]),
            "perplexity": now["perplexity"] / base["perplexity"] - 1,
            **{name: now[name] - base[name] for name in KEEP if name != "perplexity"},
            "curve": curve,
            "monotone": all(sign * (b - a) > -SAMPLING for a, b in pairwise(curve)),
        }
        own = found[edit]
        note(f"{edit}: {own['blocks']}, {own['strength']:g}: {own['moved']:+.1%}, facts {own['facts_seen']:+.1%}")
    return found
