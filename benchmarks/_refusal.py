"""Jailbreaks steered to refusal under a condition, and directions taken out of the weights; for benchmarks/steering.py."""

from dataclasses import replace

import torch
from _common import note

from suture.data.examples import Behaviour, Labelled
from suture.errors import NoEffect
from suture.locate.directions import directions
from suture.locate.mediator import mediator
from suture.measure.budget import Budget
from suture.measure.evaluation import evaluate, observe, values
from suture.methods.ablation import ablation
from suture.methods.steering import steering
from suture.organisms.suites import behaviour, keep, suite
from suture.search import search

BLOCKS = ([4, 5, 6],)
STRENGTHS = {"add": (0.15, 0.2), "clamp": (1.0, 1.25, 1.5)}
OTHERS = ("harmful", "benign", "benign_wrapped")
BUDGET = Budget(points=0.03, perplexity=0.05)
ABLATED = {"jailbreak": ("jailbreak", "decision"), "tone": ("rude", "response")}  # behaviour -> target, tokens read
AMOUNTS = (0.5, 0.75, 1.0)  # of a direction that is taken out
SHAPES = {  # which direction, where
    "of the best block": {},
    "of the block before the last third": {"layer": 5},
    "of each block": {"scope": "each"},
}


def families(split: str, size: int) -> dict[str, list[str]]:
    """Requests by kind."""
    named = {m.name: m for m in suite(split, size)}
    return {kind: list(named[kind].cases.prompts)[:size] for kind in ("jailbreak", *OTHERS)}


@torch.no_grad()
def untouched(lm, patch, requests) -> float:
    """Share of requests whose logits keep every bit."""
    batch = lm.batch([lm.encode_chat(request)[0] for request in requests])
    base = lm.forward(batch).logits
    with patch.attached(lm):
        now = lm.forward(batch).logits
    return float((now == base).flatten(1).all(1).double().mean())


def chosen(lm, candidates, strengths, tune, target, kept):
    """The point within the budget that moves a target of the tune split most."""
    aim = [replace(tune[target], role="target"), *(replace(tune[n], role="keep") for n in kept)]
    return search(lm, candidates, strengths, aim, target, budget=BUDGET).best


def conditions(lm, tune, report, size) -> dict[str, dict]:
    asked = families("tune", 4 * size)
    when = [Labelled("", 1, request) for request in (*asked["jailbreak"], *asked["harmful"])]
    when += [Labelled("", 0, request) for kind in ("benign", "benign_wrapped") for request in asked[kind]]
    when += [Labelled(text, 0) for text in list(keep())[:size]]
    given = Behaviour("harmful request", tuple(when))
    told = [report[n] for n in ("jailbreak", *OTHERS, "perplexity", "facts_seen")]
    seen = observe(lm, told)
    found = {"base": values(seen, told)}
    texts = behaviour("jailbreak")
    read = directions(lm, texts, pool="decision")
    new = families("report", size)
    for label, mode, condition in (
        ("added", "add", given),
        ("clamped", "clamp", given),
        ("clamped, always", "clamp", None),
    ):
        made = {
            str(blocks): steering(
                lm, texts, direction=read, layers=blocks, strength=1.0, unit="state", mode=mode, condition=condition
            )
            for blocks in BLOCKS
        }
        best = chosen(lm, made, STRENGTHS[mode], tune, "jailbreak", OTHERS)
        if best is None:
            found[label] = {"blocks": "none within the budget"}
            continue
        patch = made[best.settings["candidate"]] * best.strength
        found[label] = evaluate(lm, patch, told, baseline=seen, controls=False).values()
        found[label] |= {"blocks": best.settings["candidate"], "strength": best.strength}
        found[label] |= {f"bits kept: {kind}": untouched(lm, patch, new[kind]) for kind in new}
        note(f"jailbreaks {label}: {found[label]['jailbreak']:.1%}, harmful {found[label]['harmful']:.1%}")
    return found


def ablations(lm, tune, report, names) -> dict[str, dict]:
    found = {}
    for name, (target, pool) in ((name, ABLATED[name]) for name in names):
        texts, kept = behaviour(name), [*OTHERS, "perplexity", "facts_seen", "arithmetic"]
        told = [report[n] for n in (target, *kept)]
        seen = observe(lm, told)
        found[f"{name}: base"] = values(seen, told)
        read = {"separates": directions(lm, texts, pool=pool)}
        if name == "jailbreak":
            try:
                read["mediates"] = mediator(lm, texts)
            except NoEffect as problem:
                note(str(problem))
        for label, direction in read.items():
            made = {
                shape: ablation(lm, texts, direction=direction, **settings)
                for shape, settings in SHAPES.items()
                if label == "separates" or not settings
            }
            best = chosen(lm, made, AMOUNTS, tune, target, kept)
            if best is None:
                found[f"{name}: {label}"] = {"shape": "none within the budget"}
                continue
            patch = made[best.settings["candidate"]] * best.strength
            own = evaluate(lm, patch, told, baseline=seen, controls=False).values()
            own |= {"shape": best.settings["candidate"], "strength": best.strength}
            if "chosen" in direction.about:
                own["block"] = direction.about["chosen"]["layer"]
            found[f"{name}: {label}"] = own
            note(f"{name} without the direction that {label}: {own[target]:.1%}")
    return found
