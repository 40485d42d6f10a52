"""Change a behaviour by one step of natural gradient on labelled texts, of low rank in each gate projection.

Source: Amari 1998, "Natural Gradient Works Efficiently in Learning"; the step itself is that of `_natural_step`.
The same start is continued by wanted and by unwanted texts; the step raises the log-odds of the first, summed over contrasts:
    S = log P(wanted | start) - log P(unwanted | start)                 D: see `_natural_step`
D: (d_ff, d_model) for each block.
What is to be kept are given texts and the wanted ones. `policy_gradient` steps likewise by what the model writes itself, judged.
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import replace
from typing import Literal

from .. import registry
from ..data.examples import Behaviour, Texts
from ..errors import UsageError
from ..locate._probes import alternating
from ..locate._row_slopes import contrasted
from ..model.lm import LM
from ..model.run.contrasts import contrasts
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..registry import method
from ._natural_step import change, unkept, weights_of

PAIRS = 96  # unwanted texts that are continued both ways, at most


@method
def natural_gradient(
    lm: LM,
    behaviours: Behaviour | list[Behaviour],
    *,
    strength: float = 1.0,
    toward: Literal["wanted", "unwanted"] = "wanted",
    keep: Texts | None = None,
    rank: int = 1,
    site: str | None = None,
    layers: list[int] | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
) -> Patch:
    """Make a natural-gradient patch.

    Args:
        lm: the model; not changed.
        behaviours: what to change; several are done one after the other, each on the model edited so far.
        strength: how far to step; at 1 predictions on texts to keep, an eighth of which is held out for this, move by 0.01 nats
            a token.
        toward: "wanted" makes label 1 rarer; "unwanted" does the opposite.
        keep: texts whose predictions must not suffer (the wanted texts if there are none). With several behaviours the texts of
            the earlier ones are added.
        rank: of the change of each matrix.
        site: the matrix to edit (the first of the MLP by default); it must read what the MLP reads.
        layers: only these blocks.
        pairs: unwanted texts used at most, each continued by its own rest and by that of a wanted one.
        seed: of the pairing.

    Raises:
        UsageError: for a matrix that reads anything else.
        NoEffect: when nothing that the matrices do moves the behaviour.
    """
    settings, many = registry.settings(), behaviours if isinstance(behaviours, list) else [behaviours]
    if rank < 1 or pairs < 1:
        raise UsageError(f"rank {rank} from {pairs} pairs is no change", fix="Give at least 1 of each.")
    weights = weights_of(lm, site, layers)
    texts, terms = Texts(keep or ()), list[tuple[str, Delta]]()
    for behaviour in many:
        mine = behaviour if toward == "wanted" else behaviour.reversed()
        few = replace(mine, examples=tuple(alternating(mine.examples)[: 2 * pairs]))
        kept = texts or [e.text for e in few.examples if not e.label]
        with unkept(lm, terms).applied(lm) if terms else nullcontext():
            rows = contrasted(*contrasts(lm, few, random.Random(seed), pairs))
            terms += change(lm, weights, rows, kept, rank=rank, strength=strength, behaviour=few)
        if texts:
            texts = Texts((*texts, *(e.text for e in behaviour.examples)))  # a later edit leaves this one alone
    examples = {"behaviours": [b.summary() for b in many], "keep": Texts(keep or ()).summary()}
    return Patch.make(lm, by_tensor(terms), method="natural_gradient", settings=settings, examples=examples)
