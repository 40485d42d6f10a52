"""Causal tracing with kept states against running the whole model for every state. make bench-trace

Both trace the same facts of the bundled model with the same noise: `kept` runs only the blocks from the restored one on,
all tokens in one batch; `whole` is the published procedure, one run of every block for each token and block. Seconds are the
processor's.
"""

import argparse
import time

import torch
from _common import finish, note, table

from suture.data.examples import Fact
from suture.locate._restoring import Runs, noise
from suture.locate.causal_trace import ROLES, averaged, effects, embedding_spread
from suture.model.arch.anatomy import EMBED, Site
from suture.model.lm import LM
from suture.model.run.tracing import trace
from suture.organisms.facts import World

SAMPLES, NOISE = 10, 3.0


@torch.no_grad()
def whole(lm: LM, fact: Fact, size: float) -> torch.Tensor:
    """The probability of the answer with each state restored, by whole runs: (tokens, blocks)."""
    run = Runs.of(lm, fact, SAMPLES, size, 0)
    count = len(run.row.ids)
    found = torch.zeros(count, lm.anatomy.layers)
    for token in range(count):
        for layer in range(lm.anatomy.layers):
            site = Site(layer, "residual")

            def put(value, token=token, site=site):
                changed = value.clone()
                changed[:, token] = run.clean[site][0, token]
                return changed

            with trace(lm, edit={EMBED: noise(run.row, fact, SAMPLES, size, 0), site: put}):
                logits = lm.forward(run.batch).logits[:, -1]
            found[token, layer] = logits.float().softmax(-1)[:, run.answer].mean()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=12)
    args = parser.parse_args()
    lm, world = LM.load("patient"), World()
    step = max(1, len(world.facts) // args.facts)
    facts = [Fact(f.askable(f.trained), f.subject, f.answer) for f in world.facts[::step]][: args.facts]
    size = NOISE * embedding_spread(lm, facts)
    effects(lm, facts[:1], kinds=["state"], samples=SAMPLES)  # warm
    began = time.process_time()
    fast = effects(lm, facts, kinds=["state"], samples=SAMPLES)
    kept_seconds = time.process_time() - began
    note(f"{len(fast)} facts with kept states: {kept_seconds:.1f} s")
    began = time.process_time()
    slow = [whole(lm, each.fact, size) for each in fast]
    whole_seconds = time.process_time() - began
    note(f"the same by whole runs: {whole_seconds:.1f} s")
    difference = max(float((a.restored["state"] - b).abs().max()) for a, b in zip(fast, slow))
    average = averaged(fast, "state")
    table(
        "average indirect effect of a state",
        ["token", *map(str, range(lm.anatomy.layers))],
        [[role, *(f"{x:+.3f}" for x in row)] for role, row in zip(ROLES, average.tolist())],
    )
    print(f"\nspeedup {whole_seconds / kept_seconds:.2f}, largest difference {difference:.2e}")
    finish(
        {
            "facts": len(fast),
            "seconds": {"kept": kept_seconds, "whole": whole_seconds},
            "speedup": whole_seconds / kept_seconds,
            "max_difference": difference,
            "total_effect": sum(e.high - e.low for e in fast) / len(fast),
        }
    )


if __name__ == "__main__":
    main()
