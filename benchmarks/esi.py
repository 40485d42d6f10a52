"""Safety impact of single weights: memory, time, exactness, and whether noise there hurts safety most. make bench-esi

`peak_ratio`: most memory while locating over weights + gradients, of a random Llama of 104 million weights in float32 (resident
memory of a process of its own). `time_ratio`: locating over the forward and backward passes it needs (processor time).
`perturbation`: share of harmful requests answered after noise on 1 % of the weights, less that after noise on as many at random.
The last three are of each model under `models`; at the top stands the worst of them.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

import torch
from _common import finish, forget_peak, memory, note, table

from suture import LM
from suture.locate._gradients import summed
from suture.locate._scores import pair_scores
from suture.locate.perturbation import perturbed
from suture.locate.safety_impact import eligible, impact, safety_impact
from suture.measure.evaluation import observe, values
from suture.model.run.contrasts import contrasts
from suture.organisms.suites import behaviour, suite

MASKS = {"largest impact": "none", "random": "random", "least impact": "bottom"}
NAMES = ("harmful", "benign", "facts_seen")


def peak() -> None:
    """Print the ratio, in a process that does nothing else."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer, data = LM.load("patient").tokenizer, behaviour("compliance", 40)
    sizes = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8, "num_attention_heads": 16}
    before = memory("VmRSS:")
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1, **sizes))
    lm = LM(model, tokenizer, name="random")
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    gradients = 4 * sum(p.numel() for p in {id(w.parameter): w.parameter for w in eligible(lm)}.values())
    forget_peak()
    mask = safety_impact(lm, data, examples=3, batch=1)
    held = memory("VmHWM:") - before
    print(
        json.dumps(
            {"peak_ratio": held / (weights + gradients), "bytes": held, "weights": weights, "entries": mask.count}
        )
    )


def timed(lm: LM, data, repeats: int) -> tuple[float, float]:
    """Return seconds of processor time to locate, and of the passes alone: medians."""
    weights = eligible(lm)
    whole, bare = [], []
    for _ in range(repeats):
        began = time.process_time()
        safety_impact(lm, data)
        whole.append(time.process_time() - began)
        began = time.process_time()
        scores, count = pair_scores(lm, *contrasts(lm, data, random.Random(0)), 8)
        for weight in weights:
            weight.parameter.requires_grad_(True)
        for number in range(count):
            scores(number).backward()
        lm.model.zero_grad()
        lm.model.requires_grad_(False)
        bare.append(time.process_time() - began)
    return statistics.median(whole), statistics.median(bare)


def exact(lm: LM, data) -> bool:
    """Return whether the streamed choice is that of sorting all scores."""
    weights = eligible(lm)
    sums = summed(weights, *pair_scores(lm, *contrasts(lm, data, random.Random(0)), 8))
    scores = torch.cat([piece for w in weights for piece in impact(w, sums)])
    mask = safety_impact(lm, data)
    chosen = torch.zeros(len(scores), dtype=torch.bool)
    begin = 0
    for weight in weights:
        size = weight.shape[0] * weight.shape[1]
        own = mask.entries.get(weight.tensor, torch.zeros(0, dtype=torch.int64))
        chosen[begin : begin + size] = torch.isin(weight.flat(torch.arange(size)), own)
        begin += size
    expected = torch.zeros_like(chosen)
    expected[torch.argsort(scores, descending=True, stable=True)[: mask.count]] = True
    return bool(torch.equal(chosen, expected))


def perturbation(lm: LM, data, size: int, seeds: int, strengths: list[float]) -> dict:
    """Return the figures of each mask and strength, averaged over seeds."""
    measures = [m for m in suite("report", size) if m.name in NAMES]
    found = {"base": values(observe(lm, measures), measures)}
    for title, control in MASKS.items():
        masks = [safety_impact(lm, data, control=control)] * seeds
        if control == "random":
            masks = [safety_impact(lm, data, control=control, seed=seed) for seed in range(seeds)]
        for strength in strengths:
            each = []
            for seed, mask in enumerate(masks):
                with perturbed(lm, mask, strength=strength, seed=seed).applied(lm):
                    each.append(values(observe(lm, measures), measures))
            mean = {n: statistics.mean(v[n] for v in each) for n in NAMES}
            found[f"{title}, {strength:g} sigma"] = mean | {"harmful of each": [v["harmful"] for v in each]}
            note(f"{title} {strength:g}: {found[f'{title}, {strength:g} sigma']}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="*", default=["patient", "patient-moe"])
    parser.add_argument("--size", type=int, default=60, help="prompts a measure")
    parser.add_argument("--seeds", type=int, default=3, help="draws of noise, and of the random masks")
    parser.add_argument("--strengths", type=float, nargs="*", default=[0.38, 2.0])
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        return peak()
    own = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": "32768",
    }  # else glibc keeps activations that were freed, and they count as held
    done = subprocess.run([sys.executable, __file__, "--peak"], capture_output=True, text=True, check=True, env=own)
    held = json.loads(done.stdout.splitlines()[-1])
    note(f"memory: {held}")
    each = {model: measured(model, args.size, args.seeds, args.strengths) for model in args.models}
    finish({
        "peak_ratio": held["peak_ratio"], "time_ratio": max(v["time_ratio"] for v in each.values()),
        "topk_exact": all(v["topk_exact"] for v in each.values()),
        "perturbation": min(v["perturbation"] for v in each.values()), "models": each,
    })  # fmt: skip


def measured(model: str, size: int, seeds: int, strengths: list[float]) -> dict:
    """Return the figures of one model."""
    lm, data = LM.load(model), behaviour("compliance")
    whole, bare = timed(lm, data, 3)
    same = exact(lm, data)
    note(f"{model}: time {whole:.2f} s over {bare:.2f} s; exact: {same}")
    found = perturbation(lm, data, size, seeds, strengths)
    rows = [[k, *(f"{v[n]:.3f}" for n in NAMES)] for k, v in found.items()]
    table(f"noise on 1 % of the weights of {model}", ["", *NAMES], rows)
    top = f"{strengths[-1]:g} sigma"
    gap = found[f"largest impact, {top}"]["harmful"] - found[f"random, {top}"]["harmful"]
    return {"time_ratio": whole / bare, "topk_exact": same, "perturbation": gap, "figures": found}


if __name__ == "__main__":
    main()
