"""Values of many facts side by side against one fact at a time as published. make bench-values

`together` finds all values at once: the tokens before the edited one are cached, blocks below it are skipped, two contexts a
step, finished facts leave. `published` is the loop of the papers' code, fact by fact: every step runs the whole of every
context through every block and the whole vocabulary, until its loss is low; it is timed on a few facts and scaled. Both have
the same contexts, rate, clamp, KL weight, end and most steps. Seconds are the
processor's. `success`: free generation after a rank-one edit with each value.
"""

import argparse
import time
from pathlib import Path

import torch
from _common import finish, note, table

from suture.anatomy import Site
from suture.evaluation import observe
from suture.fact_rows import encode
from suture.facts import suite
from suture.lm import LM
from suture.methods._batches import Task
from suture.methods._keyvalue import down
from suture.methods._statistics import damped
from suture.methods._values import Aim, essences, values
from suture.methods.emmet import constrained
from suture.patient.knowledge import rewrites
from suture.patient.suites import keep
from suture.tracing import trace


def published(task: Task, index: int, site: Site, told) -> torch.Tensor:
    """The value of one fact by whole runs of all contexts and of the essences: (d_model,)."""
    lm, fact, aim = task.lm, task.facts[index], task.aim
    rows = [encode(lm, fact.prompt, fact.subject, fact.target, prefix, aim.token) for prefix in task.prefixes]
    batch, count = lm.batch([row.ids for row in [*rows, *told]]), len(rows)
    at = torch.tensor([row.at for row in [*rows, *told]])
    begins = torch.tensor([row.begin for row in [*rows, *told]])
    scored = (torch.arange(1, batch.ids.shape[1]) >= begins[:, None]) & batch.mask[:, 1:].bool()
    behind = Site(site.layer, "residual")
    with torch.no_grad(), trace(lm, [behind]) as seen:
        base = lm.forward(batch).logits[count:, :-1].log_softmax(-1)
    norm = float(seen[behind][0, rows[0].at].norm())
    added = torch.zeros(lm.width, requires_grad=True)
    adam = torch.optim.Adam([added], lr=aim.rate * norm / lm.width**0.5)

    def push(value):
        new = value.clone()
        new[torch.arange(len(value)), at] += added
        return new

    for _ in range(aim.steps):
        with torch.enable_grad(), trace(lm, edit={site: push}):
            now = lm.forward(batch).logits[:, :-1].log_softmax(-1)
            likely = now[:count].gather(-1, batch.ids[:count, 1:, None])[..., 0]
            losses = -(likely * scored[:count]).sum(1) / scored[:count].sum(1)
            strayed = ((base.exp() * (base - now[count:])).sum(-1) * scored[count:]).sum(1) / scored[count:].sum(1)
            if float(losses.detach().max()) <= aim.stop:
                break
            loss = losses.mean() + (aim.kl * strayed.mean() if len(strayed) else 0.0)
            (added.grad,) = torch.autograd.grad(loss, added)
        adam.step()
        with torch.no_grad():
            added *= min(1.0, aim.clamp * norm / float(added.norm().clamp(min=1e-8)))
    return added.detach().double()


def succeeded(task: Task, found: torch.Tensor, layer: int) -> float:
    """The share of facts that the model says freely after a rank-one edit with each value alone."""
    weight, keys, moment = down(task.lm, layer), task.keys(layer).mean, damped(task.moment(layer))
    right = []
    for fact, key, value in zip(task.facts, keys, found, strict=False):
        change = constrained(moment, key[None], value[None], 0.0)
        with task.patch("value", {weight.tensor: [weight.place(change)]}, {}).applied(task.lm):
            seen = observe(task.lm, [m for m in suite([fact]) if m.name == "success"])
        right.append(float(seen["success"].values[0]))
    return sum(right) / len(right)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--few", type=int, default=8, help="facts that the published loop is timed on")
    parser.add_argument("--steps", type=int, default=25)
    args = parser.parse_args()
    lm, site = LM.load("patient"), Site(1, "mlp.out")
    facts = [item.fact for item in rewrites(args.facts)]
    task = Task.of(lm, facts, 8, Aim(steps=args.steps, token=-2), keep(), Path("runs/statistics"))
    values(lm, facts[:2], site, task.prefixes, task.aim)  # warm
    began = time.process_time()
    together = values(lm, facts, site, task.prefixes, task.aim).added
    batched = time.process_time() - began
    note(f"together: {batched:.1f} s")
    spread = range(0, len(facts), max(1, len(facts) // args.few))
    few = list(spread)[: args.few]
    began = time.process_time()
    alone = torch.stack([published(task, index, site, essences(lm, [facts[index]], task.aim)[0]) for index in few])
    single = (time.process_time() - began) * len(facts) / len(few)
    note(f"published: {single:.1f} s")
    part = Task(lm, [facts[i] for i in few], task.prefixes, task.aim, task.keep, task.statistics)
    success = {"together": succeeded(task, together, site.layer), "published": succeeded(part, alone, site.layer)}
    same = {"together on these": succeeded(part, together[few], site.layer)}
    rows = [
        ["together", f"{batched:.1f}", "1.0", f"{success['together']:.0%}"],
        [f"published ({len(few)} facts)", f"{single:.1f}", f"{single / batched:.1f}", f"{success['published']:.0%}"],
    ]
    table(f"values of {len(facts)} facts", ["how", "seconds", "times together", "success"], rows)
    finish(
        {
            "facts": len(facts),
            "seconds": {"together": batched, "published": single},
            "speedup": single / batched,
            "success": success | same,
        }
    )


if __name__ == "__main__":
    main()
