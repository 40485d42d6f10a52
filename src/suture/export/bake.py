"""Write a steering patch into weights, where the architecture can hold it exactly: an addition becomes a bias.

    h' = h + a v behind block l, every token      ==   b' = b + a v         b: bias of `mlp.down` of block l, (d_model,)
    z' = z + a v before `attn.o` of block l       ==   b' = b + a W v       b: bias of `attn.o`, W: (d_model, heads * head_dim)
Source: Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction", and Li et al. 2023,
"Inference-Time Intervention" (whose code forgets W). The biases of experts serve when their weights in the sum add up to 1.
Whether a patch of biases does the same is not assumed but measured, on texts, before it is returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..errors import UsageError, VerificationFailed
from ..model.arch.anatomy import Site, Weight
from ..model.lm import LM
from ..patch.codebook import Codebook
from ..patch.delta import LowRank, Shift
from ..patch.delta_kind import Delta
from ..patch.effect import in_weights
from ..patch.patch import Patch
from ..patch.runtime.steer import Steer

TOLERANCE = 1e-4  # of the largest logit: float32 of a few blocks; wider types of storage add their own rounding
PROBES = ("The weather was fine today, and", "How do I bake bread?", "1 + 1 =")
WAY_OUT = "Keep it attached: patch.attached(lm); or change weights by surgery, ablation or a LoRA instead."


def bake(lm: LM, patch: Patch, *, texts: Sequence[str] = PROBES) -> Patch:
    """Return a patch of weights alone that does exactly what a steering patch does while the model runs.

    Args:
        lm: the model; not changed.
        patch: what to bake; changes of weights in it stay as they are.
        texts: on which both are compared.

    Raises:
        UsageError: when the model has no place for it, naming the way out.
        VerificationFailed: when the baked patch turns out to do something else.
    """
    patch.check_base(lm)
    changes: dict[str, list[Delta]] = {}
    for name, terms in patch.terms.items():
        changes.setdefault(name, []).extend(in_weights(terms))
        for term in terms:
            if isinstance(term, Codebook) and term.scale:
                raise UsageError(
                    "a codebook can not be baked",
                    why="It acts where it recognises a state; a bias acts everywhere.",
                    fix=f"Attach it, or {term.OTHERWISE}.",
                )
            if isinstance(term, Steer) and term.scale:
                for tensor, delta in _fold(lm, name, term):
                    changes.setdefault(tensor, []).append(delta)
    provenance = patch.provenance
    baked = Patch.make(
        lm,
        {name: deltas for name, deltas in changes.items() if deltas},
        method=provenance.method,
        settings={**provenance.settings, "baked": True},
        examples=provenance.examples,
    )
    _compare(lm, patch, baked, texts)
    return baked


def _fold(lm: LM, name: str, term: Steer) -> Iterator[tuple[str, Delta]]:
    """Yield the change of each bias that takes a term's place."""
    problem = ""
    if term.mode != "add":
        problem = f'"{term.mode}" depends on the state, and a bias does not'
    elif term.positions != "all":
        problem = f"only {term.positions} tokens are steered, and a bias acts on all"
    elif term.condition is not None:
        problem = "it acts under a condition, and a bias always does"
    layer = lm.anatomy.on(name)[0].site.layer
    if not problem and term.place == "heads":
        weight = lm.anatomy.weight(Site(layer, "attn.o"))
        bias = lm.bias(weight)
        if bias is not None:
            moved = weight.matrix().double().cpu() @ term.vector.double()
            yield bias, Shift((term.scale * moved).float())
            return
        problem = "`attn.o` of this model has no bias"
    elif not problem:
        writers = lm.anatomy.weights("mlp.down", [layer])
        biases = {bias for writer in writers if (bias := lm.bias(writer)) is not None}
        if lm.anatomy.norm_behind(writers[0].site) is not None:
            problem = "a norm stands between the MLP and the stream"
        elif biases:
            for bias in biases:
                yield bias, _addition(lm.tensor(bias), term.scale * term.vector)
            return
        else:
            problem = _no_bias(writers)
    raise UsageError(f"block {layer} can not hold this steering in its weights", why=f"{problem}.", fix=WAY_OUT)


def _no_bias(writers: Sequence[Weight]) -> str:
    experts = " of its experts" if writers[0].site.expert is not None else ""
    return f"`mlp.down`{experts} has no bias, and files with one would not be read back"


def _addition(bias: Tensor, vector: Tensor) -> Delta:
    """Return the change that adds a vector to a bias, or to that of every expert."""
    if bias.dim() == 1:
        return Shift(vector)
    return LowRank(torch.ones(bias.shape[0], 1), vector[None].contiguous())


@torch.no_grad()
def _compare(lm: LM, steered: Patch, baked: Patch, texts: Sequence[str]) -> None:
    batch = lm.batch([lm.encode(text) for text in texts])
    real = batch.mask.bool()
    with steered.attached(lm, force=True):
        expected = lm.forward(batch).logits[real].float()
    with baked.applied(lm, force=True):
        actual = lm.forward(batch).logits[real].float()
    types = {lm.disk_dtype(name) for name in baked.terms} | {lm.model.dtype}
    tolerance = TOLERANCE if types <= {torch.float32, torch.float64} else 0.05
    apart = float((expected - actual).abs().max()) / max(1.0, float(expected.abs().max()))
    if not apart <= tolerance:
        raise VerificationFailed(
            "the baked patch does not do what the steering does",
            why=f"Logits differ by {apart:.2g} of the largest on {len(texts)} texts.",
            fix=WAY_OUT,
        )
