"""Values of many facts side by side against one fact at a time as published. make bench-values

`together` finds all values at once: the tokens before the edited one are cached, blocks below it are skipped, one context a step
(the worst), finished facts leave. `published` is the loop of the papers' code, fact by fact: every step runs the whole of every
context through every block and the whole vocabulary, until its loss is low; it is timed on a few facts and scaled. Both have
the same contexts, rate, clamp, KL weight, end and most steps. Seconds are the processor's. `success`: free generation after an
exact edit of each fact alone with its values. Measured at a token of the subject (`speedup`) and at those that say the target.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from _common import finish, note, table

from suture.data.examples import Fact
from suture.measure.evaluation import observe
from suture.measure.suites.facts import fact_suite
from suture.methods._facts.batches import EditRequest
from suture.methods._facts.keyvalue import down
from suture.methods._facts.settings import ValueOptimization
from suture.methods._facts.statistics import damped
from suture.methods._facts.values import essences, values
from suture.methods.emmet import constrained
from suture.model.arch.anatomy import Site
from suture.model.lm import LM
from suture.model.run.fact_rows import Row, places
from suture.model.run.tracing import trace
from suture.organisms.knowledge import rewrites
from suture.organisms.suites import keep

SITES = {  # where facts of the bundled model are edited (docs/facts.md): a token of the subject, the tokens that say the target
    "the subject's last but one, block 1": (Site(1, "mlp.out"), -2),
    "the target's tokens, block 5": (Site(5, "mlp.out"), 0),
}


def published(lm: LM, rows: list[Row], told: list[Row], site: Site, aim: ValueOptimization) -> torch.Tensor:
    """The value of one place by whole runs of all its contexts and of the essences: (d_model,)."""
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


def succeeded(task: EditRequest, found: list[torch.Tensor], layer: int) -> float:
    """The share of facts that the model says freely, each with its own values alone: (places, d_model) of each fact."""
    weight, moment, right = down(task.lm, layer), damped(task.moment(layer)), []
    for fact, added in zip(task.facts, found, strict=True):
        keys = replace(task, facts=[fact]).keys(layer).mean
        change = constrained(moment, keys, added, 0.0)
        with task.patch("value", {weight.tensor: [weight.place(change)]}, {}).applied(task.lm):
            seen = observe(task.lm, [m for m in fact_suite([fact]) if m.name == "success"])
        right.append(float(seen["success"].values[0]))
    return sum(right) / len(right)


def compared(lm: LM, facts: list[Fact], site: Site, aim: ValueOptimization, few: int) -> dict:
    """Both ways at one site: seconds, and success on the facts that both were asked for."""
    task = EditRequest.of(lm, facts, token=aim.token, keep=keep(), statistics=Path("runs/statistics"))
    where = [places(lm, fact, task.prefixes, aim.token) for fact in facts]
    values(lm, facts[:2], site, task.prefixes, aim)  # warm
    began = time.process_time()
    together = values(lm, facts, site, task.prefixes, aim).added.split([len(own) for own in where])
    batched = time.process_time() - began
    note(f"together: {batched:.1f} s")
    chosen = range(0, len(facts), max(1, len(facts) // few))[:few]
    alone, began = [], time.process_time()
    for index in chosen:
        told = essences(lm, [facts[index]], aim)[0] if aim.token else []
        alone.append(torch.stack([published(lm, rows, told, site, aim) for rows in where[index]]))
    single = (time.process_time() - began) * len(facts) / len(chosen)
    note(f"published: {single:.1f} s")
    part = replace(task, facts=[facts[i] for i in chosen])
    return {
        "places": sum(map(len, where)),
        "seconds": {"together": batched, "published": single},
        "speedup": single / batched,
        "success": {
            "together": succeeded(task, list(together), site.layer),
            "together on the few": succeeded(part, [together[i] for i in chosen], site.layer),
            "published on the few": succeeded(part, alone, site.layer),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--few", type=int, default=8, help="facts that the published loop is timed on")
    parser.add_argument("--steps", type=int, default=25)
    args = parser.parse_args()
    lm = LM.load("patient")
    facts = [item.fact for item in rewrites(args.facts)]
    found = {
        name: compared(lm, facts, site, ValueOptimization(steps=args.steps, token=token), args.few)
        for name, (site, token) in SITES.items()
    }
    rows = [
        [name, str(one["places"]), *(f"{one['seconds'][how]:.1f}" for how in ("together", "published")),
         f"{one['speedup']:.1f}", *(f"{share:.0%}" for share in one["success"].values())]
        for name, one in found.items()
    ]  # fmt: skip
    columns = ["", "places", "s together", "s published", "times faster", "success", "on the few", "published"]
    table(f"values of {len(facts)} facts; published timed on {args.few}", columns, rows)
    first, second = found.values()
    finish({"facts": len(facts), "speedup": first["speedup"], "speedup_target_tokens": second["speedup"], **found})


if __name__ == "__main__":
    main()
