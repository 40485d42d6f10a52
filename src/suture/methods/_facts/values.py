"""What a fact's value should be: a vector that, added at a token of the subject, makes the model say the target.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", eq. 4; Meng et al. 2023, "Mass-Editing Memory
in a Transformer", eq. 16.
    minimise over d:  mean_j -log P(o | x_j + p; h + d) + kl * KL(P(.|e) || P(.|e; h + d)) + decay * |d|^2 / |h|^2
    with |d| <= clamp * |h|                                d, h: (d_model,)
x_j are contexts, o is the target; e is what the model itself says of the subject, so that other things it knows of it stay.
h is the residual stream behind the block at that token in the bare prompt.
Differs from the papers: all facts at once, each with its own end and clamp; each step takes one context of each fact, first the
bare prompt and, whenever that one is done, the worst of all, until all are; the clamp is in units of the residual stream
(the MLP's own output may be small); the KL is taken over whole continuations, and from the base's side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...data.examples import Fact
from ...model.arch.anatomy import Site
from ...model.lm import LM, bucketed
from ...model.run.fact_rows import Row, encode, places
from ...model.run.generation import generate
from ...text.spacing import apart
from .search import Values, optimised
from .settings import ValueOptimization

ESSENCE_TOKENS = 8  # of a continuation of the subject
STEP_TOKENS = 4096  # of facts side by side; small enough that rows of like length are together


def values(
    lm: LM,
    facts: Sequence[Fact],
    site: Site,
    prefixes: Sequence[str],
    aim: ValueOptimization,
    *,
    beside: Sequence[Site] = (),
) -> Values:
    """Find the vectors to add at `site` ("mlp.out" or "residual" of a block) for all facts, many side by side.

    Blocks below the site's are run once; only those from it on are run and differentiated in each step. Other sites of the
    same block (`beside`) are given vectors of their own, found together with these and not returned.
    """
    rows = [place for fact in facts for place in places(lm, fact, prefixes, aim.token)]
    if aim.kl and aim.essence and aim.token:  # where a target is said, nothing is said of the subject alone
        rows = [fact_rows + essence for fact_rows, essence in zip(rows, essences(lm, facts, aim), strict=True)]
    return side_by_side(lm, rows, len(prefixes), site, aim, beside=beside)


def side_by_side(
    lm: LM, rows: list[list[Row]], prompts: int, site: Site, aim: ValueOptimization, *, beside: Sequence[Site] = ()
) -> Values:
    """Find vectors for rows that are there already.

    Args:
        lm: the model.
        rows: of each fact, all with what follows `Row.begin` to be said after what the vector is added to, at `Row.at`.
        prompts: how many of a fact's rows, its first ones, hold a target; the others are essences.
        site: where the vectors are added.
        aim: see `ValueOptimization`.
        beside: see `values`.
    """
    sizes = [len(fact_rows) * max(len(row.ids) - row.at for row in fact_rows) for fact_rows in rows]  # tokens a fact
    parts = bucketed(sizes, STEP_TOKENS)
    optima = [optimised(lm, [rows[i] for i in part], prompts, [site, *beside], aim) for part in parts]
    back = torch.tensor([i for part in parts for i in part]).argsort()
    return Values(
        *(torch.cat([getattr(optimum, name) for optimum in optima])[back] for name in ("added", "loss", "steps"))
    )


def essences(lm: LM, facts: Sequence[Fact], aim: ValueOptimization) -> list[list[Row]]:
    """Return continuations of each subject that the model writes, but for those that name the old or the new object."""
    starts = [lm.encode(fact.subject) for fact in facts]
    all_samples = generate(lm, starts, max_new_tokens=ESSENCE_TOKENS, samples=aim.essence, seed=aim.seed)
    rows = []
    for fact, samples in zip(facts, all_samples, strict=True):
        texts = [t.strip() for t in samples if t.strip() and fact.target not in t and not (fact.was and fact.was in t)]
        texts = [apart(fact.subject, text) + text for text in texts]  # also before a mark, where the script has blanks
        rows.append([encode(lm, fact.subject, fact.subject, text, token=aim.token or -1) for text in texts])
    return rows
