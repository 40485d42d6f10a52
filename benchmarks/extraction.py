"""How fast features are read, and what a dose-response costs. make bench-extraction

    fraction_of_forward   tokens a second of `extract` over those of the bare decoder on the same batches; 1 is the limit
    layer_cost_ratio      time to read block l alone over (l + 1) / L of the time to read the last; 1 is proportional
    memory_ratio          growth of the peak of memory when four times as many texts are read, over the size of the result
    dose_ratio            time of a dose-response of 8 strengths over that of one

Every ratio is the median of pairs measured in turn, in one run on one machine.
"""

import argparse
import resource
import statistics
import time

import torch
from _common import finish, note, table

from suture.anatomy import Site
from suture.examples import Labelled
from suture.features import extract
from suture.lm import LM, bucketed
from suture.methods.surgery import surgery
from suture.patient.suites import behaviour, keep, suite
from suture.probe import fit_probe
from suture.search import dose_response


def seconds(action) -> float:
    began = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def ratio(first, second, rounds: int) -> tuple[float, float, float]:
    """Return median(first) / median(second) of times taken in turn, and both medians in seconds."""
    first(), second()
    pairs = [(seconds(first), seconds(second)) for _ in range(rounds)]
    a, b = (statistics.median(times) for times in zip(*pairs, strict=True))
    return a / b, a, b


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="patient")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--prompts", type=int, default=16, help="of the dose-response")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    lm = LM.load(args.model)
    layers = lm.anatomy.layers
    texts = [Labelled(text, 0) for text in (keep() * 9)[: args.texts]]
    rows = [lm.encode(text.text) for text in texts]
    groups = [lm.batch([rows[i] for i in group]) for group in bucketed([len(row) for row in rows])]
    tokens = sum(map(len, rows))
    everywhere = [Site(layer, "mlp.in") for layer in range(layers)]
    last = [Site(layers - 1, "residual")]

    def forward() -> None:
        for batch in groups:
            lm.forward(batch, head=False)

    slower, bare, read = ratio(forward, lambda: extract(lm, texts, everywhere), args.rounds)
    note(f"bare forward {tokens / bare:,.0f} tokens/s; all blocks' MLP inputs read at {tokens / read:,.0f}")
    whole = ratio(lambda: extract(lm, texts, last), forward, args.rounds)[1]
    costs = {}
    for layer in range(layers):
        spent = statistics.median(
            seconds(lambda at=layer: extract(lm, texts, [Site(at, "residual")])) for _ in range(args.rounds)
        )
        costs[layer] = spent / whole / ((layer + 1) / layers)
    note(f"cost of one block over its share: {', '.join(f'{v:.2f}' for v in costs.values())}")
    before = peak()
    four = extract(lm, texts * 4, everywhere)
    grown = (peak() - before) / (four.numel() * 4)
    measures = [m for m in suite("tune", args.prompts) if m.name == "rude"]
    tone = behaviour("tone")
    patch = surgery(lm, tone, probe=fit_probe(lm, tone), rows=0.05)
    eight, one = ([0.25 * (i + 1) for i in range(n)] for n in (8, 1))
    doses, many, single = ratio(
        lambda: dose_response(lm, patch, eight, measures), lambda: dose_response(lm, patch, one, measures), args.rounds
    )
    table(
        f"{lm.name}, {tokens:,} tokens, {torch.get_num_threads()} threads, {lm.device}",
        ["", "measured", "wanted"],
        [
            ["extraction, share of the bare forward", f"{slower:.2f}", ">= 0.9"],
            ["reading one block, worst over its share", f"{max(costs.values()):.2f}", "<= 1.1"],
            ["memory growth over the result's own", f"{grown:.2f}", "<= 1"],
            ["8 strengths over one", f"{doses:.2f}", "<= 2"],
            ["  seconds for 8, for 1", f"{many:.2f}, {single:.2f}", ""],
        ],
    )
    finish(
        {
            "fraction_of_forward": slower,
            "layer_cost_ratio": max(costs.values()),
            "layer_costs": list(costs.values()),
            "memory_ratio": grown,
            "dose_ratio": doses,
            "dose_prompts": args.prompts,
            "forward_tokens_per_second": tokens / bare,
            "extraction_tokens_per_second": tokens / read,
        }
    )


if __name__ == "__main__":
    main()
