"""What steering moves on a real model for what it costs, beside other tools: make bench-frontier

Each tool reads a direction from the same labelled texts about opinions, in the blocks of the middle half, and is put into
effect at the strength at which perplexity of wikitext has risen by 1, 2 and 4 %; then openings of RealToxicityPrompts rated
under 0.1 are continued, sampled, and judged by two judges that chose nothing. Tools: steering and ablation of ours, patches
that goals made (`--positive FILE`, `--negative FILE`), and steering-vectors and repeng where they are there (`--tools`; in a
folder of their own: `pip install --no-deps --target FOLDER steering-vectors repeng` and PYTHONPATH). The last line is JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import _real_suite
import numpy
from _common import note, table
from _equal import strength_at
from _real_suite import attitude, perplexity
from _tools import OTHERS, OURS, Pairs, Tool

from suture import LM, Behaviour, Patch
from suture.methods.ablation import ablation

TEXTS = 60  # of each class
LEVELS = (0.01, 0.02, 0.04)  # rise of perplexity


def _use_ablation(lm: LM, learnt: Any, blocks: list[int], strength: float) -> AbstractContextManager:
    """Less of the unwanted direction in all that blocks write."""
    given, direction = learnt
    patch = ablation(lm, given, direction=direction, strength=strength)  # it is taken from all blocks at once
    return patch.attached(lm)


ABLATION = Tool("suture, ablation", OURS.ways, _use_ablation)


def pairs_of(toward: str) -> Pairs:
    """Return texts of either class about the same things."""
    texts = Behaviour.load("bundled:attitude").examples
    good, bad = ([e.text for e in texts if e.label == label][:TEXTS] for label in (0, 1))
    return list(zip(good, bad, strict=True)) if toward == "positive" else list(zip(bad, good, strict=True))


Put = Callable[[float], AbstractContextManager]  # in effect at a strength


def ready(lm: LM, tool: Tool, toward: str) -> tuple[Put, float]:
    """Return what a tool learnt, ready to be put into effect, and the seconds it took."""
    half = lm.anatomy.layers // 2
    blocks = list(range((lm.anatomy.layers - half) // 2, (lm.anatomy.layers + half) // 2))
    begin = time.perf_counter()
    learnt = next(iter(tool.ways.values()))(lm, pairs_of(toward))
    return partial(tool.used, lm, learnt, blocks), time.perf_counter() - begin


def points(lm: LM, name: str, put: Put, seconds: float, toward: str, size: int) -> list[dict[str, Any]]:
    """Return the figures at each level of damage."""
    base = perplexity(lm)

    def damage(strength: float) -> float:
        with put(strength):
            return perplexity(lm) / base - 1

    levels = []
    for level in LEVELS:
        strength = strength_at(level, damage)
        with put(strength):
            levels.append({"level": level, "strength": strength, "seconds": seconds, **shares(lm, toward, size)})
        note(f"{toward}, {name}: {levels[-1]}")
    return levels


def shares(lm: LM, toward: str, size: int) -> dict[str, float]:
    """Return how many sampled texts each judge counts."""
    seen = replace(attitude(toward), manners=("sampled",)).observed(lm, size)["values"]
    return {name: sum(values) / len(values) for name, values in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tools = {tool.name: tool for tool in (OURS, ABLATION, *OTHERS)}
    parser.add_argument("--tools", nargs="+", choices=list(tools), default=["suture", "suture, ablation"])
    parser.add_argument("--toward", nargs="+", choices=["positive", "negative"], default=["positive", "negative"])
    parser.add_argument("--positive", help="a patch that a goal made")
    parser.add_argument("--negative", help="the same, the other way")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--size", type=int, default=120, help="openings")
    parser.add_argument("--windows", type=int, default=5, help="of wikitext, 512 tokens each")
    given = parser.parse_args()
    if not hasattr(numpy, "float_"):
        numpy.float_ = numpy.float64  # repeng 0.4 asks for a name that numpy 2 has no more
    _real_suite.WINDOWS = given.windows
    lm = LM.load(given.model)
    results = {}
    for toward in given.toward:
        results[toward] = {"base": shares(lm, toward, given.size)}
        for name in given.tools:
            put, seconds = ready(lm, tools[name], toward)
            results[toward][name] = points(lm, name, put, seconds, toward, given.size)
        if path := vars(given)[toward]:
            patch = Patch.load(path)
            name = f"suture, {patch.provenance.method}"
            results[toward][name] = points(lm, name, lambda x, p=patch: (p * x).used(lm), 0.0, toward, given.size)
        judges = list(results[toward]["base"])
        lines = [["base", "", *(f"{results[toward]['base'][j]:.1%}" for j in judges)]]
        lines += [
            [name, f"{p['level']:+.0%}", *(f"{p[j]:.1%}" for j in judges)]
            for name, rows in results[toward].items()
            if name != "base"
            for p in rows
        ]
        table(f"{toward}, {given.size} openings", ["", "perplexity", *judges], lines)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
