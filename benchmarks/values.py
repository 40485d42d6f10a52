"""Values of many facts side by side against one fact at a time, with the same settings. make bench-values

Both run only the tokens from the edited one on and only the blocks from the edited one on. `difference` is the largest
relative difference of a value; `published` is one fact at a time without either saving, for a few facts.
"""

import argparse
import time

import torch
from _common import finish, note, table

from suture.anatomy import Site
from suture.fact_rows import encode
from suture.lm import LM
from suture.methods._keyvalue import contexts
from suture.methods._values import Aim, values
from suture.patient.knowledge import rewrites
from suture.tracing import trace


def published(lm: LM, fact, site: Site, prefixes: list[str], aim: Aim) -> None:
    """Steps of Adam through whole runs of whole prompts, as the papers' code has them; the KL left out."""
    rows = [encode(lm, fact.prompt, fact.subject, fact.target, prefix) for prefix in prefixes]
    batch = lm.batch([row.ids for row in rows])
    at = torch.tensor([row.at for row in rows])
    begins = torch.tensor([row.begin for row in rows])
    scored = (torch.arange(1, batch.ids.shape[1]) >= begins[:, None]) & batch.mask[:, 1:].bool()
    added = torch.zeros(lm.width, requires_grad=True)
    adam = torch.optim.Adam([added], lr=aim.rate)

    def push(value):
        new = value.clone()
        new[torch.arange(len(rows)), at] += added
        return new

    for _ in range(aim.steps):
        with torch.enable_grad(), trace(lm, edit={site: push}):
            likely = lm.forward(batch).logits[:, :-1].log_softmax(-1).gather(-1, batch.ids[:, 1:, None])[..., 0]
            (added.grad,) = torch.autograd.grad(-(likely * scored).sum() / scored.sum(), added)
        adam.step()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    lm = LM.load("patient")
    facts = [item.fact for item in rewrites(args.facts, tuning=True)]
    prefixes, site = contexts(lm, 2, 0), Site(1, "mlp.out")
    aim = Aim(steps=args.steps, stop=0.0, kl=0.0)
    values(lm, facts[:2], site, prefixes, aim)  # warm
    began = time.perf_counter()
    together = values(lm, facts, site, prefixes, aim).added
    batched = time.perf_counter() - began
    note(f"together: {batched:.1f} s")
    began = time.perf_counter()
    alone = torch.cat([values(lm, [fact], site, prefixes, aim).added for fact in facts])
    single = time.perf_counter() - began
    note(f"one at a time: {single:.1f} s")
    few = facts[: max(1, len(facts) // 4)]
    began = time.perf_counter()
    for fact in few:
        published(lm, fact, site, prefixes, aim)
    whole = (time.perf_counter() - began) * len(facts) / len(few)
    difference = float(((together - alone).norm(dim=1) / alone.norm(dim=1)).max())
    rows = [[n, f"{s:.1f}", f"{s / batched:.1f}"] for n, s in
            (("together", batched), ("one at a time", single), ("published", whole))]  # fmt: skip
    table(f"values of {len(facts)} facts, {args.steps} steps", ["how", "seconds", "times together"], rows)
    print(f"\nlargest relative difference of a value {difference:.1e}")
    finish(
        {
            "facts": len(facts),
            "seconds": {"together": batched, "alone": single, "published": whole},
            "speedup": single / batched,
            "speedup_over_published": whole / batched,
            "difference": difference,
        }
    )


if __name__ == "__main__":
    main()
