"""Steer: add a behaviour's direction to the activations of chosen blocks, or take it out of them, while the model runs.

Source: Rimsky et al. 2024, "Steering Llama 2 via Contrastive Activation Addition"; Arditi et al. 2024, "Refusal in Language
Models Is Mediated by a Single Direction", eq. 3-4; Li et al. 2023, "Inference-Time Intervention"; conditions: Lee et al. 2025.
    h' = h + strength / n * |h_l| * r_l / |r_l|   h, r_l: (d_model,), |h_l|: typical length of the states of block l, n: blocks
The other modes ("turn", "project", "clamp") are in `suture.patch.runtime.steer`. No weight changes: the patch is attached, not
applied; where the model has biases, `suture.export.bake` writes an addition into them.
Differs from the sources: the strength is in units of the typical state (the mean of those read, sinks left out) and is shared by
the blocks steered, so that it means the same in every block and model. What a block adds stays in the stream, so behind the last
block steered stands the sum: at most `strength` of a state there, however many blocks took part. `unit="state"` spends the
strength in each block; `unit="raw"` adds the difference as it came out; for heads the unit is a standard deviation, as in ITI.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from .. import registry
from ..data.examples import Behaviour
from ..errors import UsageError
from ..locate.condition import Condition, fit_condition
from ..locate.direction import Direction
from ..locate.directions import Kind, directions
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..model.run.pooling import Pool
from ..patch.activation import Place, Positions
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..patch.runtime.steer import Likeness, Mode, Steer
from ..registry import method

TOTAL = 0.2  # of the typical state, shared by the blocks steered; twice as much makes loops in a small real model
EACH = 0.1  # in units of the others, in each block steered
ADDING: tuple[Mode, ...] = ("add", "turn")  # modes whose strength is a length
Unit = Literal["total", "state", "raw"]


@method
def steering(
    lm: LM,
    behaviours: Behaviour | list[Behaviour],
    *,
    kind: Kind = "means",
    pool: Pool = "response",
    back: int = 0,
    layers: list[int] | None = None,
    strength: float | None = None,
    unit: Unit = "total",
    toward: Literal["wanted", "unwanted"] = "wanted",
    mode: Mode = "add",
    positions: Positions = "all",
    level: float | None = None,
    condition: Behaviour | None = None,
    likeness: Likeness = "cosine",
    direction: Direction | None = None,
    seed: int = 0,
) -> Patch:
    """Make a steering patch.

    Args:
        lm: the model; not changed.
        behaviours: what to change; several are steered together.
        kind: how the direction is computed; see `suture locate directions`.
        pool: the tokens it is read from.
        back: tokens before the last it is read from.
        layers: the blocks steered; by default those of the middle half (all that have chosen heads for "heads").
        strength: what is added, in units of `unit`, by default 0.2 of "total" and 0.1 of the others; for "project" and "clamp"
            the share of the change, by default 1, which is all of it.
        unit: "total": the typical length of the states of a block, shared by the blocks steered; "state": the same in each of
            them; "raw": the vector as it came out. In each block alike are steered heads, in standard deviations, and vectors
            made elsewhere, as they are.
        toward: "wanted" moves away from label 1, "unwanted" towards it.
        mode: "add"; "turn", which keeps the length of each state; "project", which takes the component out; "clamp", which sets
            it.
        positions: tokens steered: "all", those of the "prompt", those "generated", or those the "answer" is said from (the
            prompt's last and those generated).
        level: component that "clamp" sets; by default the mean of the class it moves toward.
        condition: labelled prompts: only a prompt like those of label 1 is steered, decided as it is read. By default all are.
        likeness: how prompts are compared with the condition; see `suture.locate.condition`.
        direction: a direction already read; used for every behaviour.
        seed: of the held-out texts.
    """
    lm.anatomy.check_blocks(layers or ())  # before texts are read in vain
    many = behaviours if isinstance(behaviours, list) else [behaviours]
    amount = _default(kind, direction, unit, mode) if strength is None else strength
    terms: list[tuple[str, Delta]] = []
    examples: dict[str, Any] = {"behaviours": [b.summary() for b in many]}
    if condition:
        examples["condition"] = condition.summary()
    for behaviour in many:
        behaviour_direction = direction or directions(lm, behaviour, kind=kind, pool=pool, back=back, seed=seed)
        behaviour_direction.check(lm)
        chosen = _blocks(lm, behaviour_direction, layers)
        fitted = fit_condition(lm, condition, range(chosen[0] + 1), likeness=likeness) if condition else None
        terms += _steers(lm, behaviour_direction, chosen, toward, amount, unit, mode, positions, level, fitted)
    settings = {**registry.settings(), "strength": amount}
    return Patch.make(lm, by_tensor(terms), method="steering", settings=settings, examples=examples)


def _default(kind: Kind, direction: Direction | None, unit: Unit, mode: Mode) -> float:
    """Return the strength where none is given."""
    if mode not in ADDING:
        return 1.0
    shared = direction.shared if direction else kind != "heads"
    return TOTAL if unit == "total" and shared else EACH


def _blocks(lm: LM, direction: Direction, layers: Sequence[int] | None) -> list[int]:
    if layers is not None:
        return sorted(layers)
    if direction.space == "heads":
        return [layer for layer in direction.layers if bool(direction.vector(layer).any())]
    quarter = lm.anatomy.layers // 4
    return [layer for layer in direction.layers if quarter <= layer < lm.anatomy.layers - quarter] or direction.layers


def _steers(
    lm: LM,
    direction: Direction,
    layers: Sequence[int],
    toward: Literal["wanted", "unwanted"],
    strength: float,
    unit: Unit,
    mode: Mode,
    positions: Positions,
    level: float | None,
    condition: Condition | None,
) -> Iterator[tuple[str, Steer]]:
    """Yield the edit of each block, and the tensor it is filed under."""
    if direction.space == "heads" and mode != "add":
        raise UsageError(f"heads are steered by adding, not by {mode!r}", fix='Use mode="add", or another kind.')
    sign = -1.0 if toward == "wanted" else 1.0
    place: Place = "heads" if direction.space == "heads" else "residual"
    share = len(layers) if unit == "total" and direction.shared else 1
    for layer in layers:
        if mode in ADDING:
            vector = sign * (strength / share) * (direction.vector(layer) if unit == "raw" else direction.step(layer))
        else:
            vector = direction.unit(layer)
        sets = (direction.level(layer, toward) if level is None else level) if mode == "clamp" else 0.0
        yield (
            _anchor(lm, layer),
            Steer(
                vector.contiguous(),
                condition.vector if condition else None,
                mode=mode,
                positions=positions,
                place=place,
                level=sets,
                reads=_anchor(lm, condition.layer) if condition else "",
                threshold=condition.threshold if condition else 0.0,
                likeness=condition.likeness if condition else "cosine",
                scale=1.0 if mode in ADDING else strength,
            ),
        )


def _anchor(lm: LM, layer: int) -> str:
    return lm.anatomy.weight(Site(layer, "attn.o")).tensor
