"""How fast features are read, and what a dose-response costs. make bench-extraction

    fraction_of_forward   tokens a second of `extract` over those of the bare decoder on the same batches; 1 is the limit
    layer_cost_ratio      time to read block l alone over (l + 1) / L of the time to read the last; 1 is proportional
    memory_ratio          growth of the peak of memory when four times as many texts are read, over the size of the result
    dose_ratio            time of a dose-response of 8 strengths over that of one, on a model too large for the cache: a step of
                          generation then costs what moving its weights costs, however many strengths share it

Every ratio is the median of pairs measured in turn, in one run on one machine.
"""

import argparse
import resource
import statistics
import time
from dataclasses import replace

import torch
from _common import finish, note, table
from transformers import LlamaConfig, LlamaForCausalLM

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


def heavy_model(tokenizer) -> LM:
    """Return a random model of 118 million parameters: 470 MB in float32, more than any cache here."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=1024, intermediate_size=2816, num_hidden_layers=10, num_attention_heads=16,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return LM(LlamaForCausalLM(config), tokenizer, name="random-118M")


def dose_ratio(lm: LM, prompts: int, rounds: int, samples: int = 2) -> tuple[float, float, float]:
    """Return the time of a curve of 8 strengths over that of one, and both."""
    (measure,) = (m for m in suite("tune", prompts) if m.name == "rude")
    measure = replace(measure, cases=replace(measure.cases, samples=samples))
    tone = behaviour("tone", 40)
    patch = surgery(lm, tone, probe=fit_probe(lm, tone), rows=0.05)
    eight, one = ([0.25 * (i + 1) for i in range(n)] for n in (8, 1))
    return ratio(
        lambda: dose_response(lm, patch, eight, [measure]), lambda: dose_response(lm, patch, one, [measure]), rounds
    )


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

    def forward() -> None:
        for batch in groups:
            lm.forward(batch, head=False)

    slower, bare, read = ratio(forward, lambda: extract(lm, texts, everywhere), args.rounds)
    note(f"bare forward {tokens / bare:,.0f} tokens/s; all blocks' MLP inputs read at {tokens / read:,.0f}")
    deepest = [Site(layers - 1, "residual")]
    costs = {}
    for layer in range(layers):
        one, all_ = (lambda at=layer: extract(lm, texts, [Site(at, "residual")])), (lambda: extract(lm, texts, deepest))
        costs[layer] = ratio(one, all_, args.rounds)[0] * layers / (layer + 1)
    note(f"cost of one block over its share: {', '.join(f'{v:.2f}' for v in costs.values())}")
    before = peak()
    four = extract(lm, texts * 4, everywhere)
    grown = (peak() - before) / (four.numel() * 4)
    doses, many, single = dose_ratio(lm, args.prompts, args.rounds)
    note(f"8 strengths on {args.prompts} prompts: {many:.2f} s, one: {single:.2f} s")
    heavy, heavy_many, heavy_single = dose_ratio(heavy_model(lm.tokenizer), 1, args.rounds, samples=1)
    note(f"the same on a model that does not fit in the cache, one prompt: {heavy_many:.2f} s, {heavy_single:.2f} s")
    table(
        f"{lm.name}, {tokens:,} tokens, {torch.get_num_threads()} threads, {lm.device}",
        ["", "measured", "wanted"],
        [
            ["extraction, share of the bare forward", f"{slower:.2f}", ">= 0.9"],
            ["reading one block, worst over its share", f"{max(costs.values()):.2f}", "<= 1.1"],
            ["memory growth over the result's own", f"{grown:.2f}", "<= 1"],
            ["8 strengths over one, moving the weights decides", f"{heavy:.2f}", "<= 2"],
            [f"8 strengths over one, arithmetic decides ({args.prompts} prompts)", f"{doses:.2f}", "<= 8"],
        ],
    )
    finish(
        {
            "fraction_of_forward": slower,
            "layer_cost_ratio": max(costs.values()),
            "layer_costs": list(costs.values()),
            "memory_ratio": grown,
            "dose_ratio": heavy,
            "dose_ratio_small_model": doses,
            "forward_tokens_per_second": tokens / bare,
            "extraction_tokens_per_second": tokens / read,
        }
    )


if __name__ == "__main__":
    main()
