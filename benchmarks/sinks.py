"""How far sinks stand apart from ordinary states in a model, and what steering and ablation with their defaults do to it.

python benchmarks/sinks.py MODEL                 lengths block by block, over the bundled texts
python benchmarks/sinks.py MODEL --write         24 prompts continued by the base, steered and ablated
"""

import argparse
from contextlib import nullcontext

import torch

from suture import LM, generate
from suture.data.bundled import behaviour
from suture.judges._base import coherent
from suture.judges.sentiment import Sentiment
from suture.locate.directions import directions
from suture.methods.ablation import ablation
from suture.methods.steering import steering
from suture.model.arch.anatomy import Site
from suture.model.lm import bucketed
from suture.model.run.pooling import StateLengths, token_ids
from suture.numerics.outliers import FAR
from suture.text.repetition import ends_in_loop

PROMPTS = (
    "The best thing about my job is", "My neighbour told me that", "The new restaurant in town",
    "When I opened the letter, I", "Our trip to the coast", "The teacher looked at my essay and",
    "I bought a new phone last week. It", "The weather this weekend", "My first day at the office",
    "The film we saw yesterday", "People in this city", "After the meeting, my boss", "The hotel room was",
    "I have been using this laptop for a month and", "My sister's wedding", "The book I am reading",
    "Living in a small village", "The concert last night", "When I think about the future, I", "The customer service",
    "Our old car", "The food at the canteen", "Learning the piano", "My doctor said that",
)  # fmt: skip


@torch.no_grad()
def lengths(lm: LM, every: int) -> None:
    """Print for each block how long ordinary states and sinks are, in units of the upper quartile that the limit is made of."""
    usual = StateLengths.of(lm)
    sites = [Site(layer, "residual") for layer in range(lm.anatomy.layers)]
    texts = [e for name in ("attitude", "detox", "harden") for e in behaviour(name).examples[::every]]
    rows = [token_ids(lm, example)[0] for example in texts]
    ordinary, far = [0.0] * len(sites), [[] for _ in sites]
    tokens = sinks = 0
    for group in bucketed([len(row) for row in rows]):
        batch = lm.batch([rows[i] for i in group])
        with usual.traced(lm, sites, lambda site, states, length: states.new_zeros(0)) as (_, seen):
            lm.forward(batch, head=False)
        real, away = batch.mask.bool(), usual.sinks(seen, batch.mask)
        tokens, sinks = tokens + int(real.sum()), sinks + int(away.sum())
        for layer, length in seen.items():
            shares = length.cpu() / (usual.limits[layer] / FAR)
            ordinary[layer] = max(ordinary[layer], float(shares[(real & ~away).cpu()].max()))
            far[layer] += shares[away.cpu()].tolist()
    print(f"{len(rows)} texts, {tokens} tokens, {sinks} sinks; a sink is over {FAR:g} in some block")
    for layer in range(len(sites)):
        span = f"{min(far[layer]):.1f} to {max(far[layer]):.1f}" if far[layer] else "none"
        print(f"block {layer}: typical {usual.typical[layer]:.4g}, ordinary up to {ordinary[layer]:.1f}, sinks {span}")


def write(lm: LM, strengths: list[float], tokens: int) -> None:
    """Continue the prompts greedily: by the base, steered toward positive, and ablated; count what the texts are."""
    texts = behaviour("attitude")
    read, judge = directions(lm, texts), Sentiment()
    patches = {"base": None, "steering, default": steering(lm, texts, direction=read)}
    patches |= {f"steering, {s:g}": steering(lm, texts, direction=read, strength=s) for s in strengths}
    patches["ablation, default"] = ablation(lm, texts, direction=read)
    for name, patch in patches.items():
        with patch.used(lm) if patch else nullcontext():
            rows = generate(lm, [lm.encode(p) for p in PROMPTS], max_new_tokens=tokens, temperature=0)
        answers = [row[0] for row in rows]
        labels = [judge(prompt, text) for prompt, text in zip(PROMPTS, answers, strict=True)]
        stuck = sum(ends_in_loop(text) or not coherent(text) for text in answers)
        print(f"{name}: {stuck} of {len(answers)} loops or scraps,", {k: labels.count(k) for k in sorted(set(labels))})
        for prompt, text in zip(PROMPTS, answers, strict=True):
            print(f"    {prompt} |{text!r}")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="patient")
    parser.add_argument("--every", type=int, default=12, help="of the bundled texts, for the lengths")
    parser.add_argument("--write", action="store_true", help="continue the prompts")
    parser.add_argument("--strength", type=float, action="append", default=[], help="of steering, beside its default")
    parser.add_argument("--tokens", type=int, default=32, help="of a continuation")
    args = parser.parse_args()
    lm = LM.load(args.model)
    write(lm, args.strength, args.tokens) if args.write else lengths(lm, args.every)


if __name__ == "__main__":
    main()
