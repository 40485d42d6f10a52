"""Write facts beside the weights: states that ask for a fact are recognised and replaced while the model runs (GRACE).

Source: Hartvigsen et al. 2023, "Aging with GRACE: Lifelong Model Editing with Discrete Key-Value Adaptors", algorithm 1.
    h' = v_i  where |h - k_i| <= e_i,   h' = h elsewhere      h, k, v: (d_model,) behind one block, at the tokens of the answer
    v_i = argmin -log P(o_j | p, o_1 .. o_j-1; h' = v)         p: a prompt, o: the tokens of its target, each with an entry
    e_i = radius |k_i|,   with `split` e_i + e_j < |k_i - k_j|  for entries that say different tokens
Differs from the paper and its code: every token of a target has an entry of its own (there the first must carry all of it, and in
other words it seldom does); each token of a row is decided by its own state, so that caches, padding, beams and batches change
nothing (there one position, fixed by the first pass, serves all rows and passes); the wrapped layer is the identity behind a
block; radii are in units of the key's length; a state is given to the nearest key among those whose balls hold it, where eq. 2
asks the nearest key of all and then its radius (`nearest="key"` does so, too); with `split` balls that say different
tokens never meet, whichever pair it is (there only the nearest is looked at, and labels are compared by the mean of their ids, in
another order than the keys); a further prompt with the same target gets entries of its own, since a ball that grew to hold
it would lose it in a later split.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from .. import registry
from ..data.examples import Fact
from ..data.fact_files import agreeing
from ..errors import UsageError
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..model.run.fact_rows import Row, encode
from ..patch.codebook import Codebook, Entry, Nearest, apart
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import summary
from ._facts.keyvalue import chosen_layer, read
from ._facts.settings import ValueOptimization
from ._facts.values import side_by_side

LATE = 3 / 4  # of the depth; the published layers are 27 of 32 (Llama 2) and 35 of 48 (GPT-2 XL)


@method
def grace(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    radius: float = 0.5,
    rephrased: bool = False,
    split: bool = False,
    nearest: Nearest = "ball",
    steps: int = ValueOptimization.steps,
    rate: float = ValueOptimization.rate,
    clamp: float = ValueOptimization.clamp,
    previous: Patch | None = None,
    seed: int = 0,
) -> Patch:
    """Make a GRACE patch: a codebook to be attached; it changes no weight.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layer: the block behind which states are read and replaced (a late one by default; measure).
        radius: how far from its key a state is still recognised, in units of the key's length.
        rephrased: give the paraphrases of the facts entries, too.
        split: shrink balls that say different tokens until none meet, as published; without it the nearer key wins where they
            meet, which leaves more room for other words.
        nearest: which entry a state is given to: "ball": the nearest key of those whose balls hold it; "key": as published, the
            nearest key of all, and none where that one's ball does not hold it, though another's may.
        steps: most steps of the search for a value.
        rate: of its steps, in units of the residual's norm over the root of its width.
        clamp: how far a value may lie from its key, in units of the residual's norm.
        previous: a GRACE patch of this model; its entries are kept, but for those that a new fact contradicts.
        seed: has no influence: nothing is drawn.

    Raises:
        UsageError: when two facts contradict each other, or `previous` is no codebook of that block.
    """
    settings = registry.settings()
    if radius < 0:
        raise UsageError(f"a radius can not be {radius}", fix="Give a share of the key's length, such as `radius=0.5`.")
    facts = agreeing(facts)
    questions = [replace(f, prompt=p) for f in facts for p in (f.prompt, *(f.paraphrases if rephrased else ()))]
    layer = chosen_layer(lm, round(LATE * (lm.anatomy.layers - 1)) if layer is None else layer)
    site, place = Site(layer, "residual"), lm.anatomy.weight(Site(layer, "attn.o")).tensor
    rows, entries = [], []
    for fact in questions:
        with_target = encode(lm, fact.prompt, fact.prompt, fact.target)
        for begin in range(with_target.begin, len(with_target.ids)):  # the state before a token of the target says it
            rows.append(Row(with_target.ids[: begin + 1], 0, begin - 1, begin - 1, begin))
            entries.append(Entry(fact.prompt, fact.subject, fact.target, with_target.ids[begin]))
    keys = read(lm, rows, [site])[site]  # (entries, d_model)
    aim = ValueOptimization(steps=steps, rate=rate, clamp=clamp, kl=0.0, seed=seed)
    moved = keys + side_by_side(lm, [[row] for row in rows], 1, site, aim).added
    new = Codebook(keys.float(), moved.float(), (radius * keys.norm(dim=1)).float(), entries=tuple(entries),
                   nearest=nearest)  # fmt: skip
    book = _together(_earlier(lm, previous, place), new, split)
    examples = {"facts": summary(facts)}
    return Patch.make(lm, {place: book}, method="grace", settings={**settings, "layer": layer}, examples=examples)


def _earlier(lm: LM, previous: Patch | None, place: str) -> Codebook | None:
    """Return the codebook of an earlier patch."""
    if previous is None:
        return None
    previous.check_base(lm)
    terms = previous.terms.get(place, ())
    if len(previous.terms) != 1 or len(terms) != 1 or not isinstance(terms[0], Codebook) or terms[0].scale != 1:
        raise UsageError(
            "the previous patch is no codebook of this block",
            why=f"It changes {', '.join(previous.terms)}.",
            fix="Give an unscaled patch of grace, and the `layer` it was made with; add other patches with suture combine.",
        )
    return terms[0]


def _together(earlier: Codebook | None, new: Codebook, split: bool) -> Codebook:
    """Return one codebook: of entries for one prompt the newest stand; balls are drawn apart if asked."""
    if earlier is not None:
        prompts = {entry.prompt for entry in new.entries}
        numbers = [number for number, entry in enumerate(earlier.entries) if entry.prompt in prompts]
        earlier = earlier.without(numbers)
    if earlier is not None:
        keys, moved, radii = (
            torch.cat([getattr(earlier, name), getattr(new, name)]) for name in ("keys", "values", "radii")
        )
        new = replace(new, keys=keys, values=moved, radii=radii, entries=earlier.entries + new.entries)
    if not split:
        return new
    return replace(new, radii=apart(new.keys, new.radii, [entry.token for entry in new.entries]))
