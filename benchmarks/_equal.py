"""Effect at equal damage: tools that steer, each at the strength at which perplexity has risen by the same share.

Run by benchmarks/steering.py with an interpreter that has the other tools, or by hand; the last line is JSON. Model, pairs,
prompts, random streams and judges are the same for all. Each tool gets the way of reading and the blocks (of
BLOCKS) that served it best on the tune split.
"""

import argparse
import json
import time
from dataclasses import replace

from _common import note
from _tools import OTHERS, OURS, Tool

from suture.measure.evaluation import observe, values
from suture.model.lm import LM
from suture.organisms.suites import behaviour, suite

WORK = {  # name -> behaviour, wanted label, target, whether it is to rise
    "kind": ("tone", 0, "rude", False),
    "positive": ("attitude", 0, "positive", True),
    "negative": ("attitude", 1, "positive", False),
}
BLOCKS = ([1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5], [5, 6, 7])  # the first is what the others take unless told
LEVELS = (0.01, 0.02, 0.04)  # rise of perplexity
CHOOSE_AT = 0.02
CLOSE = 0.05  # of a level: near enough
TRIES = 14
FACTS = 200


def strength_at(level: float, damage) -> float:
    """The strength at which `damage`, which grows about as its square, reaches a level."""
    low, high, strength = 0.0, None, 0.02
    for _ in range(TRIES):
        found = damage(strength)
        if abs(found / level - 1) < CLOSE:
            return strength
        low, high = (strength, high) if found < level else (low, strength)
        guess = strength * min(3.0, (level / found) ** 0.5 if found > 0 else 3.0)
        inside = high is None or low < guess < high
        strength = guess if inside else (low + high) / 2
    return strength


def measured(lm: LM, tool: Tool, learnt, blocks: list[int], level: float, named: dict, told: list[str]) -> dict:
    """Figures at the strength that costs a level of perplexity."""
    texts = [named["perplexity"]]
    base = values(observe(lm, texts), texts)["perplexity"]

    def damage(strength: float) -> float:
        with tool.used(lm, learnt, blocks, strength):
            return values(observe(lm, texts), texts)["perplexity"] / base - 1

    strength = strength_at(level, damage)
    suite_ = [named[name] for name in told]
    with tool.used(lm, learnt, blocks, strength):
        seen = observe(lm, suite_)
    return {"strength": strength, "perplexity": damage(strength), **values(seen, suite_, named["seen"])}


def pairs_of(name: str, wanted: int) -> list[tuple[str, str]]:
    texts = behaviour(name).examples
    good, bad = ([e.text for e in texts if e.label == label] for label in (wanted, 1 - wanted))
    return list(zip(good, bad, strict=True))


def split(lm: LM, which: str, size: int, names: list[str]) -> dict:
    """The measures of a split by name, and what the base does on them."""
    named = {m.name: m for m in suite(which, size)}
    named["facts_seen"] = next(m for m in suite(which, FACTS) if m.name == "facts_seen")
    found = {m: named[m] for m in names}
    return {**found, "perplexity": named["perplexity"], "seen": observe(lm, list(found.values()))}


def compared(lm: LM, work: str, tools: list[Tool], size: int, tune: int) -> dict:
    name, wanted, target, rises = WORK[work]
    pairs, sign = pairs_of(name, wanted), 1 if rises else -1
    told = [target, "drift", "facts_seen"]
    seen = {"tune": split(lm, "tune", tune, [target]), "report": split(lm, "report", size, told)}
    before = {which: values(own["seen"], [own[target]])[target] for which, own in seen.items()}
    before_facts = values(seen["report"]["seen"], [seen["report"]["facts_seen"]])["facts_seen"]
    found: dict = {"base": before["report"], "facts": before_facts, "tools": {}}
    for tool in tools:
        learnt, took = {}, {}
        for way, learn in tool.ways.items():
            begin = time.perf_counter()
            learnt[way] = learn(lm, pairs)
            took[way] = time.perf_counter() - begin
        tried = {
            (way, tuple(blocks)): measured(lm, tool, made, blocks, CHOOSE_AT, seen["tune"], [target])[target]
            for way, made in learnt.items()
            for blocks in BLOCKS
        }
        way, blocks = max(tried, key=lambda each: sign * tried[each])
        curve = [measured(lm, tool, learnt[way], list(blocks), level, seen["report"], told) for level in LEVELS]
        for level, point in zip(LEVELS, curve, strict=True):
            point |= {"level": level, "moved": sign * (point[target] - before["report"])}
        found["tools"][tool.name] = {
            "seconds": next(iter(took.values())),
            "way": way,
            "blocks": blocks,
            "tune": {f"{each[0]} {list(each[1])}": value for each, value in tried.items()},
            "curve": curve,
        }
        moved = ", ".join(f"{p['moved']:+.1%}" for p in curve)
        lost = ", ".join(f"{p['facts_seen'] - before_facts:+.1%}" for p in curve)
        note(f"{work}, {tool.name}, {way}, blocks {blocks}: {moved} at perplexity +{LEVELS}; facts {lost}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--tune", type=int, default=30)
    parser.add_argument("--tools", nargs="+", default=["suture", "steering-vectors", "repeng"])
    parser.add_argument("--ways", nargs="+", help="only these of the tools' ways to make a direction")
    parser.add_argument("--work", nargs="+", default=list(WORK))
    args = parser.parse_args()
    lm = LM.load("patient")
    OURS.ways["means"](lm, pairs_of("tone", 0)[:5])  # the first run of a process pays for others
    tools = [tool for tool in (OURS, *OTHERS) if tool.name in args.tools]
    if args.ways:
        tools = [replace(tool, ways={n: w for n, w in tool.ways.items() if n in args.ways}) for tool in tools]
    print(json.dumps({work: compared(lm, work, tools, args.size, args.tune) for work in args.work}))


if __name__ == "__main__":
    main()
