"""Take a direction out of everything that is written to the residual stream, as a rank-one change of each writer.

Source: Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction", section 2.4; strengths per block as in
"heretic" (Weidmann 2025), see `suture.methods._layer_schedule`.
    W' = W - w_l v v^T W        W: (d_model, in), v: (d_model,), |v| = 1, w_l: strength of block l
    b' = b - w_l v v^T b        b: (d_model,)
    E' = E - w_l (E v) v^T      E: (vocabulary, d_model), when `embeddings`
Writers are `attn.o`, `mlp.down` (of every expert, shared ones too) and their biases. At w = 1 nothing along v is left; a negative
strength makes the behaviour stronger. Where a norm stands between a writer and the stream (Gemma 2 and 3, OLMo 2: it multiplies
by its gain g), v is replaced by g * v / |g * v|, so that what arrives has no component along v.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .. import registry
from ..data.examples import Behaviour
from ..errors import UsageError
from ..locate.direction import Direction
from ..locate.directions import Kind, directions
from ..model.arch.anatomy import Weight
from ..model.lm import LM
from ..model.run.pooling import Pool
from ..patch.delta import LowRank, Shift
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..registry import method
from ._layer_schedule import LayerSchedule

DEEP = 0.8  # a direction is taken from the blocks before this share of the depth: later ones hold the next token's
SPACE: dict[
    str, list[Any]
] = {  # for `suture.search.drawn` and `explore`: make = lambda s: ablation(lm, behaviour, **s)
    "scope": ["one", "each"],
    "peak": [0.4, 0.6, 0.8, 1.0],
    "reach": [0.2, 0.4, 0.6, 1.0],
    "least": [0.0, 0.5, 1.0],
}


@method
def ablation(
    lm: LM,
    behaviours: Behaviour | list[Behaviour],
    *,
    kind: Kind = "means",
    pool: Pool = "response",
    back: int = 0,
    layer: int | None = None,
    scope: Literal["one", "each"] = "one",
    strength: float = 1.0,
    peak: float = 0.5,
    reach: float = 1.0,
    least: float = 1.0,
    attention: float = 1.0,
    mlp: float = 1.0,
    embeddings: bool = False,
    direction: Direction | None = None,
    seed: int = 0,
) -> Patch:
    """Make an ablation patch.

    Args:
        lm: the model; not changed.
        behaviours: what to take out; several are taken out one beside the other.
        kind: how the direction is computed; see `suture locate directions`.
        pool: the tokens it is read from.
        back: tokens before the last it is read from.
        layer: the block whose direction is used everywhere; by default the one that separates best before the last fifth.
        scope: "one" direction in all blocks, or "each" block its own.
        strength: 1 takes all of the component out, a negative one adds to it, more than 1 turns it round.
        peak: where in the depth the strength is highest, from 0 to 1.
        reach: share of the depth, on either side of the peak, where anything is done.
        least: strength at the end of the reach, as a share of `strength`.
        attention: factor of the strength for `attn.o`.
        mlp: factor of the strength for the MLP's writers.
        embeddings: also from the embeddings; where they are tied to the head, that changes it too.
        direction: a direction already read; used for every behaviour.
        seed: of the held-out texts.
    """
    if not lm.anatomy.parts or "attn.o" not in lm.anatomy.parts:
        raise UsageError("this model's writers are not known", fix="Use steering instead: suture edit steering")
    many = behaviours if isinstance(behaviours, list) else [behaviours]
    factors = {"attn.o": attention, "mlp.down": mlp, "shared.down": mlp}
    amounts = LayerSchedule(strength, peak, reach, strength * least)(lm.anatomy.layers)
    terms: list[tuple[str, Delta]] = []
    for behaviour in many:
        behaviour_direction = direction or directions(lm, behaviour, kind=kind, pool=pool, back=back, seed=seed)
        behaviour_direction.check(lm)
        block = _best_layer(lm, behaviour_direction) if layer is None else layer
        vectors = [behaviour_direction.unit(i if scope == "each" else block).double() for i in range(lm.anatomy.layers)]
        terms += [term for part, factor in factors.items() for term in _writers(lm, part, vectors, amounts, factor)]
        if embeddings:
            terms += _embeddings(lm, behaviour_direction.unit(block).double(), strength)
    examples = {"behaviours": [b.summary() for b in many]}
    return Patch.make(lm, by_tensor(terms), method="ablation", settings=registry.settings(), examples=examples)


def _best_layer(lm: LM, direction: Direction) -> int:
    early = [layer for layer in direction.layers if layer < DEEP * lm.anatomy.layers] or direction.layers
    return direction.best_of(early)


def _writers(
    lm: LM, part: str, vectors: Sequence[Tensor], amounts: Sequence[float], factor: float
) -> Iterator[tuple[str, Delta]]:
    """Yield the change of every writer of a kind, and of its bias."""
    if part not in lm.anatomy.parts:
        return
    biases = set()
    for weight in lm.anatomy.weights(part):
        amount = factor * amounts[weight.site.layer]
        if not amount:
            continue
        vector = _before_norm(lm, weight, vectors[weight.site.layer])
        reads = vector @ weight.matrix().double().cpu()  # v^T W: (in,)
        yield weight.tensor, weight.place(LowRank((-amount * vector).float()[:, None], reads.float()[None]))
        name = lm.bias(weight)
        if name is not None and name not in biases:
            biases.add(name)
            yield name, _from_rows(lm.tensor(name), vector, amount)


def _embeddings(lm: LM, vector: Tensor, amount: float) -> Iterator[tuple[str, Delta]]:
    """Yield the change of every embedding that is added to the stream: of tokens, and of positions."""
    parameters = [
        m.weight for m in lm.backbone.modules() if isinstance(m, nn.Embedding) and m.embedding_dim == lm.width
    ]
    for name, tensor in lm.anatomy.stored().items():
        if any(tensor.data_ptr() == parameter.data_ptr() for parameter in parameters):
            yield name, _from_rows(tensor, vector, amount)


def _from_rows(tensor: Tensor, vector: Tensor, amount: float) -> Delta:
    """Return the change that takes a direction out of every row of a tensor, or of a vector."""
    along = tensor.detach().double().cpu() @ vector  # (rows,)
    if tensor.dim() == 1:
        return Shift((-amount * along * vector).float())
    return LowRank((-amount * along).float()[:, None], vector.float()[None])


def _before_norm(lm: LM, weight: Weight, vector: Tensor) -> Tensor:
    """Return the direction as the writer puts it out, where a norm with a gain follows before the stream: (d,)."""
    norm = lm.anatomy.norm_behind(weight.site)
    if norm is None:
        return vector
    like = next(norm.parameters())
    with torch.no_grad():
        gain = norm(torch.ones(1, len(vector), dtype=like.dtype, device=like.device))[0].double().cpu()
    turned = gain * vector
    return turned / turned.norm()
