"""How fast features are read, and what a dose-response costs. make bench-extraction

    fraction_of_forward   tokens a second of `extract` over those of the bare decoder on the same batches; 1 is the limit
    layer_cost_ratio      time to read block l alone over (l + 1) / L of the time to read the last, worst of those measured; 1 is
                          proportional
    memory_ratio          growth of the peak of memory from 4 to 16 times the texts, over the growth of the result; 1 is the limit
    dose_ratio            time of a dose-response of 8 strengths over that of one: on a model too large for the cache a step of
                          generation costs what moving its weights costs, however many strengths share it

Speeds are those of a random model of 118 million parameters; keys with `_small_model` are those of --model, where the text's own
work (tokenising, padding) is a larger part. Every ratio is the median of pairs measured in turn, in one run on one machine.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from _common import finish, note, table
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from suture.data.examples import Labelled
from suture.locate.probe import fit_probe
from suture.methods.surgery import surgery
from suture.model.arch.anatomy import Site
from suture.model.lm import LM, bucketed
from suture.model.run.features import extract
from suture.organisms.suites import behaviour, keep, suite
from suture.search import strength_sweep


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
        lambda: strength_sweep(lm, patch, eight, [measure]), lambda: strength_sweep(lm, patch, one, [measure]), rounds
    )


@dataclass(frozen=True)
class Reading:
    """What `extract` costs on a model, see above; both speeds in tokens a second."""

    fraction: float
    layers: dict[int, float]
    forward: float
    extraction: float


def reading(lm: LM, texts: list[Labelled], layers: list[int], rounds: int) -> Reading:
    rows, last = [lm.encode(text.text) for text in texts], lm.anatomy.layers - 1
    groups = [lm.batch([rows[i] for i in group]) for group in bucketed([len(row) for row in rows])]
    tokens = sum(map(len, rows))

    def forward() -> None:
        for batch in groups:
            lm.forward(batch, head=False)

    def read(layer: int) -> Callable[[], Tensor]:
        return lambda: extract(lm, texts, [Site(layer, "residual")])

    fraction, bare, all_ = ratio(forward, lambda: extract(lm, texts, everywhere(lm)), rounds)
    costs = {layer: ratio(read(layer), read(last), rounds)[0] * (last + 1) / (layer + 1) for layer in layers}
    note(
        f"{lm.name}: bare forward {tokens / bare:,.0f} tokens/s, all blocks' MLP inputs read at {tokens / all_:,.0f}; "
        f"cost of one block over its share: {', '.join(f'{layer}: {cost:.2f}' for layer, cost in costs.items())}"
    )
    return Reading(fraction, costs, tokens / bare, tokens / all_)


def everywhere(lm: LM) -> list[Site]:
    return [Site(layer, "mlp.in") for layer in range(lm.anatomy.layers)]


def memory_ratio(lm: LM, texts: list[Labelled]) -> float:
    """Return the growth of the peak of memory from 4 to 16 times the texts over that of the result."""
    small = (
        4 * extract(lm, texts * 4, everywhere(lm)).numel()
    )  # its batches are full, so that more texts are more batches
    before = peak()
    extract(lm, texts * 16, everywhere(lm))
    return (peak() - before) / (3 * small)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="patient")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--prompts", type=int, default=16, help="of the dose-response")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    lm = LM.load(args.model)
    heavy = heavy_model(lm.tokenizer)
    texts = [Labelled(text, 0) for text in (keep() * 9)[: args.texts]]
    grown = memory_ratio(lm, texts)
    own = reading(lm, texts, list(range(lm.anatomy.layers)), args.rounds)
    large = reading(heavy, texts[:: len(texts) // 64], [0, heavy.anatomy.layers // 2], args.rounds)
    own_dose, many, single = dose_ratio(lm, args.prompts, args.rounds)
    note(f"8 strengths on {args.prompts} prompts: {many:.2f} s, one: {single:.2f} s")
    dose, many, single = dose_ratio(heavy, 1, args.rounds, samples=1)
    note(f"the same on {heavy.name}, one prompt: {many:.2f} s, one: {single:.2f} s")
    table(
        f"{torch.get_num_threads()} threads, {lm.device}",
        ["", heavy.name, lm.name, "wanted"],
        [
            ["extraction, share of the bare forward", f"{large.fraction:.2f}", f"{own.fraction:.2f}", ">= 0.9"],
            ["reading one block, worst over its share", _worst(large), _worst(own), "<= 1.1"],
            ["memory growth over the result's own", "", f"{grown:.2f}", "<= 1"],
            ["8 strengths over one", f"{dose:.2f}", f"{own_dose:.2f}", "<= 2"],
        ],
    )
    finish(
        {
            "fraction_of_forward": large.fraction,
            "layer_cost_ratio": max(large.layers.values()),
            "dose_ratio": dose,
            "memory_ratio": grown,
            "fraction_of_forward_small_model": own.fraction,
            "layer_cost_ratio_small_model": max(own.layers.values()),
            "layer_costs_small_model": list(own.layers.values()),
            "dose_ratio_small_model": own_dose,
            "forward_tokens_per_second_small_model": own.forward,
            "extraction_tokens_per_second_small_model": own.extraction,
        }
    )


def _worst(found: Reading) -> str:
    return f"{max(found.layers.values()):.2f}"


if __name__ == "__main__":
    main()
