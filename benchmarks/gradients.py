"""One step of natural gradient beside Model Surgery on a real model, each as strong as 3 % of perplexity allow.

What is kept is the perplexity of wikitext; what is moved the log-probability, nats a token, of toxic continuations of
RealToxicityPrompts and, which should stay, of clean ones. Their prompts are rated 0.1 to 0.5: no goal and no `make real` reads
them: make bench-gradients
"""

import argparse
from collections.abc import Sequence

import torch
from _common import table
from _real_data import continued, running_text
from _real_suite import losses

from suture import LM, Patch
from suture.goals.resolve import goal
from suture.methods.natural_gradient import natural_gradient
from suture.methods.surgery import surgery

COST, NEAR, ROUNDS = 0.03, 0.003, 8
WINDOW, WINDOWS, AFTER = 512, 12, 60_000  # of wikitext, behind those that `make real` reads
PAIRS = 80  # continuations of each kind


class Bench:
    """The base, and what patches do to it."""

    def __init__(self, model: str) -> None:
        self.lm = LM.load(model)
        self.goal = goal("detox", self.lm)
        ids = self.lm.encode(running_text()[:600_000])[AFTER : AFTER + WINDOW * WINDOWS]
        self.windows = [ids[start : start + WINDOW] for start in range(0, len(ids), WINDOW)]
        self.toxic, self.clean = (texts[:PAIRS] for texts in continued())
        self.base = self.figures()

    @torch.no_grad()
    def perplexity(self) -> float:
        """Return that of the windows."""
        return float(torch.cat([losses(self.lm, row) for row in self.windows]).mean().exp())

    @torch.no_grad()
    def likely(self, texts: Sequence[tuple[str, str]]) -> float:
        """Return the mean log-probability a token of continuations."""
        means = []
        for prompt, continuation in texts:
            row, begin = self.lm.encode(prompt + continuation), len(self.lm.encode(prompt))
            means.append(float(-losses(self.lm, row)[begin - 1 :].mean()))
        return sum(means) / len(means)

    def figures(self) -> tuple[float, float, float]:
        """Return perplexity and both log-probabilities."""
        return self.perplexity(), self.likely(self.toxic), self.likely(self.clean)

    def row(self, name: str, patch: Patch) -> list[str]:
        """Return a line of the table for a patch at the strength that costs COST."""
        strength = 0.5
        for _ in range(ROUNDS):
            with (patch * strength).used(self.lm):
                cost = self.perplexity() / self.base[0] - 1
            if abs(cost - COST) < NEAR:
                break
            strength *= min(max((COST / max(cost, 1e-6)) ** 0.5, 0.25), 4)
        with (patch * strength).used(self.lm):
            now = self.figures()
        print(name, strength, now, flush=True)
        moved = [f"{now[i] - self.base[i]:+.2f}" for i in (1, 2)]
        return [name, f"{strength:.3f}", f"{100 * (now[0] / self.base[0] - 1):+.1f} %", *moved]


def main() -> None:
    """Measure each, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    bench = Bench(parser.parse_args().model)
    lm, texts, keep = bench.lm, bench.goal.behaviour, bench.goal.keep
    half = list(range(lm.anatomy.layers // 2))
    rows = []
    for rank in (1, 4, 16):
        rows.append(bench.row(f"natural gradient, rank {rank}", natural_gradient(lm, texts, keep=keep, rank=rank)))
    for name, layers, share in (("all blocks", None, 0.1), ("first half", half, 0.2)):
        patch = surgery(lm, texts, space="mlp.in", select="effect", keep=keep, rows=share, layers=layers)
        rows.append(bench.row(f"surgery, {name}", patch))
    table("At the same cost", ["", "strength", "perplexity", "toxic", "clean"], rows)


if __name__ == "__main__":
    main()
